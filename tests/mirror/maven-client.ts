import { readdir, readFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { run } from "../../src/base/child.ts";
import { readZip } from "../../src/base/zip.ts";
import { childrenOf, readXml, textAt } from "../../src/mirror/xml.ts";

const someFile = "org/apache/commons/commons-lang3/3.14.0/commons-lang3-3.14.0.jar.sha1";

/** Where this machine's mvn gets artifacts: a mirror of its settings, or what Maven itself says. */
export async function machineMaven(): Promise<{ upstream: string } | { reason: string }> {
  const asked = await run("mvn", ["--version"]).catch(() => undefined);
  const home = /Maven home: (.+)/.exec(asked?.stdout ?? "")?.[1];
  if (home === undefined) return { reason: "mvn is not installed" };
  const upstream =
    (await mirrorOf(join(homedir(), ".m2/settings.xml"))) ?? (await superPomUpstream(join(home.trim(), "lib")));
  if (upstream === undefined) return { reason: "mvn names no repository" };
  const reached = await fetch(new URL(someFile, `${upstream.replace(/\/*$/, "")}/`)).catch(() => undefined);
  return reached?.ok === true ? { upstream } : { reason: "the Maven repository cannot be reached" };
}

async function mirrorOf(path: string): Promise<string | undefined> {
  const bytes = await readFile(path).catch(() => undefined);
  const settings = bytes === undefined ? undefined : readXml(bytes);
  return settings === undefined || "invalid" in settings ? undefined : textAt(settings, "mirrors", "mirror", "url");
}

/** The repository in the POM that all POMs inherit from; it lies in Maven's own model builder. */
async function superPomUpstream(libraries: string): Promise<string | undefined> {
  const jar = (await readdir(libraries)).find((name) => /^maven-model-builder-.*\.jar$/.test(name));
  if (jar === undefined) return undefined;
  const bounds = { directoryBytes: 1e6, entryBytes: 1e7, totalBytes: 1e8 };
  for await (const { name, bytes } of readZip(join(libraries, jar), bounds)) {
    if (!name.endsWith("/pom-4.0.0.xml")) continue;
    const pom = readXml(bytes);
    if (!("invalid" in pom)) return childrenOf(pom, "repositories").map((list) => textAt(list, "repository", "url"))[0];
  }
  return undefined;
}
