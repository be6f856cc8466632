/** One simple command of a shell text: a program with its arguments. */
export interface ShellCommand {
  /** The program, without assignments before it and without quotes; a variable stays as it is written. */
  readonly program: string;
  readonly args: readonly string[];
  /** Words such as `A=1` that stand before the program. */
  readonly assignments: readonly string[];
  /** What joins it to the command before: `|`, `&&`, `||`, `;`, `&`, or nothing for the first. */
  readonly joint: string;
  /** How many substitutions or subshells it lies in; 0 at the top. */
  readonly depth: number;
}

/**
 * Splits a shell text into its simple commands, as far as a linter needs it.
 *
 * Quotes, substitutions, subshells, redirections, comments and the reserved words of `if`, `for`, `while` and `case`
 * are understood; aliases, arithmetic and here documents inside it are not. A text that is not shell at all gives
 * commands too: the rules look for programs by name, so that costs nothing.
 *
 * Source: POSIX.1-2024, Shell Command Language, 2.3 Token Recognition and 2.10 Shell Grammar.
 */
export function shellCommands(text: string): ShellCommand[] {
  return new ShellReader(text, 0).commands();
}

const reserved = new Set("if then else elif fi while until do done esac ! { } time in".split(" "));
/** Programs that run the program that follows them. */
const wrappers = new Set(["env", "exec", "command", "nice", "nohup", "eatmydata"]);

class ShellReader {
  readonly #text: string;
  readonly #depth: number;
  readonly #found: ShellCommand[] = [];
  #at = 0;
  #words: string[] = [];
  #joint = "";

  constructor(text: string, depth: number) {
    this.#text = text;
    this.#depth = depth;
  }

  commands(): ShellCommand[] {
    while (this.#at < this.#text.length) this.#step();
    this.#end("");
    return this.#found;
  }

  #step(): void {
    const rest = this.#text.slice(this.#at, this.#at + 2);
    const char = rest[0]!;
    if (char === " " || char === "\t" || char === "\r") this.#at++;
    else if (char === "#") this.#skipTo("\n");
    else if (rest === "&&" || rest === "||") this.#operator(rest, 2);
    else if (rest === "|&") this.#operator("|", 2);
    else if (rest === "&>") this.#redirection();
    else if (char === "\n" || char === ";") this.#operator(";", 1);
    else if (char === "|" || char === "&") this.#operator(char, 1);
    else if (char === "(" || char === ")") this.#operator(";", 1);
    else if (char === "<" || char === ">") this.#redirection();
    else this.#takeWord();
  }

  #operator(joint: string, length: number): void {
    this.#at += length;
    this.#end(joint);
  }

  #skipTo(mark: string): void {
    const end = this.#text.indexOf(mark, this.#at);
    this.#at = end < 0 ? this.#text.length : end;
  }

  /** `>file`, `2>&1`, `<<<word`: the target is no argument. */
  #redirection(): void {
    while ("<>&|-".includes(this.#text[this.#at] ?? " ")) this.#at++;
    while (this.#text[this.#at] === " ") this.#at++;
    if (!/[\s;|&()]/.test(this.#text[this.#at] ?? " ")) this.#word();
  }

  #takeWord(): void {
    const word = this.#word();
    // A number right before a redirection says which file it is for.
    if (/^\d+$/.test(word) && /[<>]/.test(this.#text[this.#at] ?? "")) return;
    if (this.#words.length === 0 && reserved.has(word)) return;
    this.#words.push(word);
  }

  #word(): string {
    let word = "";
    while (this.#at < this.#text.length) {
      const char = this.#text[this.#at]!;
      if (/[\s;|&()<>]/.test(char)) break;
      if (char === "'") word += this.#singleQuoted();
      else if (char === '"') word += this.#doubleQuoted();
      else if (char === "\\") {
        word += this.#text[this.#at + 1] ?? "";
        this.#at += 2;
      } else if (char === "$" || char === "`") word += this.#dollar();
      else {
        word += char;
        this.#at++;
      }
    }
    return word;
  }

  #singleQuoted(): string {
    const end = this.#text.indexOf("'", this.#at + 1);
    const text = this.#text.slice(this.#at + 1, end < 0 ? undefined : end);
    this.#at = end < 0 ? this.#text.length : end + 1;
    return text;
  }

  #doubleQuoted(): string {
    let word = "";
    this.#at++;
    while (this.#at < this.#text.length && this.#text[this.#at] !== '"') {
      const char = this.#text[this.#at]!;
      if (char === "\\") {
        word += this.#text[this.#at + 1] ?? "";
        this.#at += 2;
      } else if (char === "$" || char === "`") word += this.#dollar();
      else {
        word += char;
        this.#at++;
      }
    }
    this.#at++;
    return word;
  }

  /** `$x`, `${x}`, or a substitution, whose commands are commands of ours. */
  #dollar(): string {
    const start = this.#at;
    if (this.#text[start] === "`") return this.#substitution(start + 1, this.#text.indexOf("`", start + 1));
    if (this.#text[start + 1] === "(") return this.#substitution(start + 2, this.#closing("(", ")"));
    if (this.#text[start + 1] === "{") {
      this.#at = this.#closing("{", "}") + 1;
      return this.#text.slice(start, this.#at);
    }
    this.#at++;
    return "$";
  }

  #substitution(from: number, found: number): string {
    const end = found < 0 ? this.#text.length : found;
    const inner = this.#text.slice(from, end);
    if (!inner.startsWith("(")) this.#found.push(...new ShellReader(inner, this.#depth + 1).commands());
    const written = this.#text.slice(this.#at, end + 1);
    this.#at = end + 1;
    return written.replaceAll(/\s+/g, " ");
  }

  /** The place of the bracket that closes the one after the dollar sign. */
  #closing(open: string, close: string): number {
    let depth = 0;
    for (let at = this.#at + 1; at < this.#text.length; at++) {
      if (this.#text[at] === open) depth++;
      else if (this.#text[at] === close && --depth === 0) return at;
    }
    return this.#text.length;
  }

  #end(joint: string): void {
    const words = this.#words;
    this.#words = [];
    const first = words.findIndex((word) => !/^[A-Za-z_]\w*\+?=/.test(word));
    const assignments = first < 0 ? words : words.slice(0, first);
    const command = first < 0 ? [] : withoutWrapper(words.slice(first));
    const isLoop = ["for", "case", "select", "function"].includes(command[0] ?? "");
    if (command.length > 0 && !isLoop) {
      const [program = "", ...args] = command;
      this.#found.push({ program, args, assignments, joint: this.#joint, depth: this.#depth });
    }
    if (words.length > 0 || joint !== ";") this.#joint = joint;
  }
}

function withoutWrapper(words: readonly string[]): readonly string[] {
  if (!wrappers.has(words[0] ?? "")) return words;
  const next = words.findIndex((word, at) => at > 0 && !word.startsWith("-") && !/^[A-Za-z_]\w*=/.test(word));
  return next < 0 ? words : withoutWrapper(words.slice(next));
}

/** Arguments that are no options. */
export function operands({ args }: ShellCommand): string[] {
  return args.filter((word) => !word.startsWith("-"));
}

/** Whether a command has one of the options: `-y` also within `-qy`, `--yes` also as `--yes=…`. */
export function hasOption({ args }: ShellCommand, ...options: readonly string[]): boolean {
  return options.some((option) =>
    args.some((word) => {
      if (option.startsWith("--")) return word === option || word.startsWith(`${option}=`);
      return word === option || (/^-[A-Za-z]+$/.test(word) && option.length === 2 && word.includes(option[1]!));
    }),
  );
}
