/** A pattern that is ready to be matched. */
export interface Glob {
  readonly pattern: string;
  /** Whether the whole text has the form; takes time linear in the text, whatever the pattern. */
  matches(text: string): boolean;
}

/** Why a text is no pattern; fits after a colon. */
export interface InvalidGlob {
  readonly invalid: string;
}

/** The longest pattern, in characters. */
export const globChars = 255;

/** States that are remembered before they are found anew; more than real patterns have. */
const rememberedStateCount = 512;

/**
 * Reads a pattern over names with slashes, case and all.
 *
 * `*` stands for any run without a slash, `**` for any run, `**` with its slash for any folders or none, `?` for one
 * character but a slash, `{a,b}` for either, `[a-z]` and `[!a-z]` for one character of a class or outside it, and `\`
 * takes the next character as it is. It runs as an automaton, without going back, so no pattern is slow.
 */
export function readGlob(pattern: string): Glob | InvalidGlob {
  if (pattern === "") return { invalid: "it is empty" };
  if (pattern.length > globChars) return { invalid: `it has more than ${globChars} characters` };
  const parsed = parseSequence({ chars: Array.from(pattern), at: 0 }, false);
  if ("invalid" in parsed) return parsed;
  const nodes: Node[] = [{ kind: "end" }];
  const first = addSequence(nodes, parsed.parts, 0);
  return { pattern, matches: automaton(nodes, first) };
}

type Part =
  | { readonly kind: "one"; readonly fits: (char: string) => boolean }
  | { readonly kind: "run"; readonly hasSlashes: boolean }
  | { readonly kind: "folders" }
  | { readonly kind: "either"; readonly branches: readonly (readonly Part[])[] };

interface Reader {
  readonly chars: readonly string[];
  at: number;
}

interface Sequence {
  readonly parts: readonly Part[];
}

/** Reads up to the end, or, inside braces, up to a comma or the closing brace, which stays unread. */
function parseSequence(reader: Reader, isInside: boolean): Sequence | InvalidGlob {
  const parts: Part[] = [];
  for (let char = reader.chars[reader.at]; char !== undefined; char = reader.chars[reader.at]) {
    if (isInside && (char === "," || char === "}")) return { parts };
    if (char === "}") return { invalid: "it has a } without its {" };
    const part = char === "{" ? parseEither(reader) : char === "[" ? parseClass(reader) : parseSimple(reader, char);
    if ("invalid" in part) return part;
    parts.push(part);
  }
  return isInside ? { invalid: "it has a { without its }" } : { parts };
}

function parseSimple(reader: Reader, char: string): Part | InvalidGlob {
  const before = reader.chars[reader.at - 1];
  reader.at += 1;
  if (char === "?") return { kind: "one", fits: isNoSlash };
  if (char === "\\") {
    const next = reader.chars[reader.at];
    if (next === undefined) return { invalid: "it ends with a backslash" };
    reader.at += 1;
    return { kind: "one", fits: (other) => other === next };
  }
  if (char !== "*") return { kind: "one", fits: (other) => other === char };
  let starCount = 1;
  for (; reader.chars[reader.at] === "*"; reader.at++) starCount += 1;
  if (starCount === 1) return { kind: "run", hasSlashes: false };
  if ((before === undefined || before === "/") && reader.chars[reader.at] === "/") {
    reader.at += 1;
    return { kind: "folders" };
  }
  return { kind: "run", hasSlashes: true };
}

function parseEither(reader: Reader): Part | InvalidGlob {
  const branches: (readonly Part[])[] = [];
  do {
    reader.at += 1;
    const branch = parseSequence(reader, true);
    if ("invalid" in branch) return branch;
    branches.push(branch.parts);
  } while (reader.chars[reader.at] === ",");
  reader.at += 1;
  return { kind: "either", branches };
}

function parseClass(reader: Reader): Part | InvalidGlob {
  const { chars } = reader;
  reader.at += 1;
  const isNegated = chars[reader.at] === "!" || chars[reader.at] === "^";
  if (isNegated) reader.at += 1;
  const ranges: (readonly [from: string, to: string])[] = [];
  while (chars[reader.at] !== "]") {
    const from = classChar(reader);
    const hasEnd = chars[reader.at] === "-" && chars[reader.at + 1] !== "]";
    if (hasEnd) reader.at += 1;
    const to = hasEnd ? classChar(reader) : from;
    if (from === undefined || to === undefined) return { invalid: "it has a [ without its ]" };
    if (from > to) return { invalid: `its class [${from}-${to}] runs backwards` };
    ranges.push([from, to]);
  }
  reader.at += 1;
  if (ranges.length === 0) return { invalid: "it has an empty class []" };
  const fits = (char: string): boolean => ranges.some(([from, to]) => char >= from && char <= to);
  return { kind: "one", fits: (char) => isNoSlash(char) && fits(char) !== isNegated };
}

function classChar(reader: Reader): string | undefined {
  if (reader.chars[reader.at] === "\\") reader.at += 1;
  return reader.chars[reader.at++];
}

function isNoSlash(char: string): boolean {
  return char !== "/";
}

type Node =
  | { readonly kind: "end" }
  | { readonly kind: "step"; readonly fits: (char: string) => boolean; readonly next: number }
  | { readonly kind: "fork"; readonly next: number[] };

/** Adds the nodes of a sequence that goes on at `next`; gives the node where it begins. */
function addSequence(nodes: Node[], parts: readonly Part[], next: number): number {
  return parts.reduceRight((following, part) => addPart(nodes, part, following), next);
}

function addPart(nodes: Node[], part: Part, next: number): number {
  switch (part.kind) {
    case "one":
      return nodes.push({ kind: "step", fits: part.fits, next }) - 1;
    case "either":
      return nodes.push({ kind: "fork", next: part.branches.map((branch) => addSequence(nodes, branch, next)) }) - 1;
    case "run":
      return addLoop(nodes, part.hasSlashes ? () => true : isNoSlash, [next]);
    case "folders": {
      // Nothing, or anything that ends with a slash.
      const slash = nodes.push({ kind: "step", fits: (char) => char === "/", next }) - 1;
      return nodes.push({ kind: "fork", next: [next, addLoop(nodes, () => true, [slash])] }) - 1;
    }
  }
}

function addLoop(nodes: Node[], fits: (char: string) => boolean, exits: readonly number[]): number {
  const next = [...exits];
  const fork = nodes.push({ kind: "fork", next }) - 1;
  next.push(nodes.push({ kind: "step", fits, next: fork }) - 1);
  return fork;
}

/** A set of nodes that may be reached together, with what follows on a character as far as it is known. */
interface State {
  readonly nodes: readonly number[];
  readonly isEnd: boolean;
  readonly after: Map<string, State>;
}

/** Runs the nodes as a set; the sets that come up are kept, so that most characters cost one look-up. */
function automaton(nodes: readonly Node[], first: number): (text: string) => boolean {
  const states = new Map<string, State>();
  const stateOf = (starts: readonly number[]): State => {
    const reached = new Set(starts);
    // The set grows while it is walked.
    for (const index of reached) {
      const node = nodes[index]!;
      if (node.kind === "fork") for (const next of node.next) reached.add(next);
    }
    const kept = [...reached].filter((index) => nodes[index]!.kind !== "fork").toSorted((a, b) => a - b);
    const key = kept.join(" ");
    const known = states.get(key);
    if (known !== undefined) return known;
    if (states.size >= rememberedStateCount) states.clear();
    const state: State = { nodes: kept, isEnd: kept.includes(0), after: new Map() };
    states.set(key, state);
    return state;
  };
  const follow = (state: State, char: string): State => {
    const known = state.after.get(char);
    if (known !== undefined) return known;
    const next = state.nodes.flatMap((index) => {
      const node = nodes[index]!;
      return node.kind === "step" && node.fits(char) ? [node.next] : [];
    });
    const following = stateOf(next);
    if (state.after.size < rememberedStateCount) state.after.set(char, following);
    return following;
  };
  const start = stateOf([first]);
  return (text) => {
    let state = start;
    for (const char of text) {
      state = follow(state, char);
      if (state.nodes.length === 0) return false;
    }
    return state.isEnd;
  };
}
