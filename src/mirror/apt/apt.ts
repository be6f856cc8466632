import type { DenialAnswer, Format } from "../format.ts";
import { classify } from "./classify.ts";
import { clients } from "./clients.ts";
import { locate } from "./locate.ts";
import { poolIndex } from "./pool-index.ts";

/**
 * Archives of Debian packages, those with suites below `dists/` and flat ones.
 *
 * All is given out as it came: the archive's signature covers it. The digest of every byte is known before it is given
 * out, from the signed Release over its indexes to the packages; the signature itself is checked by apt, which has the
 * keys. Source: the Debian repository format, the Debian policy manual.
 */
export const apt: Format = {
  name: "apt",
  classify,
  locate,
  probe: "dists/",
  deny,
  clients,
  derivations: { pool: poolIndex },
  purl: ({ name, version }) =>
    `pkg:deb/${encodeURIComponent(name)}@${encodeURIComponent(version).replaceAll("%3A", ":")}`,
};

/** apt shows the first line of the answer and nothing else. */
function deny({ status, message }: { readonly status: number; readonly message: string }): DenialAnswer {
  const statusText = message.replaceAll(/[^ -~]+/g, " ");
  return { status, mediaType: "text/plain; charset=utf-8", body: `${message}\n`, statusText };
}
