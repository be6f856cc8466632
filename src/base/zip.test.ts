import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { readZip, readZipPieces } from "./zip.ts";
import { writeZip } from "./zip.fixture.ts";

async function withFile<T>(bytes: Uint8Array, work: (path: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), "mintmark-zip-"));
  try {
    const path = join(folder, "all.zip");
    await writeFile(path, bytes);
    return await work(path);
  } finally {
    await rm(folder, { recursive: true });
  }
}

const roomy = { directoryBytes: 1e6, entryBytes: 16e6, totalBytes: 64e6 };

async function contents(bytes: Uint8Array, bounds = roomy): Promise<[string, string][]> {
  return await withFile(bytes, async (path) => {
    const found: [string, string][] = [];
    for await (const entry of readZip(path, bounds)) found.push([entry.name, entry.bytes.toString()]);
    return found;
  });
}

const hostile = { code: "archive_hostile" };

test("what was zipped is read back, stored or deflated, with 64-bit records or without", async () => {
  const file = fc.tuple(fc.stringMatching(/^[a-z]{1,8}$/), fc.string({ maxLength: 200 }));
  await fc.assert(
    fc.asyncProperty(fc.array(file, { maxLength: 5 }), fc.boolean(), fc.boolean(), async (files, deflate, wide) => {
      assert.deepEqual(await contents(writeZip(files, { deflate, wide })), files);
    }),
    { numRuns: 30 },
  );
});

test("folders are passed over and big entries cross the reading window", async () => {
  const big = "x".repeat(3_000_000);
  const files: [string, string][] = [
    ["folder/", ""],
    ["a", big],
    ["b", "after"],
  ];
  assert.deepEqual(await contents(writeZip(files, { deflate: false, wide: false })), files.slice(1));
});

test("limits hold before anything is unpacked", async () => {
  const bytes = writeZip(
    [
      ["a", "12345"],
      ["b", "12345"],
    ],
    { deflate: true, wide: false },
  );
  const bounds = { directoryBytes: 1000, entryBytes: 10, totalBytes: 10 };
  assert.equal((await contents(bytes, bounds)).length, 2);
  await assert.rejects(contents(bytes, { ...bounds, totalBytes: 9 }), hostile);
  await assert.rejects(contents(bytes, { ...bounds, entryBytes: 4 }), hostile);
  await assert.rejects(contents(bytes, { ...bounds, directoryBytes: 10 }), hostile);
});

test("lies about sizes, checksums and places are refused", async () => {
  const good = writeZip(
    [
      ["a", "hello hello hello"],
      ["b", "x"],
    ],
    { deflate: true, wide: false },
  );
  const directory = good.indexOf(Buffer.from("PK\x01\x02", "latin1"));
  const second = good.indexOf(Buffer.from("PK\x01\x02", "latin1"), directory + 4);
  const changed = (at: number, value: number): Buffer => {
    const copy = Buffer.from(good);
    copy.writeUInt32LE(value, at);
    return copy;
  };
  await assert.rejects(contents(changed(directory + 24, 5)), hostile, "unpacks to more than it says");
  await assert.rejects(contents(changed(directory + 16, 1)), hostile, "another checksum");
  await assert.rejects(contents(changed(second + 42, 3)), hostile, "inside another entry");
  await assert.rejects(contents(changed(second + 42, 0xffff_0000)), hostile, "behind the end");
  await assert.rejects(contents(changed(directory + 8, 1)), hostile, "encrypted");
  await assert.rejects(contents(good.subarray(0, good.length - 10)), hostile, "cut off");
  await assert.rejects(contents(Buffer.from("no zip")), hostile);
  await assert.rejects(contents(Buffer.alloc(0)), hostile);
});

test("damage anywhere is refused or changes nothing, and never throws anything else", async () => {
  const good = writeZip(
    [
      ["a", "hello"],
      ["b", "world"],
    ],
    { deflate: true, wide: true },
  );
  await fc.assert(
    fc.asyncProperty(fc.nat(good.length - 1), fc.integer({ min: 1, max: 255 }), async (at, flip) => {
      const copy = Buffer.from(good);
      copy[at]! ^= flip;
      await contents(copy).catch((error: unknown) =>
        assert.equal((error as { code?: string }).code, "archive_hostile", String(error)),
      );
    }),
    { numRuns: 150 },
  );
});

test("large files come in pieces that are verified as the whole is", async () => {
  const big = Array.from({ length: 400_000 }, (_, index) => `line ${index}`).join("\n");
  const files: [string, string][] = [
    ["big", big],
    ["folder/", ""],
    ["small", "after"],
  ];
  const pieced = async (bytes: Uint8Array): Promise<[string, string][]> =>
    await withFile(bytes, async (path) => {
      const found: [string, string][] = [];
      for await (const { name, pieces } of readZipPieces(path, roomy)) {
        const parts: Buffer[] = [];
        for await (const piece of pieces) parts.push(piece);
        found.push([name, Buffer.concat(parts).toString()]);
      }
      return found;
    });
  for (const deflate of [true, false]) {
    const good = writeZip(files, { deflate, wide: false });
    assert.deepEqual(await pieced(good), files);
    const directory = good.indexOf(Buffer.from("PK\x01\x02", "latin1"));
    for (const [at, value] of [
      [directory + 16, 1],
      [directory + 24, big.length - 1],
      [1000, 0xffff_ffff],
    ] as const) {
      const copy = Buffer.from(good);
      copy.writeUInt32LE(value, at);
      await assert.rejects(pieced(copy), hostile, `${deflate} ${at}`);
    }
  }
});
