import { PackageURL } from "packageurl-js";
import type { Format } from "../format.ts";
import { classify } from "./classify.ts";
import { clients } from "./clients.ts";
import { deny } from "./deny.ts";
import { documentOf, facts } from "./facts.ts";
import { locate } from "./locate.ts";
import { render } from "./render.ts";
import { write } from "./write.ts";

/**
 * Maven repositories and the Gradle plugin portal, which has the same layout.
 *
 * Owns the layout, the metadata that groups merge, checksums, and deployment. Source: Maven Resolver's default layout,
 * Maven's repository metadata model, and Gradle's module metadata, which is a file like any other here.
 */
export const maven: Format = {
  name: "maven",
  classify,
  locate,
  documentOf,
  facts,
  render,
  // What the first command line of a client asks for, to find out which plugin a prefix means.
  probe: "org/apache/maven/plugins/maven-metadata.xml",
  deny,
  write,
  clients,
  purl({ name, version }) {
    const [group, artifact = ""] = name.split(":");
    return new PackageURL("maven", group, artifact, version, undefined, undefined).toString();
  },
};
