import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { silentLog } from "../../src/base/log.ts";
import { loadConfig } from "../../src/config/config.ts";
import { openFactory } from "../../src/pipeline/pipeline.ts";
import { startServer } from "../../src/server/server.ts";
import type { Store } from "../../src/store/store.ts";

/** A server over a real data folder. */
export interface Served {
  readonly url: string;
  readonly dataDir: string;
  readonly store: Store;
  /** Sends a request; `as` is `NAME:SECRET`, a bearer token, or nobody. */
  ask(request: Ask): Promise<Told>;
  /** The same for whom the data folder belongs to, who must succeed; gives the JSON. */
  own<Answer>(method: Ask["method"], path: string, body?: unknown): Promise<Answer>;
  close(): Promise<void>;
}

interface Ask {
  readonly method: "GET" | "HEAD" | "PUT" | "POST" | "PATCH" | "DELETE";
  readonly path: string;
  readonly as?: string;
  /** Text goes out as it is, everything else as JSON. */
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

/** What came back. */
export interface Told {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
}

/** Serves a data folder on a free port of loopback; who has no account sees public projects only, unless told otherwise. */
export async function serve(dataDir: string, { anonymousRead = false } = {}): Promise<Served> {
  const config = {
    ...(await loadConfig({ flags: { data: dataDir, listen: "127.0.0.1:0" }, environment: {}, cwd: dataDir })),
    anonymousRead,
  };
  const factory = await openFactory(config, silentLog, { isStanding: false });
  const server = await startServer({ factory, config, log: silentLog, version: "0.0.0" });
  const { token } = JSON.parse(await readFile(join(dataDir, "server.json"), "utf8")) as { token: string };
  const ask = async ({ method, path, as, body, headers = {} }: Ask): Promise<Told> => {
    const authorization = as === undefined ? {} : { authorization: authorizationOf(as) };
    const isText = typeof body === "string";
    const type = body === undefined || isText ? {} : { "content-type": "application/json" };
    const answer = await fetch(server.url + path, {
      method,
      headers: { ...type, ...authorization, ...headers },
      ...(body === undefined ? {} : { body: isText ? body : JSON.stringify(body) }),
    });
    return { status: answer.status, headers: answer.headers, text: await answer.text() };
  };
  return {
    url: server.url,
    dataDir,
    store: factory.store,
    ask,
    async own<Answer>(method: Ask["method"], path: string, body?: unknown) {
      const told = await ask({ method, path, as: token, ...(body === undefined ? {} : { body }) });
      assert.ok(told.status < 300, `${method} ${path}: ${told.status} ${told.text}`);
      return JSON.parse(told.text) as Answer;
    },
    async close() {
      await server.close();
      await factory.close();
    },
  };
}

/** The digest of a text. */
export function digestOf(text: string): string {
  return `sha256:${createHash("sha256").update(text).digest("hex")}`;
}

/** A manifest over the empty object as its config, of another type where it is to be an image's, and a layer. */
export function manifestOf(layer: string, configType = "application/vnd.oci.empty.v1+json"): string {
  const mediaType = "application/vnd.oci.image.layer.v1.tar";
  return JSON.stringify({
    schemaVersion: 2,
    mediaType: "application/vnd.oci.image.manifest.v1+json",
    config: { mediaType: configType, digest: digestOf("{}"), size: 2 },
    layers: [{ mediaType, digest: digestOf(layer), size: layer.length }],
  });
}

/** Pushes an image of one layer under a tag. */
export async function push({ ask }: Served, as: string, { repository, tag, layer, configType }: Pushed): Promise<void> {
  for (const blob of ["{}", layer]) {
    const path = `/v2/${repository}/blobs/uploads/?digest=${digestOf(blob)}`;
    const headers = { "content-type": "application/octet-stream" };
    assert.equal((await ask({ method: "POST", path, as, body: blob, headers })).status, 201);
  }
  const headers = { "content-type": "application/vnd.oci.image.manifest.v1+json" };
  const path = `/v2/${repository}/manifests/${tag}`;
  assert.equal((await ask({ method: "PUT", path, as, body: manifestOf(layer, configType), headers })).status, 201);
}

interface Pushed {
  readonly repository: string;
  readonly tag: string;
  readonly layer: string;
  readonly configType?: string;
}

function authorizationOf(as: string): string {
  return as.includes(":") ? `Basic ${Buffer.from(as).toString("base64")}` : `Bearer ${as}`;
}
