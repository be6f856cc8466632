import assert from "node:assert/strict";
import { Readable } from "node:stream";
import { test } from "node:test";
import fc from "fast-check";
import { Failure } from "./errors.ts";
import { tarEnd, tarHeaderBytes } from "./tar-writer.ts";
import { padding, readTar, type TarHeader } from "./tar.ts";

const part = fc
  .string({ unit: "grapheme", minLength: 1, maxLength: 40 })
  .filter((text) => !/[/\0\n]/.test(text) && text !== "." && text !== "..");
const path = fc.array(part, { minLength: 1, maxLength: 6 }).map((parts) => parts.join("/"));

const header: fc.Arbitrary<{ header: TarHeader; content: Uint8Array }> = fc
  .record({
    path,
    kind: fc.constantFrom("file", "folder", "symlink") as fc.Arbitrary<"file" | "folder" | "symlink">,
    mode: fc.integer({ min: 0, max: 0o7777 }),
    uid: fc.integer({ min: 0, max: 4_000_000_000 }),
    gid: fc.integer({ min: 0, max: 65_535 }),
    mtimeSeconds: fc.integer({ min: 0, max: 4_000_000_000 }),
    link: path,
    content: fc.uint8Array({ maxLength: 2000 }),
    capability: fc.option(fc.uint8Array({ minLength: 1, maxLength: 20 }), { nil: undefined }),
  })
  .map(({ content, link, capability, kind, ...rest }) => ({
    content: kind === "file" ? content : new Uint8Array(),
    header: {
      ...rest,
      kind,
      sizeBytes: kind === "file" ? content.length : 0,
      link: kind === "symlink" ? link : "",
      deviceMajor: 0,
      deviceMinor: 0,
      xattrs: capability === undefined ? {} : { "security.capability": Buffer.from(capability).toString("latin1") },
    },
  }));

async function* inPieces(bytes: Buffer, pieceBytes: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += pieceBytes) yield bytes.subarray(at, at + pieceBytes);
}

async function readAll(bytes: Buffer, pieceBytes = 700): Promise<{ header: TarHeader; content: Buffer }[]> {
  const entries = [];
  for await (const entry of readTar(inPieces(bytes, pieceBytes))) {
    const chunks: Buffer[] = [];
    for await (const chunk of entry.body()) chunks.push(Buffer.from(chunk));
    entries.push({ header: entry.header, content: Buffer.concat(chunks) });
  }
  return entries;
}

test("readTar gives back what tarHeaderBytes wrote, however the bytes arrive", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(header, { maxLength: 6 }),
      fc.integer({ min: 1, max: 3000 }),
      async (entries, pieceBytes) => {
        const parts = entries.flatMap((entry) => [
          tarHeaderBytes(entry.header),
          entry.content,
          Buffer.alloc(padding(entry.content.length)),
        ]);
        const read = await readAll(Buffer.concat([...parts, tarEnd]), pieceBytes);
        assert.deepEqual(
          read.map((entry) => entry.header),
          entries.map((entry) => entry.header),
        );
        assert.deepEqual(
          read.map((entry) => entry.content),
          entries.map((entry) => Buffer.from(entry.content)),
        );
      },
    ),
    { numRuns: 60 },
  );
});

test("readTar closes what it reads when its reader has seen enough", async () => {
  const entry = {
    path: "a",
    kind: "file",
    mode: 0o644,
    uid: 0,
    gid: 0,
    mtimeSeconds: 0,
    sizeBytes: 0,
    link: "",
    xattrs: {},
    deviceMajor: 0,
    deviceMinor: 0,
  } as const;
  const source = Readable.from([
    Buffer.concat([tarHeaderBytes(entry), tarHeaderBytes({ ...entry, path: "b" })]),
    tarEnd,
  ]);
  for await (const { header: first } of readTar(source)) if (first.path === "a") break;
  assert.ok(source.destroyed);
});

test("readTar refuses bytes that are no archive, and one that is cut short", async () => {
  const file = tarHeaderBytes({
    path: "a",
    kind: "file",
    mode: 0o644,
    uid: 0,
    gid: 0,
    mtimeSeconds: 0,
    sizeBytes: 5000,
    link: "",
    deviceMajor: 0,
    deviceMinor: 0,
    xattrs: {},
  });
  const cut = Buffer.concat([file, Buffer.alloc(1000)]);
  for (const bytes of [Buffer.alloc(2048, 0x41), cut, file.subarray(0, 300)])
    await assert.rejects(readAll(bytes), (error) => error instanceof Failure && error.code === "archive_hostile");
});

test("readTar ends or refuses, whatever byte of an archive is changed", async () => {
  const entries = ["one", "two/three"].map((name) => ({
    path: name,
    kind: "file" as const,
    mode: 0o644,
    uid: 0,
    gid: 0,
    mtimeSeconds: 7,
    sizeBytes: 3,
    link: "",
    deviceMajor: 0,
    deviceMinor: 0,
    xattrs: {},
  }));
  const whole = Buffer.concat([
    ...entries.flatMap((entry) => [tarHeaderBytes(entry), Buffer.from("abc"), Buffer.alloc(509)]),
    tarEnd,
  ]);
  await fc.assert(
    fc.asyncProperty(fc.nat(whole.length - 1), fc.integer({ min: 0, max: 255 }), async (at, byte) => {
      const bytes = Buffer.from(whole);
      bytes[at] = byte;
      await readAll(bytes).catch((error: unknown) =>
        assert.ok(error instanceof Failure && error.code === "archive_hostile"),
      );
    }),
    { numRuns: 200 },
  );
});
