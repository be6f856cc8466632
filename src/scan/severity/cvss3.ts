/**
 * The base score of a CVSS 3.0 or 3.1 vector, 0 to 10 in steps of 0.1, or undefined where it is none.
 *
 * Temporal and environmental metrics may stand in the vector and are ignored.
 * Source: CVSS v3.1 specification sections 7.1 and 7.4, rounding of its appendix A.
 */
export function cvss3Score(vector: string): number | undefined {
  const [head, ...parts] = vector.trim().split("/");
  if (head !== "CVSS:3.1" && head !== "CVSS:3.0") return undefined;
  const metrics = new Map(parts.map((part) => part.split(":", 2) as [string, string]));
  if (metrics.size !== parts.length) return undefined;
  const scope = metrics.get("S");
  const weight = (metric: string, weights: Readonly<Record<string, number>>): number =>
    weights[metrics.get(metric) ?? ""] ?? NaN;
  const privileges = weight("PR", scope === "C" ? { N: 0.85, L: 0.68, H: 0.5 } : { N: 0.85, L: 0.62, H: 0.27 });
  const exploitability =
    8.22 *
    weight("AV", { N: 0.85, A: 0.62, L: 0.55, P: 0.2 }) *
    weight("AC", { L: 0.77, H: 0.44 }) *
    privileges *
    weight("UI", { N: 0.85, R: 0.62 });
  const loss = { H: 0.56, L: 0.22, N: 0 };
  const impactBase = 1 - (1 - weight("C", loss)) * (1 - weight("I", loss)) * (1 - weight("A", loss));
  const impact =
    scope === "C"
      ? 7.52 * (impactBase - 0.029) - 3.25 * (impactBase - 0.02) ** 15
      : scope === "U"
        ? 6.42 * impactBase
        : NaN;
  if (Number.isNaN(impact + exploitability)) return undefined;
  if (impact <= 0) return 0;
  return roundUp(Math.min(scope === "C" ? 1.08 * (impact + exploitability) : impact + exploitability, 10));
}

/** The smallest number of one decimal that is not below, in integers so that every machine agrees. */
function roundUp(value: number): number {
  const scaled = Math.round(value * 100_000);
  return scaled % 10_000 === 0 ? scaled / 100_000 : (Math.floor(scaled / 10_000) + 1) / 10;
}
