import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fastify, type FastifyInstance } from "fastify";
import { Failure } from "../base/errors.ts";
import { silentLog } from "../base/log.ts";
import { type Digest, sha256Digest } from "../model/digest.ts";
import { sha256Hex } from "../base/hash.ts";
import { type Descriptor, emptyDescriptor, mediaTypes } from "../model/oci.ts";
import { openStore, type Store } from "../store/store.ts";
import { openRegistry, registerDistribution, type Registry } from "./registry.ts";

/** A registry in a temporary folder, for the tests of this room. */
export interface TestRegistry {
  readonly app: FastifyInstance;
  readonly store: Store;
  readonly registry: Registry;
  /**
   * Sends a request as `admin`, or as another name; null sends no credentials, `NAME for REPOSITORY` a token that is
   * good for one repository, `hasty` is told to wait.
   */
  ask(request: Ask): Promise<Told>;
  /** Pushes a blob whole. */
  blob(repository: string, bytes: string | Buffer): Promise<Descriptor>;
  /** Pushes a manifest over one layer and the empty config; gives its descriptor. */
  image(repository: string, options?: ImageOptions): Promise<Descriptor>;
  close(): Promise<void>;
}

interface Ask {
  readonly method: "GET" | "HEAD" | "PUT" | "POST" | "PATCH" | "DELETE";
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Buffer;
  readonly as?: string | null;
}

/** What the registry answered. */
export interface Told {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly bytes: Buffer;
  /** The body as JSON. */
  json(): unknown;
  /** The code of the first error. */
  code(): string | undefined;
}

interface TestOptions {
  readonly bodyIdleMs?: number;
  readonly openUpstreams?: (
    store: Store,
  ) => Promise<NonNullable<Parameters<typeof registerDistribution>[1]["upstreams"]>>;
}

interface ImageOptions {
  readonly tag?: string;
  readonly layer?: string;
  readonly subject?: Descriptor;
  readonly artifactType?: string;
  readonly annotations?: Readonly<Record<string, string>>;
}

/**
 * Opens a test registry. `admin` may do everything, `reader` may pull below `open/`, `pusher` may push and pull below
 * `open/` and `own/`; whoever has no account may pull below `open/`.
 */
export async function openTestRegistry({ openUpstreams, ...options }: TestOptions = {}): Promise<TestRegistry> {
  const folder = await mkdtemp(join(tmpdir(), "mintmark-registry-"));
  const store = await openStore({ dataDir: folder });
  const registry = openRegistry(store);
  const app = fastify({ forceCloseConnections: true });
  const upstreams = openUpstreams === undefined ? {} : { upstreams: await openUpstreams(store) };
  registerDistribution(app, { store, log: silentLog, access: testAccess, ...options, ...upstreams });
  await app.ready();
  const ask = async ({ method, path, headers = {}, body, as = "admin" }: Ask): Promise<Told> => {
    const authorization: Record<string, string> = as === null ? {} : { authorization: `Test ${as}` };
    const told = await app.inject({
      method,
      url: path,
      headers: { ...authorization, ...headers },
      ...(body === undefined ? {} : { payload: body }),
    });
    return {
      status: told.statusCode,
      headers: told.headers as Record<string, string | undefined>,
      bytes: told.rawPayload,
      json: () => JSON.parse(told.rawPayload.toString("utf8")) as unknown,
      code: () => (JSON.parse(told.rawPayload.toString("utf8")) as { errors: { code: string }[] }).errors[0]?.code,
    };
  };
  const blob = async (repository: string, bytes: string | Buffer): Promise<Descriptor> => {
    const digest = digestText(bytes);
    const told = await ask({ method: "POST", path: `/v2/${repository}/blobs/uploads/?digest=${digest}`, body: bytes });
    assert.equal(told.status, 201);
    return { mediaType: mediaTypes.layerGzip, digest, size: Buffer.byteLength(bytes) };
  };
  const image = async (
    repository: string,
    { tag, layer = "layer", ...more }: ImageOptions = {},
  ): Promise<Descriptor> => {
    await blob(repository, "{}");
    const bytes = manifestText({ layers: [await blob(repository, layer)], ...more });
    const descriptor = { mediaType: mediaTypes.manifest, digest: digestText(bytes), size: Buffer.byteLength(bytes) };
    const path = `/v2/${repository}/manifests/${tag ?? descriptor.digest}`;
    const told = await ask({ method: "PUT", path, body: bytes, headers: { "content-type": mediaTypes.manifest } });
    assert.equal(told.status, 201, told.bytes.toString());
    return descriptor;
  };
  return {
    app,
    store,
    registry,
    ask,
    blob,
    image,
    async close() {
      await app.close();
      await store.close();
      await rm(folder, { recursive: true });
    },
  };
}

/** The text of an image manifest over the empty config. */
export function manifestText(fields: Readonly<Record<string, unknown>>): string {
  const base = { schemaVersion: 2, mediaType: mediaTypes.manifest, config: emptyDescriptor, layers: [] };
  return JSON.stringify({ ...base, ...fields });
}

/** The SHA-256 digest of a text or bytes. */
export function digestText(bytes: string | Buffer): Digest {
  return sha256Digest(sha256Hex(bytes));
}

const testAccess: Parameters<typeof registerDistribution>[1]["access"] = {
  async identify(header) {
    if (header === "Test hasty")
      throw new Failure("rate_limited", "Cannot sign in: too many attempts", { details: { retryAfterSeconds: 7 } });
    const [, name, scope] =
      /^(?:Test|Bearer) (admin|reader|pusher|anonymous)(?: for (.+))?$/.exec(header ?? "Test anonymous") ?? [];
    return name === undefined ? undefined : scope === undefined ? { name } : { name, scope };
  },
  may: (caller, repository, action) =>
    (!("scope" in caller) || caller.scope === repository) && testAccess.accountMay(caller, repository, action),
  accountMay({ name }, repository, action) {
    if (name === "admin") return true;
    if (name === "pusher") return /^(?:open|own)\//.test(repository) && action !== "delete";
    return repository.startsWith("open/") && (action === "pull" || action === "list");
  },
  isAnonymous: ({ name }) => name === "anonymous",
  challenge: (_request, scope) => `Bearer realm="test"${scope === undefined ? "" : `,scope="${scope}"`}`,
};
