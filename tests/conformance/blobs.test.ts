import { strict as assert } from "node:assert";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { assertDigest, type Bench, describeOnBenches } from "./bench.ts";
import { begin, type Blob, blobOf, closing, locationOf, pushBlob, pushes } from "./blob-pushes.ts";

type Way = keyof typeof pushes;

/** Each way to push, with how many bytes: several chunks where there are chunks. */
const ways: readonly (readonly [name: string, way: Way, sizeBytes: number])[] = [
  ["post only", "post only", 512],
  ["post and put", "post and put", 512],
  ["one chunk", "chunked", 3],
  ["stream", "stream", 512],
  ["several chunks", "chunked", 3067],
  ["several chunks, the last in the put", "chunked, last chunk in the put", 3067],
  ["out of order", "chunked, out of order", 3067],
  ["out of order, the last in the put", "chunked, out of order, last chunk in the put", 3067],
];

const badDigestWays: readonly Way[] = [
  "post only",
  "post and put",
  "chunked",
  "chunked, last chunk in the put",
  "stream",
];

/** Ranges of 2048 bytes, with the first and the last byte of the answer; none where it is 416. */
const ranges: readonly (readonly [range: string, part?: readonly [first: number, last: number]])[] = [
  ["500-1499", [500, 1499]],
  ["500-", [500, 2047]],
  ["-500", [1548, 2047]],
  ["2000-5000", [2000, 2047]],
  ["500-0"],
  ["5000-10000"],
];

describeOnBenches("blobs", (bench, { mode }) => {
  test("get of a missing one", async () => {
    const { client, repository } = bench();
    const { digest } = blobOf(bench(), randomBytes(512));
    for (const method of ["GET", "HEAD"]) await client.must(404, `${method} /v2/${repository}/blobs/${digest}`);
  });

  for (const [name, way, sizeBytes] of ways)
    test(name, async () => {
      const blob = blobOf(bench(), randomBytes(sizeBytes));
      await pushBlob(bench(), blob, way);
      await readAndDelete(bench(), blob);
    });

  test("mount", async () => await mount(bench(), true));
  test("anonymous mount", async () => await mount(bench(), false));

  test("mount of a missing one, which goes on as an upload", async () => {
    const { client, repository, source } = bench();
    const blob = blobOf(bench(), randomBytes(512));
    const line = `POST /v2/${repository}/blobs/uploads/?mount=${blob.digest}&from=${source}`;
    const told = await client.must(202, line, { body: "" });
    await client.must(201, `PUT ${closing(locationOf(told), blob.digest)}`, { body: blob.bytes });
    await readAndDelete(bench(), blob);
  });

  if (mode.hasUploadCancel)
    test("cancel", async () => {
      const { client } = bench();
      const location = await begin(bench());
      await client.must(204, `DELETE ${location}`);
      await client.must(404, `GET ${location}`);
    });

  for (const [range, part] of ranges)
    test(`range ${range}`, async () => {
      const { client, repository } = bench();
      const blob = blobOf(bench(), randomBytes(2048));
      await pushBlob(bench(), blob, "post and put");
      const line = `GET /v2/${repository}/blobs/${blob.digest}`;
      const headers = { range: `bytes=${range}` };
      if (part === undefined) return void (await client.must(416, line, { headers }));
      const told = await client.must(206, line, { headers });
      assert.ok(told.bytes.equals(blob.bytes.subarray(part[0], part[1] + 1)));
      assert.equal(told.headers["content-range"], `bytes ${part[0]}-${part[1]}/2048`);
      assert.equal(told.headers["content-length"], String(part[1] - part[0] + 1));
    });

  for (const [name, text] of [
    ["empty", ""],
    ["empty JSON", "{}"],
  ] as const)
    for (const way of ["post only", "post and put", "chunked"] as const)
      test(`${name}, ${way}`, async () => {
        const blob = blobOf(bench(), Buffer.from(text));
        await pushBlob(bench(), blob, way);
        await readAndDelete(bench(), blob);
      });

  for (const way of badDigestWays)
    test(`bad digest, ${way}`, async () => {
      const { client, repository } = bench();
      const { digest, bytes } = blobOf(bench(), randomBytes(3067));
      const told = await pushes[way](bench(), { digest, bytes: Buffer.concat([bytes, Buffer.from("oh no")]) });
      assert.equal(told.status, 400);
      assert.equal(told.code(), "DIGEST_INVALID");
      await client.must(404, `HEAD /v2/${repository}/blobs/${digest}`);
    });
});

async function mount(bench: Bench, hasSource: boolean): Promise<void> {
  const { client, repository, source } = bench;
  const blob = blobOf(bench, randomBytes(512));
  await pushBlob({ ...bench, repository: source }, blob, "post and put");
  const from = hasSource ? `&from=${source}` : "";
  const line = `POST /v2/${repository}/blobs/uploads/?mount=${blob.digest}${from}`;
  const told = await client.must(201, line, { body: "" });
  assertDigest(bench, told, blob.digest);
  assert.ok((await client.must(200, `GET ${locationOf(told)}`)).bytes.equals(blob.bytes));
  await readAndDelete(bench, blob);
  await readAndDelete({ ...bench, repository: source }, blob);
}

async function readAndDelete(bench: Bench, { digest, bytes }: Blob): Promise<void> {
  const { client, repository } = bench;
  const path = `/v2/${repository}/blobs/${digest}`;
  const head = await client.must(200, `HEAD ${path}`);
  assert.equal(head.headers["content-length"], String(bytes.length));
  assert.equal(head.bytes.length, 0);
  assertDigest(bench, head, digest);
  const got = await client.must(200, `GET ${path}`);
  assert.ok(got.bytes.equals(bytes));
  assertDigest(bench, got, digest);
  await client.must(202, `DELETE ${path}`);
  await client.must(404, `HEAD ${path}`);
}
