/**
 * The known word that was most likely meant by an unknown one: at most two fifths of it differ.
 *
 * @returns undefined where none is near
 */
export function closestWord(word: string, known: Iterable<string>): string | undefined {
  let best: string | undefined;
  let least = Math.max(1, Math.floor(word.length * 0.4)) + 1;
  for (const one of known) {
    const steps = one.startsWith(word) && word.length > 1 ? 1 : distance(word, one);
    if (steps < least) [best, least] = [one, steps];
  }
  return best;
}

/** Letters to insert, delete or replace. Source: Wagner and Fischer, 1974. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, at) => at);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++)
      next.push(Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)));
    row = next;
  }
  return row[b.length]!;
}
