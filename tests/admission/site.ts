import { createHash } from "node:crypto";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { silentLog } from "../../src/base/log.ts";
import { openClient, type Client } from "../../src/client/client.ts";
import { fetchTransport } from "../../src/client/transport.ts";
import { loadConfig } from "../../src/config/config.ts";
import { mediaTypes } from "../../src/model/oci.ts";
import type { Factory } from "../../src/pipeline/factory.ts";
import { openFactory } from "../../src/pipeline/pipeline.ts";
import { startServer, type Server } from "../../src/server/server.ts";
import { tarBytes, type RawEntry } from "../fixtures/tar-bytes.ts";

/** A real server over a folder that outlasts it. */
export interface AdmissionSite {
  readonly folder: string;
  readonly factory: Factory;
  readonly client: Client;
  /** `127.0.0.1:PORT`. */
  readonly host: string;
  readonly password: string;
  /** Sends a request under /v2 as the administrator. */
  ask(method: string, path: string, content?: Content): Promise<Response>;
  /** Stops server and factory; the folder stays. */
  stop(): Promise<void>;
}

/** The body of a request. */
interface Content {
  readonly bytes: Buffer;
  readonly type: string;
}

/** Starts a server over a folder, a new one by default. */
export async function openSite(
  folder?: string,
  options: { readonly isStanding?: boolean } = {},
): Promise<AdmissionSite> {
  const place = folder ?? (await mkdtemp(join(tmpdir(), "mintmark-admission-")));
  const dataDir = join(place, "data");
  const config = await loadConfig({
    flags: { data: dataDir, listen: "127.0.0.1:0" },
    environment: { MINTMARK_SHUTDOWN_SECONDS: "1" },
  });
  const factory = await openFactory(config, silentLog, options);
  const server: Server = await startServer({ factory, config, log: silentLog, version: "0" });
  const password = (await readFile(join(dataDir, "admin-password"), "utf8")).trim();
  const { token } = JSON.parse(await readFile(join(dataDir, "server.json"), "utf8")) as { token: string };
  const basic = `Basic ${Buffer.from(`admin:${password}`).toString("base64")}`;
  return {
    folder: place,
    factory,
    client: openClient(fetchTransport({ url: server.url, token })),
    host: new URL(server.url).host,
    password,
    ask: async (method, path, content) =>
      await fetch(`${server.url}${path}`, {
        method,
        headers: { authorization: basic, ...(content === undefined ? {} : { "content-type": content.type }) },
        ...(content === undefined ? {} : { body: new Uint8Array(content.bytes) }),
      }),
    async stop() {
      await server.close();
      await factory.close();
    },
  };
}

/** Removes a site's folder. */
export async function removeSite(site: AdmissionSite): Promise<void> {
  await rm(site.folder, { recursive: true, force: true });
}

/** SHA-256 of bytes as a digest. */
export function digestOf(bytes: Buffer | string): `sha256:${string}` {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}

/** A document that was pushed. */
export interface Pushed {
  readonly digest: `sha256:${string}`;
  readonly size: number;
  readonly mediaType: string;
}

/** Pushes a blob. */
export async function pushBlob(site: AdmissionSite, repository: string, bytes: Buffer): Promise<Pushed> {
  const digest = digestOf(bytes);
  const path = `/v2/${repository}/blobs/uploads/?digest=${digest}`;
  const answer = await site.ask("POST", path, { bytes, type: "application/octet-stream" });
  if (answer.status !== 201) throw new Error(`blob: ${answer.status} ${await answer.text()}`);
  return { digest, size: bytes.length, mediaType: mediaTypes.layerGzip };
}

/** Pushes a manifest or an index under a tag, or under its digest. */
export async function pushManifest(
  site: AdmissionSite,
  repository: string,
  { document, tag }: { document: { readonly mediaType: string }; tag?: string },
): Promise<Pushed> {
  const text = JSON.stringify(document);
  const digest = digestOf(text);
  const { mediaType } = document;
  const answer = await site.ask("PUT", `/v2/${repository}/manifests/${tag ?? digest}`, {
    bytes: Buffer.from(text),
    type: mediaType,
  });
  if (answer.status !== 201) throw new Error(`manifest: ${answer.status} ${await answer.text()}`);
  return { digest, size: text.length, mediaType };
}

/** What an image is made of. */
export interface ImageParts {
  readonly tag?: string;
  readonly layers: readonly (readonly RawEntry[] | Buffer)[];
  readonly architecture?: string;
}

/** Pushes an image whose layers are made of entries, or of ready bytes. */
export async function pushImage(site: AdmissionSite, repository: string, parts: ImageParts): Promise<Pushed> {
  const { architecture = "amd64", tag } = parts;
  const packed = parts.layers.map((layer) => (Buffer.isBuffer(layer) ? layer : gzipSync(tarBytes(layer))));
  const layers = [];
  for (const bytes of packed) layers.push(await pushBlob(site, repository, bytes));
  const configText = JSON.stringify({
    architecture,
    os: "linux",
    rootfs: { type: "layers", diff_ids: packed.map(digestOf) },
  });
  const config = { ...(await pushBlob(site, repository, Buffer.from(configText))), mediaType: mediaTypes.config };
  const document = { schemaVersion: 2, mediaType: mediaTypes.manifest, config, layers };
  return await pushManifest(site, repository, { document, ...(tag === undefined ? {} : { tag }) });
}

/** The package database and os-release of a tiny Debian 12 image. */
export function debian(packages: Readonly<Record<string, string>>): RawEntry[] {
  const status = Object.entries(packages).map(
    ([name, version]) =>
      `Package: ${name}\nStatus: install ok installed\nArchitecture: amd64\nVersion: ${version}\nDescription: a test\n`,
  );
  return [
    { path: "etc/os-release", content: 'ID=debian\nVERSION_ID="12"\nVERSION_CODENAME=bookworm\n' },
    { path: "var/lib/dpkg/status", content: status.join("\n") },
  ];
}

/** The package database and os-release of a tiny Alpine 3.20 image. */
export function alpine(packages: Readonly<Record<string, string>>): RawEntry[] {
  const installed = Object.entries(packages).map(
    ([name, version]) => `C:Q1\nP:${name}\nV:${version}\nA:x86_64\no:${name}\n`,
  );
  return [
    { path: "etc/os-release", content: "ID=alpine\nVERSION_ID=3.20.3\n" },
    { path: "lib/apk/db/installed", content: `${installed.join("\n")}\n` },
  ];
}

/** One record of a tiny OSV feed. */
export interface TinyAdvisory {
  readonly id: string;
  readonly ecosystem: string;
  readonly name: string;
  /** Left out where there is no fix. */
  readonly fixed?: string;
  /** A CVSS 3.1 vector. */
  readonly vector: string;
}

/** CVSS vectors of known severity. */
export const vectors = {
  critical: "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H",
  high: "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:N/A:N",
  medium: "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:L/I:N/A:N",
};

/** Imports a tiny OSV feed. */
export async function importAdvisories(
  site: AdmissionSite,
  name: string,
  advisories: readonly TinyAdvisory[],
): Promise<void> {
  const folder = join(site.folder, "osv", name);
  await mkdir(folder, { recursive: true });
  for (const { id, ecosystem, name: packageName, fixed, vector } of advisories)
    await writeFile(
      join(folder, `${id}.json`),
      JSON.stringify({
        id,
        modified: "2026-11-01T00:00:00Z",
        summary: `A hole in ${packageName}`,
        severity: [{ type: "CVSS_V3", score: vector }],
        affected: [
          {
            package: { ecosystem, name: packageName },
            ranges: [
              {
                type: "ECOSYSTEM",
                events: [{ introduced: "0" }, ...(fixed === undefined ? [] : [{ fixed }])],
              },
            ],
          },
        ],
      }),
    );
  await site.factory.importAdvisories(folder, () => undefined);
}
