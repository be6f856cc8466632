import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { run } from "../../src/base/child.ts";
import { silentLog } from "../../src/base/log.ts";
import { machineSources } from "../../src/build/apt/sources.ts";
import { loadConfig } from "../../src/config/config.ts";
import type { Factory } from "../../src/pipeline/factory.ts";
import { openFactory } from "../../src/pipeline/pipeline.ts";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";

/** A factory with a mirror of the machine's own upstreams, for sealed builds. */
export interface SealedTestSite {
  readonly folder: string;
  readonly factory: Factory;
  /** Lines for a Containerfile's apt sources, in the deb822 form, over http. */
  readonly aptSources: string;
  /** Writes a recipe's files and returns its folder. */
  recipe(name: string, files: Readonly<Record<string, string>>): Promise<string>;
  /** Opens the factory anew; without a network where that is wanted. */
  reopen(environment?: Readonly<Record<string, string>>): Promise<Factory>;
  close(): Promise<void>;
}

/** Why sealed builds cannot be tested here, or undefined where they can. */
export async function sealedObstacle(): Promise<string | undefined> {
  for (const program of ["buildah", "ip", "apt-get", "gpgv", "xz", "npm", "python3"]) {
    const isThere = await run(program, ["--version"], { env: process.env as Record<string, string> }).then(
      () => true,
      () => false,
    );
    if (!isThere) return `not installed: ${program}`;
  }
  const sources = (await machineSources()).filter(({ uri }) => uri.startsWith("http:"));
  return sources.length === 0 ? "this machine's apt has no sources over http" : undefined;
}

/** Opens the site. */
export async function openSealedSite(): Promise<SealedTestSite> {
  const folder = await mkdtemp(join(tmpdir(), "mintmark-sealed-"));
  const dataDir = join(folder, "data");
  const env = process.env as Record<string, string>;
  const said = async (program: string, args: readonly string[]): Promise<string> =>
    (await run(program, args, { env })).stdout.trim();
  const liar = await startLiar();
  const index = await said("python3", [
    "-c",
    "import os\nfrom pip._internal.models.index import PyPI\nprint(os.environ.get('PIP_INDEX_URL') or PyPI.simple_url)",
  ]);
  const sources = (await machineSources()).filter(({ uri }) => uri.startsWith("http:"));
  const open = async (environment: Readonly<Record<string, string>> = {}): Promise<Factory> =>
    await openFactory(await loadConfig({ flags: { data: dataDir }, environment }), silentLog);
  let factory = await open();
  const common = { kind: "proxy", allowPrivate: true } as const;
  await factory.mirror.create(
    { ...common, name: "npm", format: "npm", upstream: await said("npm", ["config", "get", "registry"]) },
    "test",
  );
  await factory.mirror.create({ ...common, name: "zz-near", format: "npm", upstream: liar.url }, "test");
  await factory.mirror.create({ ...common, name: "pypi", format: "pypi", upstream: index }, "test");
  for (const [at, uri] of [...new Set(sources.map((source) => source.uri))].entries())
    await factory.mirror.create({ ...common, name: `apt${at}`, format: "apt", upstream: uri }, "test");
  return {
    folder,
    get factory() {
      return factory;
    },
    aptSources: sources
      .map(
        ({ uri, suite, components, signedBy }) =>
          `Types: deb\nURIs: ${uri}\nSuites: ${suite}\nComponents: ${components.join(" ")}\nSigned-By: ${signedBy}\n`,
      )
      .join("\n"),
    async recipe(name, files) {
      const path = join(folder, "recipes", name);
      await mkdir(path, { recursive: true });
      for (const [file, text] of Object.entries(files)) await writeFile(join(path, file), text);
      return path;
    },
    async reopen(environment) {
      await factory.close();
      factory = await open(environment);
      return factory;
    },
    async close() {
      await factory.close();
      liar.server.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** An npm registry whose one archive is not what it says of it. */
async function startLiar(): Promise<{ readonly url: string; readonly server: Server }> {
  const server = createServer((request, response) => {
    const tarball = `http://${request.headers.host}/poisoned/-/poisoned-1.0.0.tgz`;
    const dist = { tarball, integrity: `sha512-${Buffer.alloc(64, 7).toString("base64")}` };
    const version = { name: "poisoned", version: "1.0.0", dist };
    const document = { name: "poisoned", "dist-tags": { latest: "1.0.0" }, versions: { "1.0.0": version } };
    response.setHeader("connection", "close");
    response.end(request.url?.endsWith(".tgz") === true ? "another archive" : JSON.stringify(document));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`, server };
}
