import { test } from "node:test";
import assert from "node:assert/strict";
import fc from "fast-check";
import { Failure } from "../base/errors.ts";
import { partText, readForm } from "./multipart.ts";

const type = "multipart/form-data; boundary=xyz";

async function* inPieces(bytes: Buffer, sizes: readonly number[]): AsyncGenerator<Buffer> {
  let at = 0;
  for (let index = 0; at < bytes.length; index++) {
    const length = sizes[index % sizes.length]!;
    yield bytes.subarray(at, at + length);
    at += length;
  }
}

async function read(text: string | Buffer, sizes: readonly number[] = [7], contentType = type) {
  const parts: { name: string; fileName: string | undefined; text: string }[] = [];
  for await (const part of readForm(inPieces(Buffer.from(text), sizes), contentType))
    parts.push({ name: part.name, fileName: part.fileName, text: await partText(part, 1_000_000) });
  return parts;
}

const form =
  '--xyz\r\nContent-Disposition: form-data; name="a"\r\n\r\none\r\n' +
  "--xyz\r\nContent-Type: application/octet-stream\r\n" +
  'content-disposition: form-data; name=package; filename="p \\"q\\".bin"; filename*=utf-8\'\'p\r\n\r\n\r\n--xy\r\n\r\n--xyz--\r\n';

test("a form is read in whatever pieces it comes", async () => {
  for (let size = 1; size <= form.length; size++)
    assert.deepEqual(await read(form, [size]), [
      { name: "a", fileName: undefined, text: "one" },
      { name: "package", fileName: 'p "q".bin', text: "\r\n--xy\r\n" },
    ]);
  assert.deepEqual(
    await read("preamble\r\n--x y--\r\n", [3], 'multipart/form-data; charset=utf-8; boundary="x y"'),
    [],
  );
});

test("a part whose body is left does not hide the next", async () => {
  const names: string[] = [];
  for await (const part of readForm(inPieces(Buffer.from(form), [5]), type)) names.push(part.name);
  assert.deepEqual(names, ["a", "package"]);
});

test("any bytes come back as they were", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.uint8Array({ maxLength: 400 }),
      fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1 }),
      async (bytes, sizes) => {
        const head = Buffer.from('--xyz\r\nContent-Disposition: form-data; name="f"\r\n\r\n');
        const whole = Buffer.concat([head, bytes, Buffer.from("\r\n--xyz--")]);
        const pieces: Buffer[] = [];
        for await (const part of readForm(inPieces(whole, sizes), type))
          for await (const piece of part.body) pieces.push(piece);
        assert.ok(Buffer.concat(pieces).equals(bytes));
      },
    ),
    { numRuns: 50 },
  );
});

test("what is no form, or breaks off, is refused", async () => {
  const usage = (error: unknown): boolean => error instanceof Failure && error.code === "usage";
  await assert.rejects(read(form, [9], "application/json"), usage);
  await assert.rejects(read("", [9]), usage);
  await assert.rejects(read(form.slice(0, -12)), usage);
  await assert.rejects(read("--xyzz\r\n\r\n"), usage);
  await assert.rejects(read(`--xyz\r\n${"a: b\r\n".repeat(10_000)}`, [1000]), usage);
  const part = { name: "f", fileName: undefined, body: inPieces(Buffer.alloc(20), [10]) };
  await assert.rejects(partText(part, 10), (error) => error instanceof Failure && error.code === "too_large");
});
