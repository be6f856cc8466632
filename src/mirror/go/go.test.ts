import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { sha256Hex } from "../../base/hash.ts";
import { writeZip } from "../../base/zip.fixture.ts";
import type { MirrorRequest, Publication, SourceDocument, UpstreamReader, WriteRefusal } from "../format.ts";
import { openTestShelf } from "../test-shelf.ts";
import { go } from "./go.ts";
import { h1OfFile } from "./h1.ts";
import { claimOf } from "./locate.ts";
import {
  compareModuleVersions,
  escapeModule,
  fitsPath,
  isCanonicalVersion,
  isDownloadable,
  isModulePath,
  unescapeModule,
} from "./module-path.ts";

const ask = (path: string): ReturnType<typeof go.classify> =>
  go.classify({ path, query: new URLSearchParams(), accept: "" } satisfies MirrorRequest);

test("what a path means", () => {
  const table: [path: string, meaning: string, subject?: string][] = [
    ["example.org/m/@v/v1.2.3.info", "immutable", "example.org/m@v1.2.3"],
    ["example.org/m/@v/v1.2.3.mod", "immutable", "example.org/m@v1.2.3"],
    ["example.org/m/@v/v1.2.3.zip", "immutable", "example.org/m@v1.2.3"],
    ["example.org/m/@v/v2.0.0+incompatible.zip", "immutable", "example.org/m@v2.0.0+incompatible"],
    [
      "example.org/m/@v/v0.0.0-20240102030405-abcdefabcdef.mod",
      "immutable",
      "example.org/m@v0.0.0-20240102030405-abcdefabcdef",
    ],
    [
      "example.org/%21burnt%21sushi/toml/@v/v1.0.0-%21r%21c1.zip",
      "immutable",
      "example.org/BurntSushi/toml@v1.0.0-RC1",
    ],
    ["example.org/!burnt!sushi/toml/@v/list", "mutable", "example.org/BurntSushi/toml"],
    ["example.org/m/@latest", "mutable", "example.org/m"],
    ["example.org/m/@v/main.info", "mutable", "example.org/m"],
    ["example.org/m/@v/v1.info", "mutable", "example.org/m"],
    ["example.org/m/@v/v1.2.3+build.info", "mutable", "example.org/m"],
    ["example.org/m/@v/main.zip", "404"],
    ["example.org/m/@v/v1.2.3.exe", "404"],
    ["example.org/M/@v/list", "404"],
    ["example.org/!M/@v/list", "404"],
    ["example.org/m/@v/V1.2.3.zip", "404"],
    ["example.org/.m/@v/list", "404"],
    ["example.org/m%2fx/@v/list", "404"],
    ["example.org/m%00/@v/list", "404"],
    ["example.org/m%zz/@v/list", "404"],
    ["example.org/%2e%2e/@v/list", "404"],
    ["@v/list", "404"],
    ["", "404"],
    ["example.org/m", "404"],
    ["sumdb/sum.example/supported", "mutable"],
    ["sumdb/sum.example/latest", "mutable"],
    ["sumdb/sum.example/lookup/example.org/!m@v1.0.0", "immutable", "example.org/M@v1.0.0"],
    ["sumdb/sum.example/lookup/example.org/m@main", "404"],
    ["sumdb/sum.example/tile/8/0/000", "immutable"],
    ["sumdb/sum.example/tile/8/0/x123/x004/567", "immutable"],
    ["sumdb/sum.example/tile/8/1/x123/567.p/12", "mutable"],
    ["sumdb/sum.example/tile/8/data/x123/567", "immutable"],
    ["sumdb/sum.example/tile/8/data/567.p/1", "mutable"],
    ["sumdb/sum.example/tile/31/0/000", "404"],
    ["sumdb/sum.example/tile/8/0/567.p/0", "404"],
    ["sumdb/sum.example/tile/8/0/5", "404"],
    ["sumdb/sum.example/other", "404"],
    ["sumdb/sum.example", "404"],
  ];
  for (const [path, meaning, subject] of table) {
    const found = ask(path);
    const said =
      found.kind === "file"
        ? found.lifetime
        : found.kind === "document"
          ? "mutable"
          : "status" in found
            ? `${found.status}`
            : "";
    assert.equal(said, meaning, path);
    const who = "subject" in found ? found.subject : undefined;
    assert.equal(who && (who.version === undefined ? who.name : `${who.name}@${who.version}`), subject, path);
  }
});

test("one file has one key however its path is written", () => {
  const plain = ask("example.org/!m/@v/v1.0.0.zip");
  assert.deepEqual(ask("example.org/%21m/@v/v1.0.0.zip"), plain);
  assert.ok(plain.kind === "file" && plain.key === "example.org/!m/@v/v1.0.0.zip");
});

test("module paths escape and unescape", () => {
  fc.assert(
    fc.property(fc.stringMatching(/^[A-Za-z0-9._~/-]{1,30}$/), (path) => {
      assert.equal(unescapeModule(escapeModule(path)), path);
    }),
  );
  for (const path of ["example.org/m", "a/B-c_d~e.f"]) assert.ok(isModulePath(path), path);
  for (const path of ["", "/a", "a//b", "a/.b", "a/b.", "a b", "a@b", "ä"]) assert.ok(!isModulePath(path), path);
  for (const path of ["example.org", "example.org/m/v2", "gopkg.in/yaml.v3"]) assert.ok(isDownloadable(path), path);
  for (const path of ["m", "Example.org/m", "-a.b/c", "example.org/m/v1", "example.org/m/v02", "gopkg.in/yaml"])
    assert.ok(!isDownloadable(path), path);
});

test("canonical versions, their order, and the paths that they go with", () => {
  for (const version of ["v1.2.3", "v0.0.0-rc.1", "v2.0.0+incompatible", "v1.0.0-a-b.0"])
    assert.ok(isCanonicalVersion(version), version);
  for (const version of ["1.2.3", "v1.2", "v01.2.3", "v1.2.3-01", "v1.2.3+b", "v1.2.3-", "main", ""])
    assert.ok(!isCanonicalVersion(version), version);
  const sorted = ["v0.9.0", "v1.0.0-alpha", "v1.0.0-alpha.1", "v1.0.0-beta.2", "v1.0.0-beta.11", "v1.0.0", "v1.10.0"];
  assert.deepEqual(sorted.toReversed().sort(compareModuleVersions), sorted);
  const fits: [string, string, boolean][] = [
    ["example.org/m", "v1.0.0", true],
    ["example.org/m", "v2.0.0", false],
    ["example.org/m", "v2.0.0+incompatible", true],
    ["example.org/m", "v1.0.0+incompatible", false],
    ["example.org/m/v2", "v2.1.0", true],
    ["example.org/m/v2", "v1.0.0", false],
    ["gopkg.in/yaml.v3", "v3.0.1", true],
    ["gopkg.in/yaml.v1", "v1.0.0", true],
  ];
  for (const [path, version, expected] of fits) assert.equal(fitsPath(path, version), expected, `${path}@${version}`);
});

async function withFile<T>(bytes: Uint8Array, work: (path: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), "mintmark-go-"));
  try {
    await writeFile(join(folder, "file"), bytes);
    return await work(join(folder, "file"));
  } finally {
    await rm(folder, { recursive: true });
  }
}

test("the hash of a module is that of its listing, whatever the order and packing of its files", async () => {
  const files: [string, string][] = [
    ["m@v1.0.0/z.go", "package m\n"],
    ["m@v1.0.0/go.mod", "module m\n"],
    ["m@v1.0.0/A.go", "x".repeat(2_000_000)],
  ];
  const lines = files.toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([name, text]) => `${sha256Hex(text)}  ${name}\n`);
  const expected = Buffer.from(sha256Hex(lines.join("")), "hex").toString("base64");
  for (const deflate of [true, false])
    assert.equal(await withFile(writeZip(files, { deflate, wide: false }), h1OfFile), expected);
  assert.equal(await withFile(writeZip(files.toReversed(), { deflate: true, wide: true }), h1OfFile), expected);
  const goMod = "module golang.org/x/example\n\ngo 1.22\n";
  const modHash = Buffer.from(sha256Hex(`${sha256Hex(goMod)}  go.mod\n`), "hex").toString("base64");
  assert.equal(await withFile(Buffer.from(goMod), h1OfFile), modHash);
});

test("a hostile zip is refused", async () => {
  const twice = writeZip(
    [
      ["a", "1"],
      ["a", "2"],
    ],
    { deflate: true, wide: false },
  );
  const bomb = writeZip([["a", "1"]], { deflate: true, wide: false });
  bomb.writeUInt32LE(600 * 1024 * 1024, bomb.indexOf(Buffer.from("PK\x01\x02", "latin1")) + 24);
  for (const bytes of [twice, bomb, Buffer.from("PK nothing"), twice.subarray(0, 60)])
    await assert.rejects(withFile(bytes, h1OfFile), {
      code: "digest_mismatch",
      message: /^Cannot take the module: \S/,
    });
});

const record = [
  "12345",
  "example.org/M v1.0.0 h1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
  "example.org/M v1.0.0/go.mod h1:BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB=",
  "",
  "go.sum database tree",
].join("\n");

function readerOf(documents: Readonly<Record<string, string>>, address = "https://proxy.example/"): UpstreamReader {
  return {
    address,
    read: async (source) => (documents[source] === undefined ? undefined : Buffer.from(documents[source])),
    facts: async () => undefined,
    derived: async () => undefined,
  };
}

test("a zip and a go.mod are claimed by the checksum database, and the .info has the time", async () => {
  const documents = {
    "sumdb/sum.example/supported": "",
    "sumdb/sum.example/lookup/example.org/!m@v1.0.0": record,
    "example.org/!m/@v/v1.0.0.info": '{"Version":"v1.0.0","Time":"2024-01-02T03:04:05Z"}',
  };
  const locate = async (path: string, reader: UpstreamReader): Promise<unknown> => {
    const found = ask(path);
    assert.ok(found.kind === "file" || found.kind === "document");
    return await go.locate(found, reader);
  };
  const zip = "example.org/!m/@v/v1.0.0.zip";
  const publishedAt = Date.UTC(2024, 0, 2, 3, 4, 5);
  const claim = { algorithm: "h1", value: `${"A".repeat(43)}=` };
  assert.deepEqual(await locate(zip, readerOf(documents)), { url: zip, claim, publishedAt });
  const mod = "example.org/!m/@v/v1.0.0.mod";
  const modClaim = { algorithm: "h1", value: `${"B".repeat(43)}=` };
  assert.deepEqual(await locate(mod, readerOf(documents)), { url: mod, claim: modClaim, publishedAt });
  const elsewhere = readerOf(documents, "https://go.example/");
  assert.deepEqual(await locate(zip, elsewhere), { url: zip, publishedAt });
  assert.deepEqual(await locate(zip, { ...elsewhere, checksumDatabase: "sum.example" }), {
    url: zip,
    claim,
    publishedAt,
  });
  assert.deepEqual(await locate(zip, readerOf({})), { url: zip });
  const path = "example.org/!m/@v/v1.0.0.info";
  assert.deepEqual(await locate(path, readerOf(documents)), { url: path });
  assert.equal(claimOf(record, { name: "example.org/M", version: "v1.0.1" }, "zip"), undefined);
});

function documentAt(url: string, text: string): SourceDocument {
  return { bytes: Buffer.from(text), mediaType: "text/plain", url, isHosted: false };
}

test("facts of a list and of an .info", () => {
  const list = go.facts!(
    documentAt("https://p.example/example.org/!m/@v/list", "v1.0.0\nv1.1.0-rc.1 2024-01-01T00:00:00Z\nmain\n"),
  );
  assert.equal(list.name, "example.org/M");
  assert.deepEqual(
    list.versions.map(({ version, publishedAt, isPrerelease }) => [version, publishedAt, isPrerelease]),
    [
      ["v1.0.0", undefined, false],
      ["v1.1.0-rc.1", Date.UTC(2024, 0, 1), true],
    ],
  );
  assert.equal(list.versions[0]!.files[2]!.url, "https://p.example/example.org/!m/@v/v1.0.0.zip");
  const latest = documentAt(
    "https://p.example/m.example/@latest",
    '{"Version":"v1.0.0","Time":"2024-01-01T00:00:00Z"}',
  );
  assert.equal(go.facts!(latest).versions[0]!.files[0]!.url, "https://p.example/m.example/@v/v1.0.0.info");
  for (const text of ["v1.0.0 2024-01-01T00:00:00Z\n", '{"Version":"v1.0.0","Time":"2024-01-01T00:00:00Z"}'])
    assert.equal(go.facts!(documentAt("", text)).versions[0]!.publishedAt, Date.UTC(2024, 0, 1));
  for (const text of ["", "{", "null", "[]", '{"Version":1}'])
    assert.throws(() => go.facts!(documentAt("https://p.example/m/@latest", text)), { code: "upstream_unreachable" });
});

test("lists are merged without what is withheld, and the newest release is the latest", () => {
  const render = (source: string, texts: readonly string[], withheld: readonly string[] = []): string => {
    const documents = texts.map((text) => documentAt("https://p.example/m/@v/list", text));
    const reasons = new Map(withheld.map((version) => [version, "too new"]));
    const input = { variant: "full", source, documents, base: "http://mirror", withheld: reasons };
    return Buffer.from(go.render!(input).bytes).toString();
  };
  assert.equal(
    render("m/@v/list", ["v1.2.0\nv1.10.0\n", "v1.2.0\nv0.1.0 2024-01-01T00:00:00Z"]),
    "v0.1.0\nv1.2.0\nv1.10.0\n",
  );
  assert.equal(render("m/@v/list", ["v1.2.0\nv1.10.0\n"], ["v1.10.0"]), "v1.2.0\n");
  const answer = (version: string): string => JSON.stringify({ Version: version });
  assert.equal(render("m/@latest", ["v1.0.0", "v1.2.0", "v1.3.0-rc.1"].map(answer)), answer("v1.2.0"));
  assert.equal(render("m/@latest", ["v1.0.0", "v1.2.0"].map(answer), ["v1.2.0"]), answer("v1.0.0"));
  assert.equal(render("m/@v/main.info", ["v1.0.0", "v1.2.0"].map(answer)), answer("v1.0.0"));
  assert.throws(() => render("m/@latest", [answer("v1.0.0")], ["v1.0.0"]), { code: "not_found", message: /too new/ });
});

test("a module is uploaded as a zip, once", async () => {
  const hosted = await openTestShelf(go);
  try {
    const put = async (path: string, body: Uint8Array): Promise<Publication | WriteRefusal> =>
      await hosted.write({ method: "PUT", path, body });
    const listText = (): string => hosted.document("acme.example/!lib/@v/list").bytes.toString();
    const zipOf = (version: string, goMod: string | undefined, more: [string, string][] = []): Buffer => {
      const files: [string, string][] = [[`acme.example/Lib@${version}/lib.go`, `package lib // ${version}\n`]];
      if (goMod !== undefined) files.push([`acme.example/Lib@${version}/go.mod`, goMod]);
      return writeZip([...files, ...more], { deflate: true, wide: false });
    };
    const status = (answer: Publication | WriteRefusal): number =>
      "refused" in answer ? answer.status : answer.answer.status;
    const at = (version: string): string => `acme.example/!lib/@v/${version}.zip`;

    const first = await put(at("v1.0.0"), zipOf("v1.0.0", "// ours\nmodule acme.example/Lib\n"));
    assert.equal(status(first), 201, JSON.stringify(first));
    assert.ok("files" in first);
    assert.deepEqual(
      first.files.map(({ key }) => key),
      ["info", "mod", "zip"].toReversed().map((end) => `acme.example/!lib/@v/v1.0.0.${end}`),
    );
    assert.match(first.answer.body, /^acme\.example\/Lib v1\.0\.0 h1:.{43}=\n$/);
    assert.equal(status(await put(at("v1.1.0-rc.1"), zipOf("v1.1.0-rc.1", undefined))), 201);
    assert.match(listText(), /^v1\.0\.0 \S+Z\nv1\.1\.0-rc\.1 \S+Z\n$/);
    assert.match(hosted.document("acme.example/!lib/@latest").bytes.toString(), /"Version":"v1\.0\.0"/);
    assert.equal(status(await put(at("v1.0.0"), zipOf("v1.0.0", "// ours\nmodule acme.example/Lib\n"))), 201, "again");
    assert.equal(status(await put(at("v1.0.0"), zipOf("v1.0.0", "module acme.example/Lib\n"))), 409, "other bytes");

    const good = "module acme.example/Lib\n";
    const refused: [string, string, Uint8Array][] = [
      ["another module in go.mod", at("v1.2.0"), zipOf("v1.2.0", "module acme.example/other\n")],
      ["another version inside", at("v1.2.0"), zipOf("v1.1.0", good)],
      ["outside of its folder", at("v1.2.0"), zipOf("v1.2.0", good, [["acme.example/Lib@v1.2.0/../x", "1"]])],
      ["the same name in other case", at("v1.2.0"), zipOf("v1.2.0", good, [["acme.example/Lib@v1.2.0/LIB.go", "1"]])],
      ["a major version without its path", at("v2.0.0"), zipOf("v2.0.0", good)],
      ["no zip", at("v1.2.0"), Buffer.from("nothing")],
      ["no canonical version", at("v1.2"), zipOf("v1.2", good)],
      ["no host name", "lib/@v/v1.0.0.zip", zipOf("v1.0.0", good)],
      ["no zip's path", "acme.example/!lib/@v/v1.2.0.mod", Buffer.from(good)],
    ];
    for (const [name, path, zip] of refused) assert.equal(status(await put(path, zip)), 400, name);
    assert.equal(status(await hosted.write({ method: "DELETE", path: at("v1.0.0") })), 405);
  } finally {
    await hosted.close();
  }
});

test("clients, denials and package URLs", () => {
  const [setup] = go.clients({ base: "http://127.0.0.1:5081/mirror/go", isSealed: true });
  assert.deepEqual(setup!.environment, { GOPROXY: "http://127.0.0.1:5081/mirror/go", GONOPROXY: "none" });
  assert.equal(setup!.files[0]!.content, "GOPROXY=http://127.0.0.1:5081/mirror/go\nGONOPROXY=none\n");
  assert.equal(go.deny({ status: 403, message: "too new" }).body, "too new\n");
  assert.equal(go.purl({ name: "example.org/x/mod", version: "v1.0.0" }), "pkg:golang/example.org/x/mod@v1.0.0");
  assert.match(
    go.purl({ name: "example.org/m", version: "v2.0.0+incompatible" }),
    /^pkg:golang\/example\.org\/m@v2\.0\.0/,
  );
});
