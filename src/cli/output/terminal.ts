/** Where a command writes to, and what that place can show. */
export interface Terminal {
  /** Results go to standard output. */
  out(text: string): void;
  /** Progress, hints and failures go to standard error. */
  err(text: string): void;
  /** Standard error is a screen that can be redrawn. */
  readonly isLive: boolean;
  /** Columns of that screen. */
  readonly columns: number;
  readonly paint: Paint;
}

/** Colours carry meaning only; where there are none the words say the same. */
export interface Paint {
  readonly bold: (text: string) => string;
  readonly soft: (text: string) => string;
  readonly good: (text: string) => string;
  readonly warn: (text: string) => string;
  readonly bad: (text: string) => string;
}

interface Screen {
  write(text: string): unknown;
  readonly isTTY?: boolean;
  readonly columns?: number;
}

interface TerminalOptions {
  readonly stdout: Screen;
  readonly stderr: Screen;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** False for `--no-color`. */
  readonly color: boolean;
  readonly quiet: boolean;
}

/** Opens a terminal. Colour is off without a screen, with `NO_COLOR`, `TERM=dumb` or `--no-color`. */
export function openTerminal({ stdout, stderr, environment, color, quiet }: TerminalOptions): Terminal {
  const isDumb = environment["TERM"] === "dumb";
  const hasColor = color && !isDumb && !environment["NO_COLOR"] && stdout.isTTY === true && stderr.isTTY === true;
  return {
    out: (text) => void stdout.write(`${text}\n`),
    err: (text) => void stderr.write(text),
    isLive: stderr.isTTY === true && !isDumb && !quiet,
    // A terminal that does not know its size says 0.
    columns: stderr.columns || 80,
    paint: hasColor ? colours : plain,
  };
}

const sgr =
  (code: number) =>
  (text: string): string =>
    `\u001b[${code}m${text}\u001b[0m`;
const colours: Paint = { bold: sgr(1), soft: sgr(2), good: sgr(32), warn: sgr(33), bad: sgr(31) };
const same = (text: string): string => text;
const plain: Paint = { bold: same, soft: same, good: same, warn: same, bad: same };

const escape = "\u001b";

/**
 * Takes control characters and colour sequences out of a text from elsewhere, so that a package's log cannot steer
 * the terminal; tabs and line ends stay. Source: ECMA-48 section 5.4, "Control sequences".
 */
export function printable(text: string): string {
  const [first = "", ...rest] = text.split(escape);
  const bare = first + rest.map((part) => part.replace(/^\[[0-9;?]*[ -/]*[@-~]/, "")).join("");
  return Array.from(bare)
    .filter((char) => char === "\t" || char === "\n" || !isControl(char.codePointAt(0)!))
    .join("");
}

function isControl(codePoint: number): boolean {
  return codePoint < 0x20 || (codePoint >= 0x7f && codePoint <= 0x9f);
}

/** The columns that a text takes, colours aside. */
export function widthOf(text: string): number {
  return Array.from(printable(text)).length;
}
