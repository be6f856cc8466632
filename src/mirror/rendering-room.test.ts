import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { gunzipSync } from "node:zlib";
import { Failure } from "../base/errors.ts";
import { npm } from "./npm/npm.ts";
import { openRenderingRoom } from "./rendering-room.ts";

test("large documents are worked on in a thread of their own, with the same result", async () => {
  const folder = await mkdtemp(join(tmpdir(), "mintmark-rendering-"));
  const room = openRenderingRoom();
  try {
    const versions = Object.fromEntries(
      Array.from({ length: 3000 }, (_, index) => {
        const version = `1.0.${index}`;
        const dist = { tarball: `http://far.test/big/-/big-${version}.tgz`, shasum: "0".repeat(40) };
        return [version, { name: "big", version, description: "x".repeat(500), dist }];
      }),
    );
    const path = join(folder, "big.json");
    const text = JSON.stringify({ name: "big", "dist-tags": { latest: "1.0.0" }, versions, time: {} });
    await writeFile(path, text);
    const document = { path, mediaType: "application/json", url: "http://far.test/big", isHosted: false };
    const ask = npm.classify({ path: "big", query: new URLSearchParams(), accept: "application/json" });
    assert.equal(ask.kind, "document");
    const { source, variant } = ask;
    const task = { task: "render", source, variant, base: "http://b", withheld: [], documents: [document] } as const;
    const large = await room.work(npm, task, text.length);
    const small = await room.work(npm, task, 0);
    assert.deepEqual(Buffer.from(large.bytes), Buffer.from(small.bytes));
    assert.ok(gunzipSync(large.gzip!).equals(large.bytes));
    const broken = { ...document, path: join(folder, "broken.json") };
    await writeFile(broken.path, "<html>");
    await assert.rejects(
      room.work(npm, { ...task, documents: [broken] }, text.length),
      (error) => error instanceof Failure && error.code === "upstream_unreachable",
    );
  } finally {
    await room.close();
    await rm(folder, { recursive: true });
  }
});
