import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { silentLog } from "../base/log.ts";
import { openSecretBox } from "../base/secret-box.ts";
import { openStore, type Store } from "../store/store.ts";
import { type Format } from "./format.ts";
import { byName } from "./formats.ts";
import { type Exchange, type Mirror, type MirrorOptions, openMirror } from "./mirror.ts";

/** An upstream of a test on loopback: real HTTP, answers by path. */
export interface TestUpstream {
  readonly url: string;
  /** `METHOD path` of each request in its order. */
  readonly requests: string[];
  /** Headers of each request in the same order. */
  readonly headers: IncomingMessage["headers"][];
  /** What answers a path; 404 without. */
  readonly routes: Map<string, Route>;
  close(): Promise<void>;
}

/** A whole body, or what writes the answer itself. */
type Route = string | Buffer | ((request: IncomingMessage, response: ServerResponse) => void | Promise<void>);

/** Starts an upstream. */
export async function startUpstream(): Promise<TestUpstream> {
  const requests: string[] = [];
  const headers: IncomingMessage["headers"][] = [];
  const routes = new Map<string, Route>();
  const server = createServer((request, response) => {
    requests.push(`${request.method} ${request.url}`);
    headers.push(request.headers);
    const route = routes.get(request.url ?? "") ?? routes.get((request.url ?? "").split("?", 1)[0]!);
    if (route === undefined) response.writeHead(404).end();
    else if (typeof route === "function") void route(request, response);
    else response.writeHead(200, { "content-length": Buffer.byteLength(route) }).end(route);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    requests,
    headers,
    routes,
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** A mirror over a store of its own. */
export interface TestMirror {
  readonly store: Store;
  readonly mirror: Mirror;
  readonly folder: string;
  /** Reads a path whole. */
  get(repository: string, path: string, options?: GetOptions): Promise<Got>;
  /** Closes the mirror and opens it again over the same store. */
  reopen(options?: Partial<MirrorOptions>): Promise<TestMirror>;
  close(): Promise<void>;
}

/** How a test reads. */
interface GetOptions {
  readonly method?: "GET" | "HEAD";
  readonly headers?: Readonly<Record<string, string>>;
  readonly base?: string;
}

/** What a test got; `broken` where the body broke off. */
interface Got {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly bytes: Buffer;
  readonly text: string;
  readonly broken: Error | undefined;
  readonly exchange: Exchange;
}

/** Opens a mirror of some formats. */
export async function openTestMirror(
  formats: readonly Format[],
  options: Partial<MirrorOptions> = {},
): Promise<TestMirror> {
  const folder = await mkdtemp(join(tmpdir(), "mintmark-mirror-unit-"));
  const store = await openStore({ dataDir: folder });
  return await over({ store, folder, formats, options });
}

interface Parts {
  readonly store: Store;
  readonly folder: string;
  readonly formats: readonly Format[];
  readonly options: Partial<MirrorOptions>;
}

async function over(parts: Parts): Promise<TestMirror> {
  const { store, folder, formats, options } = parts;
  const box = await openSecretBox(join(folder, "secrets.key"));
  const mirror = await openMirror({
    store,
    box,
    log: silentLog,
    version: "test",
    formats: byName(formats),
    ...options,
  });
  return {
    store,
    mirror,
    folder,
    get: async (repository, path, wish) => await read(mirror, { repository, path, wish: wish ?? {} }),
    async reopen(changed = {}) {
      await mirror.close();
      return await over({ ...parts, options: { ...options, ...changed } });
    },
    async close() {
      await mirror.close();
      await store.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function read(
  mirror: Mirror,
  { repository, path, wish }: { readonly repository: string; readonly path: string; readonly wish: GetOptions },
): Promise<Got> {
  const [plain = "", query = ""] = path.split(/\?(.*)/s);
  const answer = await mirror.answer({
    method: wish.method ?? "GET",
    repository,
    path: plain,
    query: new URLSearchParams(query),
    headers: wish.headers ?? {},
    base: wish.base ?? `http://mirror.test/mirror/${repository}`,
    actor: "tester",
  });
  let broken: Error | undefined;
  let bytes: Buffer = Buffer.alloc(0);
  if (Buffer.isBuffer(answer.body)) bytes = answer.body;
  else if (answer.body !== undefined)
    try {
      const chunks: Buffer[] = [];
      for await (const chunk of answer.body) chunks.push(chunk as Buffer);
      bytes = Buffer.concat(chunks);
    } catch (error) {
      broken = error as Error;
    }
  const { status, headers } = answer;
  const exchange = await answer.exchange;
  return {
    status,
    headers,
    bytes,
    broken,
    exchange,
    get text() {
      return bytes.toString("utf8");
    },
  };
}
