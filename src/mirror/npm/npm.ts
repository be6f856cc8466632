/**
 * The npm registry: packages of npm, yarn, pnpm and bun.
 *
 * One document tells of all versions of a package. The whole of it is fetched, whoever asks, since only that says when a
 * version was published; what clients get is made of it, with our addresses and without what policy withholds.
 */
import { PackageURL } from "packageurl-js";
import type { Format } from "../format.ts";
import { audit } from "./audit.ts";
import { classify } from "./classify.ts";
import { clients } from "./clients.ts";
import { facts } from "./facts.ts";
import { locate } from "./locate.ts";
import { refuse } from "./refuse.ts";
import { render } from "./render.ts";
import { write } from "./write.ts";

/** The format of npm's registry. */
export const npm: Format = {
  name: "npm",
  classify,
  locate,
  documentOf: ({ name }) => name,
  facts,
  render,
  probe: "-/ping",
  deny: ({ status, message }) => {
    const { mediaType, body } = refuse(status, message);
    if (status !== 403) return { status, mediaType, body };
    // npm shows the body; pnpm and later yarns show the words after the status alone.
    const reason = message.replaceAll(/[^\x21-\x7e]+/g, " ").slice(0, 500);
    return { status, mediaType, body, statusText: `Forbidden (${reason})` };
  },
  write,
  relay: audit,
  clients,
  purl({ name, version }) {
    const at = name.indexOf("/");
    const scope = at < 0 ? undefined : name.slice(0, at);
    return new PackageURL("npm", scope, name.slice(at + 1), version, undefined, undefined).toString();
  },
};
