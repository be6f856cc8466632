import { PackageURL } from "packageurl-js";
import type { Format } from "../format.ts";
import { classify, mediaTypes } from "./classify.ts";
import { clients } from "./clients.ts";
import { documentOf, facts } from "./facts.ts";
import { h1OfFile } from "./h1.ts";
import { locate } from "./locate.ts";
import { render } from "./render.ts";
import { write } from "./write.ts";

/**
 * Go modules: the module proxy protocol with the checksum database behind it.
 *
 * Owns the meaning of its paths, the hashes of modules and the upload of one's own as zips. Source: go.dev/ref/mod.
 */
export const go: Format = {
  name: "go",
  classify,
  locate,
  documentOf,
  facts,
  render,
  probe: "golang.org/x/mod/@latest",
  // go prints the body of an answer that is plain text, up to eight lines of it.
  deny: ({ status, message }) => ({ status, mediaType: mediaTypes.text, body: `${message}\n` }),
  write,
  clients,
  digestOf: h1OfFile,
  purl({ name, version }) {
    const path = name.split("/");
    const last = path.pop()!;
    return new PackageURL("golang", path.join("/"), last, version, undefined, undefined).toString();
  },
};
