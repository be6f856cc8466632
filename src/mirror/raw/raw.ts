import { type DenialAnswer, type Format, type RepositorySettings } from "../format.ts";
import { classify } from "./classify.ts";
import { locate } from "./locate.ts";
import { ruleFor } from "./rules.ts";
import { write } from "./write.ts";

/**
 * Files of no ecosystem: release archives, keys, wrappers.
 *
 * A proxy fetches what its rules allow, from any host that they name, under `<host>/<path>`; the first fetch pins the
 * bytes, a rule may name their SHA-256. One with an upstream and no rules is a copy of that upstream. Neither follows
 * anything inside the files.
 */
export const raw: Format = formatFor({ kind: "proxy" });

function formatFor(settings: RepositorySettings): Format {
  return {
    name: "raw",
    configured: formatFor,
    classify: (request) => classify(request, settings),
    locate: async (ask, reader) => await locate(ask, reader, settings),
    probe: "",
    deny,
    write,
    clients: () => [],
    purl,
    pathOf: (address) => pathOf(address, settings),
  };
}

/** curl shows the status line with `-f`, and the body without. */
function deny({ status, message }: { readonly status: number; readonly message: string }): DenialAnswer {
  const statusText = message.replaceAll(/[^ -~]+/g, " ").slice(0, 500);
  return { status, mediaType: "text/plain; charset=utf-8", body: `${message}\n`, statusText };
}

function purl({ name, version }: { readonly name: string; readonly version: string }): string {
  return `pkg:generic/${name.split("/").map(encodeURIComponent).join("/")}@${encodeURIComponent(version)}`;
}

function pathOf(address: URL, { kind, allowed }: RepositorySettings): string | undefined {
  const path = address.pathname.slice(1);
  if (kind !== "proxy" || allowed === undefined || address.search !== "") return undefined;
  return ruleFor(allowed, address.host, path) === undefined ? undefined : `${address.host}/${path}`;
}
