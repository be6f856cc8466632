/**
 * Reads a `.dockerignore`: whether a path is left out. The last pattern that fits decides; `!` takes in again.
 *
 * Source: Docker's build context documentation, ".dockerignore files".
 */
export function readIgnoreList(text: string): (path: string) => boolean {
  const rules = text
    .split(/\r?\n/)
    .map((line) => line.trim())
    .filter((line) => line !== "" && !line.startsWith("#"))
    .map((line) => {
      const isTakenIn = line.startsWith("!");
      const pattern = (isTakenIn ? line.slice(1) : line)
        .trim()
        .replace(/^\.?\/+/, "")
        .replace(/\/+$/, "");
      return { isTakenIn, form: new RegExp(`^${expression(pattern)}(?:/.*)?$`, "s") };
    });
  return (path) => {
    let isIgnored = false;
    for (const { isTakenIn, form } of rules) if (form.test(path)) isIgnored = !isTakenIn;
    return isIgnored;
  };
}

/** `*` and `?` stop at slashes, `**` does not, and also stands for no folder at all. */
function expression(pattern: string): string {
  let result = "";
  for (let at = 0; at < pattern.length; at++) {
    const rest = pattern.slice(at);
    if (rest.startsWith("**/")) {
      result += "(?:.*/)?";
      at += 2;
    } else if (rest.startsWith("**")) {
      result += ".*";
      at += 1;
    } else if (rest[0] === "*") result += "[^/]*";
    else if (rest[0] === "?") result += "[^/]";
    else if (rest[0] === "[" && /^\[[^\]/]+\]/.test(rest)) {
      const set = /^\[[^\]/]+\]/.exec(rest)![0];
      result += set.replaceAll("\\", "\\\\").replace(/^\[\^/, "[^/");
      at += set.length - 1;
    } else if (rest[0] === "\\" && rest.length > 1) {
      result += escaped(rest[1]!);
      at += 1;
    } else result += escaped(rest[0]!);
  }
  return result;
}

function escaped(letter: string): string {
  return /[\\^$.*+?()[\]{}|/-]/.test(letter) ? `\\${letter}` : letter;
}
