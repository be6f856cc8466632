import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { silentLog } from "../../src/base/log.ts";
import { loadConfig } from "../../src/config/config.ts";
import type { Factory } from "../../src/pipeline/factory.ts";
import { openFactory } from "../../src/pipeline/pipeline.ts";
import { startServer } from "../../src/server/server.ts";

/** The whole server on a loopback port. */
export interface RunningServer {
  readonly url: string;
  readonly factory: Factory;
  /** `Basic …` of the administrator. */
  readonly administrator: string;
  close(): Promise<void>;
}

/** Starts the server of a data folder; `environment` holds `MINTMARK_…` settings. */
export async function runServer(
  dataDir: string,
  environment: Readonly<Record<string, string>> = {},
): Promise<RunningServer> {
  const config = await loadConfig({
    flags: { data: dataDir, listen: "127.0.0.1:0" },
    environment: { MINTMARK_SHUTDOWN_SECONDS: "1", ...environment },
  });
  const factory = await openFactory(config, silentLog);
  try {
    const server = await startServer({ factory, config, log: silentLog, version: "0.0.0" });
    const password = (await readFile(join(dataDir, "admin-password"), "utf8")).trim();
    return {
      url: server.url,
      factory,
      administrator: `Basic ${Buffer.from(`admin:${password}`).toString("base64")}`,
      async close() {
        await server.close();
        await factory.close();
      },
    };
  } catch (error) {
    await factory.close();
    throw error;
  }
}

/** `sha256:…` of bytes. */
export function digestOf(bytes: Uint8Array | string): string {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}

/** An image that was pushed, as its client knows it. */
export interface PushedImage {
  readonly digest: string;
  readonly manifest: string;
  readonly layer: Buffer;
}

/** Pushes an image of one layer over HTTP. */
export async function pushImage(
  { url, administrator }: Pick<RunningServer, "url" | "administrator">,
  ...[repository, tag, layer]: readonly [repository: string, tag: string, layer: Buffer]
): Promise<PushedImage> {
  const headers = { authorization: administrator };
  const blobs = [
    Buffer.from(JSON.stringify({ architecture: "amd64", os: "linux", rootfs: { type: "layers" } })),
    layer,
  ];
  const [config, first] = await Promise.all(
    blobs.map(async (bytes) => {
      const digest = digestOf(bytes);
      const target = `${url}/v2/${repository}/blobs/uploads/?digest=${digest}`;
      const answer = await fetch(target, {
        method: "POST",
        headers: { ...headers, "content-type": "application/octet-stream" },
        body: new Uint8Array(bytes),
      });
      if (answer.status !== 201) throw new Error(`blob: ${answer.status} ${await answer.text()}`);
      return { digest, size: bytes.length };
    }),
  );
  const mediaType = "application/vnd.oci.image.manifest.v1+json";
  const manifest = JSON.stringify({
    schemaVersion: 2,
    mediaType,
    config: { mediaType: "application/vnd.oci.image.config.v1+json", ...config },
    layers: [{ mediaType: "application/vnd.oci.image.layer.v1.tar", ...first }],
  });
  const answer = await fetch(`${url}/v2/${repository}/manifests/${tag}`, {
    method: "PUT",
    headers: { ...headers, "content-type": mediaType },
    body: manifest,
  });
  if (answer.status !== 201) throw new Error(`manifest: ${answer.status} ${await answer.text()}`);
  return { digest: digestOf(manifest), manifest, layer };
}
