import { type FoundSource, sourceOf, unknownSource } from "./found-source.ts";

/**
 * What Go takes modules from, as `go env -json` or the variables say it.
 *
 * Source: the Go modules reference, "GOPROXY protocol" and "Environment variables".
 */
export function goSources(answer: {
  readonly values: Readonly<Record<string, string | undefined>>;
  readonly from: string;
}): FoundSource[] {
  const { values, from } = answer;
  const facts = { client: "go", format: "go", from } as const;
  const proxies = (values["GOPROXY"] ?? "")
    .split(/[,|]/)
    .map((part) => part.trim())
    .filter((part) => part !== "");
  const direct = proxies.includes("direct");
  const database = sumDatabase(values);
  const found = proxies
    .filter((part) => part !== "direct" && part !== "off")
    .map((address, index) =>
      sourceOf(address, {
        ...facts,
        name: index === 0 ? "" : `${index + 1}`,
        ...(database === undefined ? {} : { checksumDatabase: database }),
        ...(direct ? { note: "Go also fetches from version control (direct); through the mirror it does not" } : {}),
      }),
    );
  if (found.length === 0 && proxies.length > 0)
    found.push(unknownSource({ ...facts, note: `GOPROXY is ${proxies.join(",")}: there is no proxy to mirror` }));
  return found;
}

/** The name of the checksum database that Go asks; undefined where it is off or unknown. */
function sumDatabase(values: Readonly<Record<string, string | undefined>>): string | undefined {
  const name = values["GOSUMDB"]?.trim().split(/[\s+]/)[0];
  return name === undefined || name === "" || name === "off" ? undefined : name;
}
