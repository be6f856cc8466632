import assert from "node:assert/strict";
import { chmod, mkdtemp, rm, stat, writeFile } from "node:fs/promises";
import { request as httpRequest } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { after, before, describe, it } from "node:test";
import { openStore, type Store } from "../../store/store.ts";
import { sha256Digest } from "../../model/digest.ts";
import { silentLog } from "../../base/log.ts";
import type { Exit, ExitRead } from "./exit.ts";
import { openGateway } from "./gateway.ts";
import { openRequests, type Requests } from "./requests.ts";

interface Answer {
  readonly status: number;
  readonly text: string;
}

describe("the exit of a sealed build", () => {
  let folder = "";
  let store: Store;
  const reads: ExitRead[] = [];
  const exit: Exit = {
    answer(read) {
      reads.push(read);
      const exchange = Promise.resolve({ outcome: "hit", purl: "pkg:npm/a@1" });
      if (read.path === "missing")
        return Promise.resolve({ status: 404, headers: {}, body: Buffer.from("own words"), exchange });
      const text = `${read.path} ${read.headers.accept ?? ""} ${reads.length}`;
      return Promise.resolve({
        status: 200,
        headers: { "content-type": "text/plain", "content-length": String(text.length) },
        body: Readable.from([Buffer.from(text)]),
        exchange,
      });
    },
    repositoryFor: (address) =>
      Promise.resolve(
        address.startsWith("http://archive.example/debian/")
          ? { repository: "debian", path: address.slice("http://archive.example/debian/".length) }
          : undefined,
      ),
    clients: () => Promise.resolve([]),
    aptSources: () => Promise.resolve([]),
  };
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "mintmark-gateway-"));
    store = await openStore({ dataDir: join(folder, "data"), log: silentLog });
  });
  after(async () => {
    await store.close();
    await rm(folder, { recursive: true, force: true });
  });

  async function during(
    requests: Requests,
    exitOrNone: Exit | undefined,
    work: (ask: (path: string, method?: string, accept?: string) => Promise<Answer>) => Promise<void>,
  ): Promise<void> {
    const socketPath = join(folder, "exit.sock");
    const options = {
      socketPath,
      requests,
      exit: exitOrNone,
      blobs: store.blobs,
      actor: "test",
      onLine: () => undefined,
    };
    const gateway = await openGateway(options);
    try {
      await work((path, method = "GET", accept = "*/*") => ask({ socketPath, path, method, accept }));
    } finally {
      await gateway.close();
    }
  }

  it("records what it gave, gives the same again, and replays it from the record alone", async () => {
    const requests = openRequests();
    let first = "";
    await during(requests, exit, async (get) => {
      first = (await get("/mirror/npm/a?x=1")).text;
      assert.equal((await get("/mirror/npm/a?x=1")).text, first);
      assert.match((await get("http://archive.example/debian/pool/a.deb")).text, /^pool\/a\.deb/);
      assert.deepEqual(await get("/mirror/npm/missing"), { status: 404, text: "The mirror does not have it.\n" });
    });
    const lock = requests.locked();
    assert.deepEqual(
      lock.requests.map(({ address, status, purl }) => [address, status, purl]),
      [
        ["debian/pool/a.deb", 200, "pkg:npm/a@1"],
        ["npm/a?x=1", 200, "pkg:npm/a@1"],
        ["npm/missing", 404, undefined],
      ],
    );
    const replay = openRequests(lock);
    await during(replay, undefined, async (get) => {
      assert.equal((await get("/mirror/npm/a?x=1", "GET", "text/html")).text, first);
      assert.match((await get("http://archive.example/debian/pool/a.deb")).text, /^pool\/a\.deb/);
      assert.equal((await get("/mirror/npm/missing")).status, 404);
      assert.equal((await get("/mirror/npm/b")).status, 403);
    });
    assert.deepEqual(
      replay.refused.map(({ kind, address }) => [kind, address]),
      [["unlocked", "npm/b"]],
    );
  });

  it("gives no body whole that the store no longer has as it was", async () => {
    const requests = openRequests();
    await during(requests, exit, async (get) => void (await get("/mirror/npm/rotten")));
    const { sha256 } = requests.locked().requests[0]!;
    const path = await store.blobs.localPath(sha256Digest(sha256!));
    const { size } = await stat(path);
    await chmod(path, 0o644);
    await writeFile(path, "x".repeat(size));
    await during(openRequests(requests.locked()), undefined, async (get) => {
      await assert.rejects(get("/mirror/npm/rotten"), /aborted|hang up|ECONNRESET/);
    });
  });

  it("tells wishes apart where they were answered differently", async () => {
    const requests = openRequests();
    await during(requests, exit, async (get) => {
      await get("/mirror/npm/c", "GET", "text/one");
      await get("/mirror/npm/c", "GET", "text/two");
    });
    const lock = requests.locked();
    assert.deepEqual(
      lock.requests.map(({ accept }) => accept),
      ["text/one", "text/two"],
    );
    await during(openRequests(lock), undefined, async (get) => {
      assert.match((await get("/mirror/npm/c", "GET", "text/two")).text, /text\/two/);
    });
  });

  it("refuses other hosts, tunnels and writes with the rule", async () => {
    const requests = openRequests();
    await during(requests, exit, async (get) => {
      const stranger = await get("http://elsewhere.example/x");
      assert.equal(stranger.status, 403);
      assert.match(stranger.text, /no repository of the mirror stands for it/);
      assert.equal((await get("/mirror/npm/a", "POST")).status, 403);
      assert.equal((await get("elsewhere.example:443", "CONNECT")).status, 403);
    });
    assert.deepEqual(
      requests.refused.map(({ method, address, kind }) => [method, address, kind]),
      [
        ["GET", "http://elsewhere.example/x", "denied"],
        ["POST", "npm/a", "denied"],
        ["CONNECT", "elsewhere.example:443", "denied"],
      ],
    );
    assert.deepEqual(requests.locked().requests, []);
  });
});

interface Asked {
  readonly socketPath: string;
  readonly path: string;
  readonly method: string;
  readonly accept: string;
}

function ask({ socketPath, path, method, accept }: Asked): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const request = httpRequest({ socketPath, path, method, headers: { accept }, agent: false });
    request.on("connect", ({ statusCode = 0 }, socket) => {
      socket.destroy();
      resolve({ status: statusCode, text: "" });
    });
    request.on("response", (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => void chunks.push(chunk));
      response.on("end", () => resolve({ status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString() }));
      response.on("error", reject);
    });
    request.on("error", reject);
    request.end();
  });
}
