import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { buffer } from "node:stream/consumers";
import type { BlobStore } from "../store/blobs.ts";
import { openStore, type Store } from "../store/store.ts";
import { FileFlow, type FlowTry } from "./file-flow.ts";

const sizeBytes = 400_000;
const right = Buffer.alloc(sizeBytes, "right");
const wrong = Buffer.alloc(sizeBytes, "wrong");

const from = (bytes: Buffer): FlowTry => ({
  head: { sizeBytes, mediaType: undefined, url: "http://upstream.test/file", etag: undefined, modified: undefined },
  from: 0,
  body: (async function* () {
    for (let at = 0; at < bytes.length; at += 50_000) yield bytes.subarray(at, at + 50_000);
  })(),
});

describe("a file that flows", () => {
  let folder = "";
  let store: Store;
  let blobs: BlobStore;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "mintmark-flow-"));
    store = await openStore({ dataDir: folder });
    ({ blobs } = store);
  });
  after(async () => {
    await store.close();
    await rm(folder, { recursive: true });
  });

  /** A flow of what each try gives, in turn, where only the right bytes are right. */
  const flowOf = (tries: readonly (FlowTry | undefined)[]): FileFlow => {
    const rest = [...tries];
    let last: number | undefined;
    return new FileFlow({
      blobs,
      limitBytes: 1_000_000,
      open: async () => rest.shift(),
      hash: (chunk) => void (last = chunk[0]),
      check: async () => (last === right[0] ? "right" : "again"),
      onStored: async () => undefined,
    });
  };

  it("comes whole to each of many readers", async () => {
    const flow = flowOf([from(right)]);
    assert.equal(((await flow.ready) as { readonly sizeBytes: number }).sizeBytes, sizeBytes);
    const read = await Promise.all([flow, flow, flow].map(async (one) => await buffer(one.read())));
    for (const bytes of read) assert.ok(bytes.equals(right));
    assert.equal(await flow.done, true);
  });

  it("breaks off for who has wrong bytes already, and is right for who comes then", async () => {
    const flow = flowOf([from(wrong), from(right)]);
    await flow.ready;
    const early = buffer(flow.read());
    await assert.rejects(early, { code: "digest_mismatch" });
    assert.equal(await flow.done, true);
    assert.ok((await buffer(flow.read())).equals(right));
  });

  it("breaks off where what came is wrong and no other place has it", async () => {
    const flow = flowOf([from(wrong), undefined]);
    await flow.ready;
    await assert.rejects(buffer(flow.read()), { code: "upstream_unreachable" });
    assert.equal(await flow.done, false);
    assert.equal((await blobs.uploads.stale(Date.now() + 60_000)).size, 0, "nothing half written stays");
  });
});
