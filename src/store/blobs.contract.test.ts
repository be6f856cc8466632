import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { after, before, describe, test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import fc from "fast-check";
import { newId } from "../base/clock.ts";
import { sha256Hex } from "../base/hash.ts";
import { type Digest, sha256Digest } from "../model/digest.ts";
import type { BlobStore } from "./blobs.ts";

/** Blobs under test, how a restart opens them again, and how they are thrown away. */
export interface ContractSubject {
  readonly blobs: BlobStore;
  reopen(): Promise<BlobStore>;
  close(): Promise<void>;
}

/** What every kind of blob storage promises, as tests; each kind calls this from its own test file. */
export function testBlobContract(kind: string, open: () => Promise<ContractSubject>): void {
  describe(`blobs on ${kind}`, () => {
    let subject: ContractSubject;
    let blobs: BlobStore;
    before(async () => {
      subject = await open();
      blobs = subject.blobs;
    });
    after(async () => await subject.close());

    testPut(() => blobs);
    testReading(() => blobs);
    testCollecting(() => blobs);
    testUploads(
      () => blobs,
      async () => (blobs = await subject.reopen()),
    );
  });
}

/** Bytes that no other test has. */
function someBytes(size: number): Buffer {
  const seed = createHash("sha256").update(newId()).digest();
  const bytes = Buffer.alloc(size, seed);
  return bytes;
}

function digestOf(bytes: Uint8Array, algorithm: "sha256" | "sha512" = "sha256"): Digest {
  return `${algorithm}:${createHash(algorithm).update(bytes).digest("hex")}`;
}

async function* inPieces(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let start = 0; start < bytes.length; start += size) {
    yield bytes.subarray(start, start + size);
    await turn();
  }
}

async function* breaking(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
  await turn();
  throw new Error("the client went away");
}

function testPut(blobs: () => BlobStore): void {
  test("stores bytes under what they hash to, whatever the pieces", async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), fc.integer({ min: 1, max: 301 }), async (bytes, size) => {
        const stored = await blobs().put(inPieces(bytes, size));
        assert.deepEqual(stored, { digest: sha256Digest(sha256Hex(bytes)), sizeBytes: bytes.length });
        assert.deepEqual(await blobs().stat(stored.digest), { sizeBytes: bytes.length });
        assert.deepEqual(await blobs().read(stored.digest), Buffer.from(bytes));
      }),
      { numRuns: 30 },
    );
  });

  test("stores many megabytes that come in odd pieces", async () => {
    const bytes = someBytes(5_000_003);
    const stored = await blobs().put(inPieces(bytes, 70_001), { expected: digestOf(bytes) });
    assert.equal(stored.sizeBytes, bytes.length);
    assert.ok(bytes.equals(await blobs().read(stored.digest)));
  });

  test("stores nothing as the empty blob", async () => {
    const stored = await blobs().put(new Uint8Array());
    assert.equal(stored.digest, digestOf(new Uint8Array()));
    assert.equal((await buffer(await blobs().open(stored.digest))).length, 0);
  });

  test("takes SHA-512 where it is expected", async () => {
    const bytes = someBytes(1000);
    const expected = digestOf(bytes, "sha512");
    assert.equal((await blobs().put(bytes, { expected })).digest, expected);
    assert.ok(bytes.equals(await blobs().read(expected)));
    assert.equal(await blobs().stat(digestOf(bytes)), undefined);
  });

  test("changes nothing when it stores the same again", async () => {
    const bytes = someBytes(2000);
    const first = await blobs().put(bytes);
    assert.deepEqual(await blobs().put(inPieces(bytes, 10)), first);
  });

  test("lets two writers store the same blob at once", async () => {
    const bytes = someBytes(3_000_000);
    const writers = Array.from({ length: 6 }, async (_, index) => await blobs().put(inPieces(bytes, 100_000 + index)));
    for (const stored of await Promise.all(writers)) assert.equal(stored.digest, digestOf(bytes));
    assert.ok(bytes.equals(await blobs().read(digestOf(bytes))));
  });

  test("refuses bytes that are not what was expected, and keeps nothing of them", async () => {
    const bytes = someBytes(100);
    const expected = sha256Digest("0".repeat(64));
    await assert.rejects(blobs().put(bytes, { expected }), { code: "digest_mismatch" });
    assert.equal(await blobs().stat(expected), undefined);
    assert.equal(await blobs().stat(digestOf(bytes)), undefined);
  });

  test("refuses bytes above the limit as soon as they come, and lets go of the source", async () => {
    let isReleased = false;
    async function* endless(): AsyncGenerator<Uint8Array> {
      try {
        for (;;) yield someBytes(1000);
      } finally {
        isReleased = true;
      }
    }
    await assert.rejects(blobs().put(endless(), { limitBytes: 5000 }), { code: "too_large" });
    assert.ok(isReleased);
    const exact = someBytes(5000);
    assert.equal((await blobs().put(exact, { limitBytes: 5000 })).sizeBytes, 5000);
  });

  test("keeps nothing of a source that breaks", async () => {
    const bytes = someBytes(100_000);
    await assert.rejects(blobs().put(breaking(bytes)), /the client went away/);
    assert.equal(await blobs().stat(digestOf(bytes)), undefined);
  });
}

function testReading(blobs: () => BlobStore): void {
  const absent = sha256Digest("1".repeat(64));

  test("reads ranges with both ends included", async () => {
    const bytes = someBytes(3_000_000);
    const { digest } = await blobs().put(bytes);
    for (const [start, end] of [
      [0, 0],
      [1, 1_500_000],
      [2_999_999, 2_999_999],
      [2_999_990, 9_999_999],
    ] as const) {
      const part = await buffer(await blobs().open(digest, { start, end }));
      assert.ok(bytes.subarray(start, end + 1).equals(part), `${start}-${end}`);
    }
    assert.ok(bytes.equals(await buffer(await blobs().open(digest))));
  });

  test("says that a blob is absent", async () => {
    assert.equal(await blobs().stat(absent), undefined);
    await assert.rejects(blobs().open(absent), { code: "not_found" });
    await assert.rejects(blobs().read(absent), { code: "not_found" });
    await assert.rejects(blobs().localPath(absent), { code: "not_found" });
    assert.equal(await blobs().delete(absent), false);
  });

  test("refuses to read more into memory than asked", async () => {
    const { digest } = await blobs().put(someBytes(1001));
    await assert.rejects(blobs().read(digest, 1000), { code: "too_large" });
    assert.equal((await blobs().read(digest, 1001)).length, 1001);
  });

  test("gives local programs a path to the bytes", async () => {
    const bytes = someBytes(10);
    const { digest } = await blobs().put(bytes);
    assert.ok(bytes.equals(await readFile(await blobs().localPath(digest))));
  });

  test("deletes a blob, and a reader that has it open reads on", async () => {
    const bytes = someBytes(4_000_000);
    const { digest } = await blobs().put(bytes);
    const reader = await blobs().open(digest);
    assert.equal(await blobs().delete(digest), true);
    assert.equal(await blobs().stat(digest), undefined);
    assert.ok(bytes.equals(await buffer(reader)));
    await blobs().put(bytes);
    assert.ok(bytes.equals(await blobs().read(digest)));
  });

  test("lists every blob once", async () => {
    const stored = [await blobs().put(someBytes(11)), await blobs().put(someBytes(12))];
    const listed = await Array.fromAsync(blobs().list());
    assert.equal(new Set(listed).size, listed.length);
    for (const { digest } of stored) assert.ok(listed.includes(digest));
  });

  test("never takes a digest that is not well formed for a name", async () => {
    const hostile = "sha256:../../../../etc/passwd" as Digest;
    await assert.rejects(blobs().stat(hostile), /well formed/);
    await assert.rejects(blobs().read(hostile), /well formed/);
  });
}

function testUploads(blobs: () => BlobStore, reopen: () => Promise<BlobStore>): void {
  test("makes a blob of an upload in pieces", async () => {
    const bytes = someBytes(2_500_000);
    const { uploads } = blobs();
    const id = await uploads.create();
    assert.equal(await uploads.sizeOf(id), 0);
    assert.equal(await uploads.append(id, inPieces(bytes.subarray(0, 1_000_000), 99_999)), 1_000_000);
    assert.equal(await uploads.append(id, Readable.from([bytes.subarray(1_000_000)])), 2_500_000);
    assert.deepEqual(await uploads.finish(id, digestOf(bytes)), { digest: digestOf(bytes), sizeBytes: 2_500_000 });
    assert.ok(bytes.equals(await blobs().read(digestOf(bytes))));
    assert.equal(await uploads.sizeOf(id), undefined);
    await assert.rejects(uploads.finish(id, digestOf(bytes)), { code: "not_found" });
  });

  test("names a blob of an upload by what it hashes to where nobody expects anything", async () => {
    const bytes = someBytes(70_000);
    const { uploads } = blobs();
    const id = await uploads.create();
    await uploads.append(id, Readable.from([bytes]));
    assert.ok(bytes.equals(await readFile(await uploads.localPath(id))));
    assert.deepEqual(await uploads.finish(id), { digest: digestOf(bytes), sizeBytes: 70_000 });
    await assert.rejects(uploads.localPath(id), { code: "not_found" });
  });

  test("goes on with an upload after a restart", async () => {
    const bytes = someBytes(9000);
    const id = await blobs().uploads.create();
    await blobs().uploads.append(id, inPieces(bytes.subarray(0, 4000), 1000));
    const { uploads } = await reopen();
    assert.equal(await uploads.sizeOf(id), 4000);
    await uploads.append(id, inPieces(bytes.subarray(4000), 1000));
    assert.equal((await uploads.finish(id, digestOf(bytes))).sizeBytes, 9000);
    assert.ok(bytes.equals(await blobs().read(digestOf(bytes))));
  });

  test("keeps what a client sent before it went away, and goes on there", async () => {
    const bytes = someBytes(5000);
    const { uploads } = blobs();
    const id = await uploads.create();
    await assert.rejects(uploads.append(id, breaking(bytes.subarray(0, 3000))), /the client went away/);
    assert.equal(await uploads.sizeOf(id), 3000);
    await uploads.append(id, inPieces(bytes.subarray(3000), 500));
    assert.equal((await uploads.finish(id, digestOf(bytes))).sizeBytes, 5000);
  });

  test("keeps nothing of an append above the limit, and the upload can go on", async () => {
    const bytes = someBytes(4000);
    const { uploads } = blobs();
    const id = await uploads.create();
    await uploads.append(id, inPieces(bytes.subarray(0, 3000), 500), 4000);
    await assert.rejects(uploads.append(id, inPieces(someBytes(1001), 100), 4000), { code: "too_large" });
    assert.equal(await uploads.sizeOf(id), 3000);
    await uploads.append(id, inPieces(bytes.subarray(3000), 500), 4000);
    assert.equal((await uploads.finish(id, digestOf(bytes))).sizeBytes, 4000);
  });

  test("refuses to finish as something else, and finishes right afterwards, with SHA-512 too", async () => {
    const bytes = someBytes(700);
    const { uploads } = blobs();
    const id = await uploads.create();
    await uploads.append(id, inPieces(bytes, 100));
    await assert.rejects(uploads.finish(id, sha256Digest("2".repeat(64))), { code: "digest_mismatch" });
    assert.equal(await uploads.sizeOf(id), 700);
    assert.equal((await uploads.finish(id, digestOf(bytes, "sha512"))).digest, digestOf(bytes, "sha512"));
    assert.ok(bytes.equals(await blobs().read(digestOf(bytes, "sha512"))));
  });

  test("lets one writer at an upload", async () => {
    const bytes = someBytes(100);
    const { uploads } = blobs();
    const id = await uploads.create();
    const gate = Promise.withResolvers<void>();
    const slow = uploads.append(
      id,
      (async function* () {
        await gate.promise;
        yield bytes;
      })(),
    );
    await assert.rejects(uploads.append(id, inPieces(bytes, 10)), { code: "conflict" });
    await assert.rejects(uploads.finish(id, digestOf(bytes)), { code: "conflict" });
    gate.resolve();
    assert.equal(await slow, 100);
  });

  test("lets two uploads become one blob", async () => {
    const bytes = someBytes(100_000);
    const { uploads } = blobs();
    const ids = await Promise.all([uploads.create(), uploads.create()]);
    await Promise.all(ids.map(async (id) => await uploads.append(id, inPieces(bytes, 9999))));
    const stored = await Promise.all(ids.map(async (id) => await uploads.finish(id, digestOf(bytes))));
    assert.deepEqual(stored[0], stored[1]);
    for (const id of ids) assert.equal(await uploads.sizeOf(id), undefined);
  });

  test("drops uploads on request, and knows which are old", async () => {
    const { uploads } = blobs();
    const [dropped, kept] = [await uploads.create(), await uploads.create()];
    assert.equal(await uploads.abort(dropped), true);
    assert.equal(await uploads.abort(dropped), false);
    assert.equal((await uploads.stale(0)).size, 0);
    await uploads.append(kept, inPieces(Buffer.alloc(5), 5));
    assert.equal((await uploads.stale(Number.MAX_SAFE_INTEGER)).get(kept), 5);
    assert.equal(await uploads.abort(kept), true);
  });

  test("never takes an id that it did not give for a name", async () => {
    const { uploads } = blobs();
    for (const id of ["", "..", "../sha256", "a/b", newId()]) {
      assert.equal(await uploads.sizeOf(id), undefined);
      assert.equal(await uploads.abort(id), false);
      await assert.rejects(uploads.append(id, inPieces(Buffer.alloc(1), 1)), { code: "not_found" });
    }
  });
}

function testCollecting(blobs: () => BlobStore): void {
  test("collects what nobody needs, and says what it is asked about", async () => {
    const bytes = someBytes(1000);
    const { digest } = await blobs().put(bytes);
    const before = await blobs().usedBytes();
    assert.equal(await blobs().collect(digest, async ({ sizeBytes }) => sizeBytes === 1000), false);
    assert.equal(await blobs().collect(digest, async () => false), true);
    assert.equal(await blobs().stat(digest), undefined);
    assert.equal(await blobs().usedBytes(), before - 1000);
    assert.equal(await blobs().collect(digest, async () => false), false);
  });

  test("never collects what somebody holds; who comes to hold it meanwhile waits for the outcome", async () => {
    const bytes = someBytes(100);
    const { digest } = await blobs().put(bytes);
    await blobs().holding([digest], async () => {
      assert.equal(await blobs().collect(digest, async () => false), false);
    });
    await blobs().holding("everything", async () => {
      assert.equal(await blobs().collect(digest, async () => false), false);
    });
    const asked = Promise.withResolvers<boolean>();
    const collected = blobs().collect(digest, async () => await asked.promise);
    let isHeld = false;
    const holding = blobs().holding([digest], async () => {
      isHeld = true;
      return await blobs().stat(digest);
    });
    const stored = blobs().put(bytes);
    await turn();
    assert.equal(isHeld, false);
    asked.resolve(false);
    assert.equal(await collected, true);
    assert.equal(isHeld, true);
    await holding;
    assert.equal((await stored).digest, digest);
    assert.deepEqual(await blobs().stat(digest), { sizeBytes: 100 }, "who stored it meanwhile has it");
  });

  test("a race of puts and collections: what a put promised is there until it is collected again", async () => {
    const pool = Array.from({ length: 4 }, () => someBytes(50));
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.boolean(), fc.integer({ min: 0, max: 3 })), { maxLength: 30 }),
        async (acts) => {
          await Promise.all(
            acts.map(async ([isPut, at]) => {
              const bytes = pool[at]!;
              if (!isPut) return void (await blobs().collect(digestOf(bytes), async () => false));
              await blobs().holding([digestOf(bytes)], async () => {
                await blobs().put(bytes);
                assert.deepEqual(await blobs().read(digestOf(bytes)), bytes);
              });
            }),
          );
        },
      ),
      { numRuns: 30 },
    );
  });

  test("a put or a touch makes a blob fresh, and puts it aside when it is damaged", async () => {
    const { digest } = await blobs().put(someBytes(10));
    const first = (await blobs().describe(digest))!.usedAt;
    await new Promise((resolve) => setTimeout(resolve, 15));
    assert.equal(await blobs().touch(digest), true);
    assert.ok((await blobs().describe(digest))!.usedAt > first);
    assert.equal(await blobs().quarantine(digest), true);
    assert.equal(await blobs().quarantine(digest), false);
    assert.equal(await blobs().touch(digest), false);
    assert.equal(await blobs().describe(digest), undefined);
  });

  test("lists in pages, from any page on", async () => {
    const pages = await Array.fromAsync(blobs().pages());
    assert.deepEqual(
      pages.flatMap(({ digests }) => digests).toSorted(),
      (await Array.fromAsync(blobs().list())).toSorted(),
    );
    const middle = pages[Math.floor(pages.length / 2)]!;
    const rest = await Array.fromAsync(blobs().pages(middle.cursor));
    assert.deepEqual(rest, pages.slice(pages.indexOf(middle) + 1));
    assert.ok(pages.every(({ fraction }) => fraction > 0 && fraction <= 1));
  });
}
