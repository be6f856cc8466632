import { createHash } from "node:crypto";
import { gzipSync } from "node:zlib";
import { plainEnvironment, run } from "../../src/base/child.ts";
import type { TestUpstream } from "../../src/mirror/test-mirror.ts";
import { tarBytes } from "../fixtures/tar-bytes.ts";

/** Where this machine's programs lie. */
export const machinePath = process.env["PATH"] ?? plainEnvironment["PATH"]!;

/** The registry that this machine's npm uses. */
export async function machineRegistry(): Promise<string | undefined> {
  const asked = await run("npm", ["config", "get", "registry"], { env: process.env as Record<string, string> }).catch(
    () => undefined,
  );
  const address = asked?.code === 0 ? asked.stdout.trim() : "";
  return /^https?:/.test(address) ? address : undefined;
}

interface OfferedVersion {
  readonly version: string;
  readonly bytes: Buffer;
  /** The integrity is of these. */
  readonly promised: Buffer;
}

/** Puts a package on an upstream of a test, in the place of what it had there; the last version is the latest. */
export function offerNpm(upstream: TestUpstream, name: string, ...offered: readonly OfferedVersion[]): void {
  const manifest = ({ version, promised }: OfferedVersion): unknown => ({
    name,
    version,
    dist: {
      tarball: `${upstream.url}${name}/-/${name}-${version}.tgz`,
      integrity: `sha512-${createHash("sha512").update(promised).digest("base64")}`,
    },
  });
  const packument = {
    name,
    "dist-tags": { latest: offered.at(-1)!.version },
    versions: Object.fromEntries(offered.map((one) => [one.version, manifest(one)])),
    time: Object.fromEntries(offered.map(({ version }) => [version, "2020-01-01T00:00:00.000Z"])),
  };
  upstream.routes.set(`/${name}`, JSON.stringify(packument));
  for (const { version, bytes } of offered) upstream.routes.set(`/${name}/-/${name}-${version}.tgz`, bytes);
}

/** A package of one module. */
export function npmTarball(name: string, version: string, content = "module.exports = 1;\n"): Buffer {
  const manifest = JSON.stringify({ name, version });
  return gzipSync(
    tarBytes([
      { path: "package/package.json", content: manifest },
      { path: "package/index.js", content },
    ]),
  );
}
