import { test } from "node:test";
import assert from "node:assert/strict";
import { type Ask, type Format } from "../format.ts";
import { openTestShelf, testReader } from "../test-shelf.ts";
import { raw } from "./raw.ts";

const sha256 = "cd".repeat(32);
const allowed = [
  { host: "files.test", path: "/dist/v*/*.tar.gz" },
  { host: "files.test:8443", path: "pinned.zip", sha256 },
  { host: "upstream.test", path: "keys/**" },
];
const proxy = raw.configured!({ kind: "proxy", allowed });
const copy = raw.configured!({ kind: "proxy" });

const ask = (format: Format, path: string, query = ""): Ask =>
  format.classify({ path, query: new URLSearchParams(query), accept: "" });

const urlOf = async (format: Format, path: string): Promise<unknown> => {
  const found = ask(format, path);
  assert.equal(found.kind, "file", path);
  return found.kind === "file" ? await format.locate(found, testReader(format, {})) : undefined;
};

test("what a rule allows is fetched from the host of the path", async () => {
  assert.deepEqual(await urlOf(proxy, "FILES.test/dist/v1/a%20b.tar.gz"), {
    url: "https://files.test/dist/v1/a%20b.tar.gz",
  });
  assert.deepEqual(await urlOf(proxy, "files.test:8443/pinned.zip"), {
    url: "https://files.test:8443/pinned.zip",
    claim: { algorithm: "sha256", value: sha256 },
  });
  assert.deepEqual(await urlOf(proxy, "upstream.test/keys/a/b.asc"), { url: "https://upstream.test/keys/a/b.asc" });
  assert.deepEqual(await urlOf(copy, "x/y.json"), { url: "https://upstream.test/index/x/y.json" });
  const [first, second] = [ask(proxy, "files.test/dist/v1/a.tar.gz"), ask(proxy, "Files.Test/dist/v1/a.tar.gz")];
  assert.deepEqual(first, second);
  assert.equal(proxy.pathOf!(new URL("https://files.test/dist/v1/a.tar.gz")), "files.test/dist/v1/a.tar.gz");
  assert.equal(proxy.pathOf!(new URL("https://other.test/dist/v1/a.tar.gz")), undefined);
});

test("what no rule allows is refused with the rules", () => {
  for (const path of ["other.test/dist/v1/a.tar.gz", "files.test/dist/v1/x/a.tar.gz", "files.test/a", "files.test"]) {
    const found = ask(proxy, path);
    assert.ok(found.kind === "refused" && found.status === 403, path);
    assert.match(
      found.reason,
      /No rule of this raw repository allows .*: they allow files\.test\/dist\/v\*\/\*\.tar\.gz/,
    );
  }
  const none = ask(raw.configured!({ kind: "proxy", allowed: [] }), "files.test/a");
  assert.ok(none.kind === "refused" && /there are none/.test(none.reason));
});

test("paths that mean something else than they seem are refused", () => {
  for (const path of [
    "upstream.test/keys/%2e%2e/secret",
    "upstream.test/keys/.%2E/secret",
    "upstream.test/keys/a%2fb",
    "upstream.test/keys/a\\..\\b",
    "upstream.test/keys/a%5cb",
    "upstream.test/keys/a%zz",
    "upstream.test//keys/a",
    "upstream.test/keys/",
    "",
  ])
    assert.equal(ask(proxy, path).kind, "refused", path);
  assert.equal(ask(proxy, "upstream.test/keys/a", "x=1").kind, "refused");
});

test("types are such that a browser runs nothing", () => {
  const types: [string, string][] = [
    ["a.html", "application/octet-stream"],
    ["a.svg", "application/octet-stream"],
    ["a.JSON", "application/json"],
    ["constructor", "application/octet-stream"],
  ];
  for (const [path, type] of types) {
    const found = ask(copy, path);
    assert.equal(found.kind === "file" ? found.mediaType : "", type);
  }
});

test("files are put, kept as they are, and dropped", async () => {
  const place = await openTestShelf(raw);
  try {
    const send = async (method: "PUT" | "DELETE" | "POST", path: string, text = ""): Promise<number> => {
      const done = await place.write({ method, path, body: Buffer.from(text) });
      return "refused" in done ? done.status : done.answer.status;
    };
    assert.equal(await send("PUT", "tools/a.zip", "one"), 201);
    assert.equal(await send("PUT", "tools/a.zip", "one"), 200);
    assert.equal(await send("PUT", "tools/a.zip", "two"), 409);
    assert.equal(await send("POST", "tools/a.zip", "two"), 405);
    assert.equal(await send("PUT", "tools/../a.zip", "two"), 400);
    assert.equal(place.file("tools/a.zip")?.mediaType, "application/zip");
    assert.equal(await send("DELETE", "tools/a.zip"), 204);
    assert.equal(await send("DELETE", "tools/a.zip"), 404);
    assert.equal(await send("PUT", "tools/a.zip", "two"), 201);
  } finally {
    await place.close();
  }
});

test("a package URL names the file", () => {
  assert.equal(raw.purl({ name: "files.test:8443/a b", version: "1" }), "pkg:generic/files.test%3A8443/a%20b@1");
  assert.deepEqual(raw.clients({ base: "http://m", isSealed: true }), []);
});
