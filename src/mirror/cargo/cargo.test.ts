import { test } from "node:test";
import assert from "node:assert/strict";
import fc from "fast-check";
import { gzipSync } from "node:zlib";
import { tarEnd, tarHeaderBytes } from "../../base/tar-writer.ts";
import { Failure } from "../../base/errors.ts";
import { type Ask } from "../format.ts";
import { openTestShelf, testReader, testRendering, upstreamDocument } from "../test-shelf.ts";
import { cargo } from "./cargo.ts";
import { downloadUrl } from "./locate.ts";

const ask = (path: string, query = ""): Ask => cargo.classify({ path, query: new URLSearchParams(query), accept: "" });

test("paths mean what the sparse protocol says", () => {
  const documents = ["1/a", "2/ab", "3/a/abc", "se/rd/serde", "in/fl/inflector", "a-/b_/a-b_c"];
  for (const path of documents) {
    const found = ask(path);
    assert.equal(found.kind, "document", path);
    assert.equal(cargo.documentOf!({ name: path.slice(path.lastIndexOf("/") + 1) }), path);
  }
  for (const path of [
    "Se/rd/Serde",
    "se/rd/serdex/",
    "se/rx/serde",
    "3/b/abc",
    "serde",
    "",
    "%73e/rd/serde",
    "se/rd/a.b",
  ])
    assert.deepEqual([path, ask(path).kind], [path, "refused"]);
  const file = ask("api/v1/crates/Inflector/1.0.0-a.1%2Bb/download");
  assert.deepEqual(file, {
    kind: "file",
    key: "crates/inflector/inflector-1.0.0-a.1+b.crate",
    lifetime: "immutable",
    subject: { name: "inflector", version: "1.0.0-a.1+b" },
    mediaType: "application/gzip",
  });
  const statuses: [string, number][] = [
    ["api/v1/crates/serde/owners", 501],
    ["api/v1/crates/serde/1.0.0/yank", 405],
    ["api/v1/crates/serde/1.0/download", 404],
    ["api/v1/crates/se%2Frde/1.0.0/download", 404],
    ["api/v1/crates/serde/1.0.0/readme", 404],
    ["me", 404],
  ];
  for (const [path, status] of statuses) {
    const found = ask(path);
    assert.ok(found.kind === "refused" && found.status === status, path);
  }
  const config = ask("config.json");
  assert.ok(config.kind === "fixed");
  assert.deepEqual(JSON.parse(config.body("http://m/mirror/c")), {
    dl: "http://m/mirror/c/api/v1/crates",
    api: "http://m/mirror/c",
  });
});

const checksum = "ab".repeat(32);
/** Odd spaces and unknown fields must survive. */
const line = (version: string, more = ""): string =>
  `{"name":"Demo", "vers":"${version}","deps":[],"cksum":"${checksum}","features":{},"unknown_field":1e3${more}}`;

test("an archive is looked up in the index and lies where the upstream's config says", async () => {
  const reader = testReader(cargo, {
    "config.json":
      '{"dl":"https://files.test/{lowerprefix}/{crate}/{version}/{sha256-checksum}.crate","api":"https://web.test/"}',
    "de/mo/demo": `${line("0.9.0")}\n${line("1.0.0+a", ',"pubtime":"2026-01-02T03:04:05Z"')}\n`,
  });
  const file = ask("api/v1/crates/demo/1.0.0+a/download");
  assert.ok(file.kind === "file");
  assert.deepEqual(await cargo.locate(file, reader), {
    url: `https://files.test/de/mo/Demo/1.0.0+a/${checksum}.crate`,
    claim: { algorithm: "sha256", value: checksum },
    publishedAt: Date.UTC(2026, 0, 2, 3, 4, 5),
  });
  const missing = ask("api/v1/crates/demo/2.0.0/download");
  assert.ok(missing.kind === "file");
  assert.equal(await cargo.locate(missing, reader), undefined);
  const search = ask("api/v1/crates", "q=Demo+x&per_page=5");
  assert.ok(search.kind === "document" && search.hostedSource === "search");
  assert.equal((await cargo.locate(search, reader))?.url, "https://web.test/api/v1/crates?q=demo+x&per_page=5");
  await assert.rejects(cargo.locate(file, testReader(cargo, { "de/mo/demo": line("1.0.0+a") })), Failure);
});

test("every placeholder of a download address is filled in", () => {
  const crate = { name: "MyCrate", version: "1.2.3", checksum };
  const cases: [string, string][] = [
    ["https://h/api", "https://h/api/MyCrate/1.2.3/download"],
    ["https://h/{crate}-{version}.crate", "https://h/MyCrate-1.2.3.crate"],
    ["https://h/{prefix}/{lowerprefix}/{crate}", "https://h/My/Cr/my/cr/MyCrate"],
    ["https://h/{sha256-checksum}{other}", `https://h/${checksum}{other}`],
  ];
  for (const [template, url] of cases) assert.equal(downloadUrl(template, crate), url);
});

test("facts tell the checksum and the time of each version", () => {
  const document = upstreamDocument(
    `${line("1.0.0")}\nnot json\n${line("1.1.0-rc.1", ',"pubtime":"2026-01-02T03:04:05Z"')}`,
  );
  const { name, versions } = cargo.facts!(document);
  assert.equal(name, "demo");
  assert.deepEqual(
    versions.map(({ version, publishedAt, isPrerelease }) => [version, publishedAt, isPrerelease]),
    [
      ["1.0.0", undefined, false],
      ["1.1.0-rc.1", Date.UTC(2026, 0, 2, 3, 4, 5), true],
    ],
  );
  assert.deepEqual(versions[0]!.files[0]!.claim, { algorithm: "sha256", value: checksum });
  assert.throws(() => cargo.facts!(upstreamDocument("<html>")), Failure);
});

test("index lines are relayed as they came; those that are withheld are yanked while others are left", () => {
  const one = `${line("1.0.0")}\n\n${line("1.1.0", ',"v":2')}\nnot json\n`;
  const render = (documents: string[], withheld: string[] = []): string =>
    testRendering(cargo, {
      variant: "index",
      source: "de/mo/demo",
      documents: documents.map((text) => upstreamDocument(text)),
      withheld,
    });
  assert.equal(render([one]), one);
  assert.equal(render([one], ["1.0.0"]), `${line("1.0.0", ',"yanked":true')}\n${line("1.1.0", ',"v":2')}\n`);
  const marked = ["false", "null", "true"].map((state) => line(`2.0.${state.length}`, `,"yanked": ${state}`));
  for (const text of marked)
    assert.equal(
      render([`${text}\n${line("1.0.0")}`], [(JSON.parse(text) as { vers: string }).vers]).split("\n")[0],
      text.replace(/"yanked": (?:false|null)/, '"yanked":true'),
    );
  assert.equal(render([one], ["1.0.0", "1.1.0"]), `${line("1.0.0")}\n${line("1.1.0", ',"v":2')}\n`);
  assert.equal(render([line("1.1.0", ',"mine":1'), one]), `${line("1.1.0", ',"mine":1')}\n${line("1.0.0")}\n`);
});

test("whatever is in a line is relayed byte for byte, and what is withheld is only marked", () => {
  const version = fc.tuple(fc.nat(3), fc.nat(3)).map(([major, minor]) => `${major}.${minor}.0`);
  const oneLine = fc.tuple(version, fc.json()).map(([vers, more]) => line(vers, `,"more":${more}`));
  fc.assert(
    fc.property(fc.array(oneLine, { maxLength: 8 }), fc.array(version, { maxLength: 3 }), (lines, withheld) => {
      const text = testRendering(cargo, {
        variant: "index",
        source: "de/mo/demo",
        documents: [upstreamDocument(lines.join("\n")), upstreamDocument(lines.toReversed().join("\n"))],
        withheld,
      });
      const versionOf = (raw: string): string => (JSON.parse(raw) as { vers: string }).vers;
      const firsts = lines.filter((raw, at) => lines.findIndex((other) => versionOf(other) === versionOf(raw)) === at);
      const isAll = firsts.every((raw) => withheld.includes(versionOf(raw)));
      const marked = (raw: string): string =>
        withheld.includes(versionOf(raw)) ? `${raw.slice(0, -1)},"yanked":true}` : raw;
      assert.deepEqual(text.split("\n").slice(0, -1), isAll ? firsts : firsts.map(marked));
    }),
    { numRuns: 100 },
  );
});

function crateArchive(folder: string, paths: readonly string[] = ["Cargo.toml", "src/lib.rs"]): Buffer {
  const base = { mode: 0o644, uid: 0, gid: 0, mtimeSeconds: 0, link: "", deviceMajor: 0, deviceMinor: 0, xattrs: {} };
  const entries = paths.map((path) =>
    tarHeaderBytes({ ...base, path: `${folder}/${path}`, kind: "file", sizeBytes: 0 }),
  );
  return gzipSync(Buffer.concat([...entries, tarEnd]));
}

function upload(vers: string, options: { archive?: Buffer; name?: string; telling?: object } = {}): Buffer {
  const name = options.name ?? "acme_core";
  const archive = options.archive ?? crateArchive(`${name}-${vers}`);
  const dependency = { optional: false, default_features: true, target: null, kind: "normal", features: [] };
  const telling = Buffer.from(
    JSON.stringify({
      name,
      vers,
      deps: [{ ...dependency, name: "serde", version_req: "^1", explicit_name_in_toml: "serde1", registry: null }],
      features: { std: [], extra: ["dep:serde1"], weak: ["serde1?/derive"] },
      description: "Acme's core",
      links: null,
      rust_version: "1.70",
      authors: [],
      readme: "x",
      ...options.telling,
    }),
  );
  const length = (count: number): Buffer => {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32LE(count);
    return bytes;
  };
  return Buffer.concat([length(telling.length), telling, length(archive.length), archive]);
}

test("a crate is published, found, yanked and taken back", async () => {
  const place = await openTestShelf(cargo);
  try {
    const publish = (body: Buffer) => place.write({ method: "PUT", path: "api/v1/crates/new", body });
    const done = await publish(upload("1.0.0"));
    assert.ok(!("refused" in done));
    assert.equal(done.answer.status, 200);
    const file = place.file("crates/acme_core/acme_core-1.0.0.crate");
    const index = (): Record<string, unknown>[] =>
      place
        .document("ac/me/acme_core")
        .bytes.toString("utf8")
        .trim()
        .split("\n")
        .map((text) => JSON.parse(text) as Record<string, unknown>);
    const [first] = index();
    assert.equal(`sha256:${String(first!["cksum"])}`, file?.digest);
    assert.deepEqual(first!["features"], { std: [] });
    assert.deepEqual(first!["features2"], { extra: ["dep:serde1"], weak: ["serde1?/derive"] });
    assert.equal(first!["v"], 2);
    const [dependency] = first!["deps"] as Record<string, unknown>[];
    assert.equal(dependency!["name"], "serde1");
    assert.equal(dependency!["package"], "serde");
    assert.equal(dependency!["req"], "^1");

    assert.ok(!("refused" in (await publish(upload("1.1.0-rc.1")))));
    assert.ok(!("refused" in (await publish(upload("0.5.0")))));
    const search = testRendering(cargo, {
      variant: "search",
      source: "search?q=core&per_page=10",
      documents: [
        place.document("search"),
        upstreamDocument(
          '{"crates":[{"name":"ACME_core","max_version":"9.0.0"},{"name":"corex","max_version":"1.0.0"}],"meta":{"total":2}}',
        ),
      ],
    });
    assert.deepEqual(JSON.parse(search), {
      crates: [
        { name: "acme_core", max_version: "1.1.0-rc.1", description: "Acme's core" },
        { name: "corex", max_version: "1.0.0", description: "" },
      ],
      meta: { total: 3 },
    });

    const yanked = (): unknown[] => index().map((entry) => [entry["vers"], entry["yanked"]]);
    const mark = (method: "PUT" | "DELETE", path: string) => place.write({ method, path: `api/v1/crates/${path}` });
    assert.ok(!("refused" in (await mark("DELETE", "acme_core/1.0.0/yank"))));
    assert.deepEqual(yanked()[0], ["1.0.0", true]);
    assert.ok(!("refused" in (await mark("PUT", "acme_core/1.0.0/unyank"))));
    assert.deepEqual(yanked(), [
      ["1.0.0", false],
      ["1.1.0-rc.1", false],
      ["0.5.0", false],
    ]);
    const refusals: [() => Promise<unknown>, number][] = [
      [() => publish(upload("1.0.0")), 409],
      [() => publish(upload("1.0.0+build")), 409],
      [() => publish(upload("2.0.0", { name: "acme-core" })), 409],
      [() => publish(upload("2.0.0", { name: "../acme" })), 400],
      [() => publish(upload("2.0")), 400],
      [() => publish(upload("2.0.0", { archive: Buffer.from("text") })), 422],
      [() => publish(upload("2.0.0", { archive: crateArchive("acme_core-1.0.0") })), 422],
      [() => publish(upload("2.0.0", { archive: crateArchive("acme_core-2.0.0", ["src/lib.rs"]) })), 422],
      [() => publish(upload("2.0.0", { archive: crateArchive("acme_core-2.0.0", ["../x", "Cargo.toml"]) })), 422],
      [() => publish(upload("2.0.0", { telling: { deps: "none" } })), 400],
      [() => publish(upload("2.0.0").subarray(0, -1)), 400],
      [() => publish(Buffer.concat([upload("2.0.0"), Buffer.alloc(1)])), 400],
      [() => publish(Buffer.alloc(3)), 400],
      [() => publish(Buffer.alloc(8, 0xff)), 400],
      [() => mark("DELETE", "acme_core/9.0.0/yank"), 404],
      [() => mark("DELETE", "other/9.0.0/yank"), 404],
      [() => mark("PUT", "acme_core/owners"), 501],
      [() => mark("PUT", "acme_core/1.0.0/yank"), 404],
    ];
    for (const [at, [attempt, status]] of refusals.entries()) {
      const refusal = await attempt();
      assert.ok(
        typeof refusal === "object" && refusal !== null && "refused" in refusal && "status" in refusal,
        String(at),
      );
      assert.deepEqual([at, refusal.status], [at, status]);
    }
    assert.equal(index().length, 3);
  } finally {
    await place.close();
  }
});

test("clients are pointed here by source replacement", () => {
  const [setup] = cargo.clients({ base: "http://127.0.0.1:5081/mirror/crates", isSealed: true });
  assert.equal(setup!.files[0]!.path, "/.cargo/config.toml");
  assert.match(setup!.files[0]!.content, /registry = "sparse\+http:\/\/127\.0\.0\.1:5081\/mirror\/crates\/"/);
  assert.equal(cargo.purl({ name: "demo", version: "1.0.0+a" }), "pkg:cargo/demo@1.0.0%2Ba");
  assert.match(cargo.deny({ status: 403, message: "too new" }).body, /"detail":"too new"/);
});
