/**
 * The Python package index: packages of pip, uv, Poetry and PDM.
 *
 * A project has one page, which upstreams write in HTML or JSON; it is read into one shape, and both forms are written from
 * that. Upstreams are given by the address of their index, `…/simple/` or whatever it is called.
 */
import { PackageURL } from "packageurl-js";
import type { Format } from "../format.ts";
import { classify, listSource, pageSource } from "./classify.ts";
import { clients } from "./clients.ts";
import { facts } from "./facts.ts";
import { locate } from "./locate.ts";
import { normalName } from "./names.ts";
import { deny } from "./refuse.ts";
import { render } from "./render.ts";
import { write } from "./write.ts";

/** The format of the Python package index. */
export const pypi: Format = {
  name: "pypi",
  classify,
  locate,
  comparedName: normalName,
  documentOf: ({ name }) => pageSource(name),
  facts,
  render,
  probe: pageSource("pip"),
  // pip takes a page that is refused for one that is not there, and says nothing of it.
  tellsByFiles: true,
  deny,
  write,
  // The last segment of a page's address is the project, whatever the index itself is called.
  pathOf(address) {
    const [project, index] = address.pathname
      .split("/")
      .filter((segment) => segment !== "")
      .reverse();
    if (project === undefined) return undefined;
    return project === "simple" && index !== "simple" ? listSource : `simple/${project}/`;
  },
  clients,
  purl: ({ name, version }) => new PackageURL("pypi", undefined, name, version, undefined, undefined).toString(),
};
