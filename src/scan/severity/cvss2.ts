/**
 * The base score of a CVSS 2 vector, with or without brackets, 0 to 10 in steps of 0.1, or undefined where it is none.
 *
 * Source: CVSS v2 guide section 3.2.1.
 */
export function cvss2Score(vector: string): number | undefined {
  const parts = vector
    .trim()
    .replace(/^\(|\)$/g, "")
    .split("/");
  const metrics = new Map(parts.map((part) => part.split(":", 2) as [string, string]));
  if (metrics.size !== parts.length) return undefined;
  const weight = (metric: string, weights: Readonly<Record<string, number>>): number =>
    weights[metrics.get(metric) ?? ""] ?? NaN;
  const loss = { N: 0, P: 0.275, C: 0.66 };
  const impact = 10.41 * (1 - (1 - weight("C", loss)) * (1 - weight("I", loss)) * (1 - weight("A", loss)));
  const exploitability =
    20 *
    weight("AV", { L: 0.395, A: 0.646, N: 1 }) *
    weight("AC", { H: 0.35, M: 0.61, L: 0.71 }) *
    weight("Au", { M: 0.45, S: 0.56, N: 0.704 });
  const score = (0.6 * impact + 0.4 * exploitability - 1.5) * (impact === 0 ? 0 : 1.176);
  // The published scores come from decimal rounding; binary noise must not push a half down.
  return Number.isNaN(score) ? undefined : Math.max(0, Math.round(Number((score * 10).toFixed(6)))) / 10;
}
