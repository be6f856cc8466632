import type { Distribution } from "../model/package.ts";

/**
 * The OSV ecosystem of a distribution: `Debian:12`, `Ubuntu:24.04:LTS`, `Ubuntu:25.10`, `Alpine:v3.20`; undefined where
 * OSV has none.
 *
 * Ubuntu's long-term releases are those of April in even years. Source: OSV schema, "Defined ecosystems".
 */
export function ecosystemOf(distribution: Distribution): string | undefined {
  const { id, version } = distribution;
  if (id === "alpine") {
    const branch = /^\d+\.\d+/.exec(version)?.[0];
    return branch === undefined ? undefined : `Alpine:v${branch}`;
  }
  if (id === "debian") return /^\d+(?:\.\d+)*$/.test(version) ? `Debian:${version.split(".")[0]}` : undefined;
  const ubuntu = id === "ubuntu" ? /^(\d\d)\.(\d\d)$/.exec(version) : null;
  if (ubuntu === null) return undefined;
  return `Ubuntu:${version}${ubuntu[2] === "04" && Number(ubuntu[1]) % 2 === 0 ? ":LTS" : ""}`;
}
