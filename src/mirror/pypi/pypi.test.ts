import assert from "node:assert/strict";
import { afterEach, describe, test } from "node:test";
import fc from "fast-check";
import { sha256Hex } from "../../base/hash.ts";
import { writeZip } from "../../base/zip.fixture.ts";
import type { RenderInput, SourceDocument, UpstreamReader } from "../format.ts";
import { openTestShelf, type TestShelf } from "../test-shelf.ts";
import { normalName, normalVersion, versionOfFile } from "./names.ts";
import { pypi } from "./pypi.ts";

const base = "http://mirror.example/mirror/pypi";
const jsonType = "application/vnd.pypi.simple.v1+json";

function ask(path: string, accept = "", query = ""): ReturnType<typeof pypi.classify> {
  return pypi.classify({ path, accept, query: new URLSearchParams(query) });
}

function page(content: unknown, changes: Partial<SourceDocument> = {}): SourceDocument {
  const isText = typeof content === "string";
  return {
    bytes: Buffer.from(isText ? content : JSON.stringify(content)),
    mediaType: isText ? "text/html; charset=utf-8" : jsonType,
    url: "https://upstream.example/root/index/foo-bar/",
    isHosted: false,
    ...changes,
  };
}

function rendered(input: Partial<RenderInput>): string {
  const whole = { variant: "json", source: "simple/foo-bar/", documents: [], base, withheld: new Map(), ...input };
  return Buffer.from(pypi.render!(whole).bytes).toString();
}

function renderedJson(input: Partial<RenderInput>): { files: Record<string, unknown>[] } & Record<string, unknown> {
  return JSON.parse(rendered(input)) as ReturnType<typeof renderedJson>;
}

const [hashA, hashB] = ["a", "b"].map((digit) => digit.repeat(64)) as [string, string];

const jsonPage = {
  meta: { "api-version": "1.4", "_last-serial": 7 },
  name: "foo-bar",
  "project-status": { status: "archived" },
  versions: ["1.0", "1.1rc1"],
  files: [
    {
      filename: "foo_bar-1.0-py3-none-any.whl",
      url: "https://files.example/aa/foo_bar-1.0-py3-none-any.whl",
      hashes: { sha256: hashA },
      "requires-python": ">=3.8,<4",
      "core-metadata": { sha256: hashB },
      "data-dist-info-metadata": { sha256: hashB },
      size: 10,
      "upload-time": "2026-01-01T00:00:00.000000Z",
      yanked: false,
      provenance: "https://upstream.example/integrity/foo-bar/1.0/foo_bar-1.0-py3-none-any.whl/provenance",
      extra: [1],
    },
    {
      filename: "foo-bar-1.0.tar.gz",
      url: "../../files/foo-bar-1.0.tar.gz",
      hashes: { sha256: hashB },
      size: 11,
      "upload-time": "2026-01-03T00:00:00Z",
      yanked: "broken <&>",
    },
    { filename: "foo-bar-1.1rc1.tar.gz", url: "foo-bar-1.1rc1.tar.gz", hashes: {}, size: 12 },
    { filename: "foo-bar-1.0.tar.gz.asc", url: "x.asc", hashes: {}, size: 1 },
  ],
};

const htmlPage = `<!DOCTYPE html><html><head><meta name="pypi:project-status" content="archived"/></head><body>
<!-- <a href="foo-bar-9.0.tar.gz">no</a> -->
<a class='x' href="../../files/foo_bar-1.0-py3-none-any.whl#sha256=${hashA}" data-requires-python="&gt;=3.8,&lt;4"
  data-dist-info-metadata="sha256=${hashB}" data-yanked>foo_bar-1.0-py3-none-any.whl</a><br/>
<A HREF=foo-bar-1.0%2Bcu118.tar.gz#md5=${"c".repeat(32)} data-yanked="why &amp; how" data-gpg-sig="false" data-upload-time="2026-01-01T00:00:00Z">foo</A>
<a href="https://elsewhere.example/home">Home page</a><a name="anchor">none</a>
</body></html>`;

describe("pypi: names", () => {
  test("projects and versions have one normal form", () => {
    assert.equal(normalName("Foo__Bar.-baz"), "foo-bar-baz");
    const table: [string, string][] = [
      ["1.0", "1.0"],
      ["v1.0", "1.0"],
      ["01.002.0", "1.2.0"],
      ["1.0-Alpha.1", "1.0a1"],
      ["1.0-preview", "1.0rc0"],
      ["1.0.post", "1.0.post0"],
      ["1.0-4", "1.0.post4"],
      ["1.0_rev2", "1.0.post2"],
      ["1!2.0.DEV03+Ubuntu-1", "1!2.0.dev3+ubuntu.1"],
      ["not a version", "not a version"],
    ];
    for (const [text, normal] of table) assert.equal(normalVersion(text), normal, text);
    fc.assert(
      fc.property(fc.string(), (text) => assert.equal(normalVersion(normalVersion(text)), normalVersion(text))),
    );
  });

  test("a file's name tells its version, if it is the project's", () => {
    const table: [string, string, string | undefined][] = [
      ["foo-bar", "foo_bar-1.0-py3-none-any.whl", "1.0"],
      ["foo-bar", "Foo.Bar-1.0-1-cp39-cp39-manylinux_2_17_x86_64.manylinux2014_x86_64.whl", "1.0"],
      ["torch", "torch-2.0.0+cu118-cp39-cp39-linux_x86_64.whl", "2.0.0+cu118"],
      ["foo-bar", "foo-bar-1.0-beta2.tar.gz", "1.0b2"],
      ["foo-2", "foo-2-1.0.zip", "1.0"],
      ["foo", "foo-1.0.win32-py2.7.exe", "1.0.win32"],
      ["foo", "foo-1.0-py3.9.egg", "1.0"],
      ["foo", "foo-bar-1.0.tar.gz", undefined],
      ["foo", "other-1.0-py3-none-any.whl", undefined],
      ["foo", "foo-1.0.txt", undefined],
    ];
    for (const [project, file, version] of table) assert.equal(versionOfFile(project, file), version, file);
  });
});

describe("pypi: what a path means", () => {
  test("pages, files, what hangs on files, and what is not there", () => {
    const pip = `${jsonType}, application/vnd.pypi.simple.v1+html; q=0.1, text/html; q=0.01`;
    const wheel = "foo_bar-1.0-py3-none-any.whl";
    const hashed = `packages/ab/cd/${"e".repeat(60)}`;
    const table: [string, string, Record<string, unknown>][] = [
      ["simple/", "", { kind: "document", source: "simple/", variant: "html" }],
      ["simple/Foo.Bar/", "", { source: "simple/foo-bar/", variant: "html", subject: { name: "foo-bar" } }],
      ["simple/foo-bar", pip, { source: "simple/foo-bar/", variant: "json" }],
      ["simple/foo-bar/", "application/vnd.pypi.simple.v1+html", { variant: "html-v1" }],
      ["simple/foo-bar/", "text/html, application/vnd.pypi.simple.v1+json;q=0.5", { variant: "html" }],
      [
        `packages/foo-bar/${wheel}`,
        "",
        { kind: "file", key: `foo-bar/${wheel}`, lifetime: "immutable", subject: { name: "foo-bar", version: "1.0" } },
      ],
      [
        `packages/foo-bar/${wheel}.metadata`,
        "",
        { key: `foo-bar/${wheel}.metadata`, lifetime: "immutable", subject: { name: "foo-bar", version: "1.0" } },
      ],
      [`packages/foo-bar/1.0/${wheel}`, "", { key: `foo-bar/${wheel}` }],
      [`${hashed}/${wheel}`, "", { key: `foo-bar/${wheel}` }],
      [`${hashed}/foo-bar-1.0.tar.gz`, "", { key: "foo-bar/foo-bar-1.0.tar.gz" }],
      [`integrity/foo-bar/1.0/${wheel}/provenance`, "", { key: `foo-bar/${wheel}.provenance`, lifetime: "mutable" }],
      [
        "packages/torch/torch-2.0%2Bcu118-cp39-cp39-linux_x86_64.whl",
        "",
        { subject: { name: "torch", version: "2.0+cu118" } },
      ],
      ["pypi/Foo/json", "", { kind: "document", source: "pypi/foo/json", variant: "legacy" }],
      ["pypi/foo/1.0/json", "", { source: "pypi/foo/1.0/json" }],
      ["packages/foo/bar-1.0.tar.gz", "", { kind: "refused", status: 404 }],
      ["packages/foo/foo-1.0%2f..%2fx.tar.gz", "", { kind: "refused", status: 400 }],
      ["simple/foo/bar/", "", { kind: "refused", status: 404 }],
      ["simple/.hidden/", "", { kind: "refused", status: 404 }],
    ];
    for (const [path, accept, expected] of table) assert.partialDeepStrictEqual(ask(path, accept), expected, path);
    assert.partialDeepStrictEqual(ask("simple/", "text/html", `format=${encodeURIComponent(jsonType)}`), {
      variant: "json",
    });
  });

  test("any path has a meaning", () => {
    fc.assert(fc.property(fc.string({ unit: "grapheme" }), (path) => assert.equal(typeof ask(path).kind, "string")));
  });
});

describe("pypi: what a page says", () => {
  test("a version is as old as its newest file; metadata and provenance are files", () => {
    const facts = pypi.facts!(page(jsonPage));
    assert.equal(facts.name, "foo-bar");
    assert.deepEqual(
      facts.versions.map(({ version, isPrerelease }) => [version, isPrerelease]),
      [
        ["1.0", false],
        ["1.1rc1", true],
      ],
    );
    const [first, second] = facts.versions;
    assert.equal(first?.publishedAt, Date.parse("2026-01-03T00:00:00Z"));
    assert.equal(second?.publishedAt, undefined);
    assert.deepEqual(first?.files, [
      {
        name: "foo_bar-1.0-py3-none-any.whl",
        url: jsonPage.files[0]!.url,
        claim: { algorithm: "sha256", value: hashA },
        sizeBytes: 10,
      },
      {
        name: "foo_bar-1.0-py3-none-any.whl.metadata",
        url: `${jsonPage.files[0]!.url}.metadata`,
        claim: { algorithm: "sha256", value: hashB },
      },
      { name: "foo_bar-1.0-py3-none-any.whl.provenance", url: jsonPage.files[0]!.provenance },
      {
        name: "foo-bar-1.0.tar.gz",
        url: "https://upstream.example/root/files/foo-bar-1.0.tar.gz",
        claim: { algorithm: "sha256", value: hashB },
        sizeBytes: 11,
      },
    ]);
  });

  test("HTML of an odd index, with relative links", () => {
    const facts = pypi.facts!(page(htmlPage));
    assert.deepEqual(
      facts.versions.map((version) => version.version),
      ["1.0", "1.0+cu118"],
    );
    assert.deepEqual(facts.versions[0]?.files[0], {
      name: "foo_bar-1.0-py3-none-any.whl",
      url: "https://upstream.example/root/files/foo_bar-1.0-py3-none-any.whl",
      claim: { algorithm: "sha256", value: hashA },
    });
    assert.deepEqual(facts.versions[1]?.files[0]?.claim, { algorithm: "md5", value: "c".repeat(32) });
  });

  test("a hostile page costs no more than its length", () => {
    for (const text of [
      "<a ".repeat(300_000),
      '<a "'.repeat(300_000),
      "<!--".repeat(300_000),
      "<a href".repeat(200_000),
    ])
      assert.deepEqual(pypi.facts!(page(text)).versions, []);
  });

  test("what is no page is the upstream's failure", () => {
    for (const text of ["[]", "{", '{"files":[]}'])
      assert.throws(() => pypi.facts!(page(text, { mediaType: jsonType })), { code: "upstream_unreachable" });
    assert.throws(() => rendered({ source: "simple/other/", documents: [page(jsonPage)] }), {
      code: "upstream_unreachable",
    });
  });

  test("pages are below the index, files where their page says, the rest beside an index called simple", async () => {
    const reader = (address: string): UpstreamReader => ({
      address,
      read: async () => undefined,
      facts: async () => pypi.facts!(page(jsonPage)),
      derived: async () => undefined,
    });
    const locate = async (path: string, address: string): Promise<unknown> => {
      const asked = ask(path);
      assert(asked.kind === "file" || asked.kind === "document");
      return await pypi.locate(asked, reader(address));
    };
    assert.partialDeepStrictEqual(await locate("simple/foo-bar/", "https://up.example/whl/cu118/"), {
      url: "https://up.example/whl/cu118/foo-bar/",
    });
    assert.partialDeepStrictEqual(await locate("simple/", "https://up.example/simple/"), {
      url: "https://up.example/simple/",
    });
    assert.partialDeepStrictEqual(await locate("pypi/foo/json", "https://up.example/simple/"), {
      url: "https://up.example/pypi/foo/json",
    });
    assert.equal(await locate("pypi/foo/json", "https://up.example/whl/"), undefined);
    assert.deepEqual(
      await locate("packages/foo-bar/foo_bar-1.0-py3-none-any.whl.metadata", "https://up.example/simple/"),
      {
        url: `${jsonPage.files[0]!.url}.metadata`,
        claim: { algorithm: "sha256", value: hashB },
        publishedAt: Date.parse("2026-01-03T00:00:00Z"),
      },
    );
    assert.equal(
      await locate("packages/foo-bar/foo-bar-1.1rc1.tar.gz.metadata", "https://up.example/simple/"),
      undefined,
    );
    const path = (address: string): string | undefined => pypi.pathOf?.(new URL(address));
    assert.equal(path("https://up.example/whl/cu118/foo-bar/"), "simple/foo-bar/");
    assert.equal(path("https://up.example/simple/"), "simple/");
    assert.equal(path("https://up.example/simple/simple/"), "simple/simple/");
  });
});

describe("pypi: what clients get", () => {
  test("JSON stays as it is but for addresses", () => {
    const result = renderedJson({ documents: [page(jsonPage)] });
    const { files, ...rest } = jsonPage;
    const { files: ours, ...others } = result;
    assert.deepEqual(others, rest);
    assert.deepEqual(ours[0], {
      ...files[0],
      "dist-info-metadata": { sha256: hashB },
      url: `${base}/packages/foo-bar/foo_bar-1.0-py3-none-any.whl`,
      provenance: `${base}/integrity/foo-bar/1.0/foo_bar-1.0-py3-none-any.whl/provenance`,
    });
    assert.equal(ours.length, 3);
  });

  test("HTML has all that JSON has room for", () => {
    const text = rendered({ documents: [page(jsonPage)], variant: "html" });
    assert(
      text.includes(
        `<a href="${base}/packages/foo-bar/foo_bar-1.0-py3-none-any.whl#sha256=${hashA}" data-requires-python="&gt;=3.8,&lt;4" data-dist-info-metadata="sha256=${hashB}" data-core-metadata="sha256=${hashB}" data-provenance="${base}/integrity/foo-bar/1.0/foo_bar-1.0-py3-none-any.whl/provenance" data-upload-time="2026-01-01T00:00:00.000000Z">foo_bar-1.0-py3-none-any.whl</a>`,
      ),
      text,
    );
    assert(text.includes('data-yanked="broken &lt;&amp;&gt;"'));
    assert(text.includes('<meta name="pypi:project-status" content="archived">'));
    assert.equal(
      pypi.render!({
        variant: "html-v1",
        source: "simple/foo-bar/",
        documents: [page(jsonPage)],
        base,
        withheld: new Map(),
      }).mediaType,
      "application/vnd.pypi.simple.v1+html",
    );
  });

  test("from HTML the JSON has what HTML says", () => {
    const result = renderedJson({ documents: [page(htmlPage)] });
    assert.deepEqual(result["meta"], { "api-version": "1.0" });
    assert.deepEqual(result["project-status"], { status: "archived" });
    assert.deepEqual(result.files, [
      {
        filename: "foo_bar-1.0-py3-none-any.whl",
        url: `${base}/packages/foo-bar/foo_bar-1.0-py3-none-any.whl`,
        hashes: { sha256: hashA },
        "requires-python": ">=3.8,<4",
        "core-metadata": { sha256: hashB },
        "dist-info-metadata": { sha256: hashB },
        yanked: true,
      },
      {
        filename: "foo-bar-1.0+cu118.tar.gz",
        url: `${base}/packages/foo-bar/foo-bar-1.0%2Bcu118.tar.gz`,
        hashes: { md5: "c".repeat(32) },
        "gpg-sig": false,
        yanked: "why & how",
        "upload-time": "2026-01-01T00:00:00Z",
      },
    ]);
  });

  test("our own HTML read again is the same page", () => {
    const first = rendered({ documents: [page(htmlPage)], variant: "html" });
    const second = rendered({ documents: [page(first, { url: `${base}/simple/foo-bar/` })], variant: "html" });
    assert.equal(second, first);
  });

  test("withheld files are yanked with the reason, as long as others are left", () => {
    const result = renderedJson({ documents: [page(jsonPage)], withheld: new Map([["1.0", "too young"]]) });
    assert.deepEqual(
      result.files.map((file) => file["yanked"]),
      ["withheld: too young", "withheld: too young", undefined],
    );
    const all = renderedJson({ documents: [page(jsonPage)], withheld: new Map([["*", "blocked"]]) });
    assert.deepEqual(
      all.files.map((file) => file["yanked"]),
      renderedJson({ documents: [page(jsonPage)] }).files.map((file) => file["yanked"]),
      "pip shows why a file is refused, and not why there is none",
    );
  });

  test("members of a group are merged: of one file the first counts", () => {
    const own = page(
      {
        meta: { "api-version": "1.1" },
        name: "Foo.Bar",
        versions: ["2.0"],
        files: [
          { filename: "foo-bar-2.0.tar.gz", url: "x", hashes: {}, size: 1 },
          { ...jsonPage.files[1], hashes: { sha256: hashA } },
        ],
        "_removed-files": ["x"],
      },
      { isHosted: true },
    );
    const result = renderedJson({ documents: [own, page(jsonPage)] });
    assert.deepEqual(
      result.files.map((file) => file["filename"]),
      ["foo-bar-2.0.tar.gz", "foo-bar-1.0.tar.gz", "foo_bar-1.0-py3-none-any.whl", "foo-bar-1.1rc1.tar.gz"],
    );
    assert.deepEqual(result.files[1]!["hashes"], { sha256: hashA });
    assert.deepEqual(result["versions"], ["2.0", "1.0", "1.1rc1"]);
    assert.deepEqual(result["meta"], { "api-version": "1.1" });
    assert.equal(result["_removed-files"], undefined);
  });

  test("the list of projects, merged", () => {
    const documents = [
      page({ meta: {}, projects: [{ name: "Zoo" }, { name: "foo.bar" }] }),
      page('<a href="/simple/foo-bar/">Foo_Bar</a><a href="a/">a</a>'),
    ];
    assert.deepEqual(renderedJson({ source: "simple/", documents })["projects"], [
      { name: "a" },
      { name: "foo.bar" },
      { name: "Zoo" },
    ]);
    assert(
      rendered({ source: "simple/", documents, variant: "html" }).includes(
        `<a href="${base}/simple/foo-bar/">foo.bar</a>`,
      ),
    );
  });

  test("the legacy document", () => {
    const file = { filename: "foo-1.0.tar.gz", url: "https://files.example/foo-1.0.tar.gz" };
    const document = page(
      { info: { version: "1.0" }, releases: { "1.0": [file], "0.9": [file] }, urls: [file] },
      { mediaType: "application/json" },
    );
    const result = renderedJson({
      variant: "legacy",
      source: "pypi/foo/json",
      documents: [document],
      withheld: new Map([["0.9", "x"]]),
    });
    const ours = { ...file, url: `${base}/packages/foo/foo-1.0.tar.gz` };
    assert.deepEqual(result, { info: { version: "1.0" }, releases: { "1.0": [ours] }, urls: [ours] });
  });
});

const metadata = "Metadata-Version: 2.1\nName: Foo.Bar\nVersion: 1.0\nRequires-Python: >=3.8\n\nName: not-this\n";
const wheelName = "foo_bar-1.0-py3-none-any.whl";

function wheel(content = metadata): Buffer {
  return writeZip(
    [
      ["foo_bar/__init__.py", "x = 1\n"],
      ["foo_bar-1.0.dist-info/METADATA", content],
    ],
    { deflate: true, wide: false },
  );
}

describe("pypi: what is uploaded", () => {
  const shelves: TestShelf[] = [];
  afterEach(async () => {
    for (const shelf of shelves.splice(0)) await shelf.close();
  });

  async function open(): Promise<TestShelf> {
    const shelf = await openTestShelf(pypi);
    shelves.push(shelf);
    return shelf;
  }

  function form(file: string, bytes: Buffer, changes: Record<string, string> = {}): Parameters<TestShelf["write"]>[0] {
    const fields = {
      ":action": "file_upload",
      protocol_version: "1",
      name: "Foo.Bar",
      version: "1.0",
      filetype: "bdist_wheel",
      sha256_digest: sha256Hex(bytes),
      ...changes,
    };
    const parts = Object.entries(fields).map(([name, value]) =>
      Buffer.from(`--XX\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`),
    );
    const head = Buffer.from(
      `--XX\r\nContent-Disposition: form-data; name="content"; filename="${file}"\r\nContent-Type: application/octet-stream\r\n\r\n`,
    );
    const body = Buffer.concat([...parts, head, bytes, Buffer.from("\r\n--XX--\r\n")]);
    return { method: "POST", path: "legacy/", headers: { "content-type": "multipart/form-data; boundary=XX" }, body };
  }

  test("a wheel comes with its metadata; again the same is fine, other bytes are not", async () => {
    const shelf = await open();
    const done = await shelf.write(form(wheelName, wheel()));
    assert(!("refused" in done), JSON.stringify(done));
    assert.deepEqual(done.subject, { name: "foo-bar", version: "1.0" });
    assert.equal(shelf.file(`foo-bar/${wheelName}.metadata`)?.digest, `sha256:${sha256Hex(metadata)}`);
    const document = shelf.document("simple/foo-bar/");
    const result = renderedJson({ documents: [document] });
    assert.partialDeepStrictEqual(result.files, [
      {
        filename: wheelName,
        hashes: { sha256: sha256Hex(wheel()) },
        "requires-python": ">=3.8",
        "core-metadata": { sha256: sha256Hex(metadata) },
      },
    ]);
    assert(!Number.isNaN(Date.parse(result.files[0]!["upload-time"] as string)));
    assert.deepEqual(renderedJson({ source: "simple/", documents: [shelf.document("simple/")] })["projects"], [
      { name: "Foo.Bar" },
    ]);
    assert(!("refused" in (await shelf.write(form(wheelName, wheel())))));
    const other = wheel(`${metadata}more`);
    assert.partialDeepStrictEqual(await shelf.write(form(wheelName, other)), { refused: true, status: 409 });
    assert(!("refused" in (await shelf.write(form("foo_bar-1.0.tar.gz", Buffer.from("source"))))));
    assert.equal(renderedJson({ documents: [shelf.document("simple/foo-bar/")] }).files.length, 2);
  });

  test("what is wrong is not taken", async () => {
    const shelf = await open();
    const table: [Parameters<TestShelf["write"]>[0], RegExp][] = [
      [form(wheelName, wheel(), { sha256_digest: hashA }), /the form says/],
      [form(wheelName, wheel(), { name: "other" }), /no file of version/],
      [form(wheelName, wheel(), { version: "2.0" }), /no file of version 2.0/],
      [form(wheelName, wheel("Name: evil\nVersion: 1.0\n\n")), /says that it is version 1.0 of "evil"/],
      [form(wheelName, Buffer.from("no zip")), /no zip archive/],
      [form(wheelName, writeZip([["a", "b"]], { deflate: false, wide: false })), /no METADATA/],
      [form("../foo_bar-1.0.tar.gz", Buffer.from("x")), /no name of a distribution/],
      [form(wheelName, wheel(), { ":action": "submit" }), /file_upload/],
      [form(wheelName, wheel(), { attestations: "[]" }), /Attestations/],
      [{ ...form(wheelName, wheel()), path: "elsewhere" }, /legacy/],
    ];
    for (const [request, reason] of table) {
      const answer = await shelf.write(request);
      assert("refused" in answer, String(reason));
      assert.match(answer.body, reason);
    }
    assert.deepEqual(shelf.keys(), []);
  });

  test("a file is yanked and removed; its name does not come back", async () => {
    const shelf = await open();
    await shelf.write(form(wheelName, wheel()));
    const path = `packages/foo-bar/${wheelName}`;
    await shelf.write({ method: "PATCH", path, body: Buffer.from('{"yanked":"bad"}') });
    assert.equal(renderedJson({ documents: [shelf.document("simple/foo-bar/")] }).files[0]?.["yanked"], "bad");
    await shelf.write({ method: "DELETE", path });
    assert.deepEqual(shelf.keys(), ["simple/", "simple/foo-bar/"]);
    assert.partialDeepStrictEqual(await shelf.write(form(wheelName, wheel())), { refused: true, status: 409 });
    assert.partialDeepStrictEqual(await shelf.write({ method: "DELETE", path }), { refused: true, status: 404 });
  });
});

describe("pypi: denials, clients, names", () => {
  test("pip shows the first line of a denial", () => {
    const answer = pypi.deny({ status: 403, message: "foo 1.0 is withheld: tøø young" });
    assert.equal(answer.statusText, "foo 1.0 is withheld: t?? young");
    assert.equal(answer.body, "foo 1.0 is withheld: tøø young\n");
  });

  test("clients are pointed at us, never at a second index", () => {
    const setups = pypi.clients({ base: "http://127.0.0.1:5081/mirror/pypi", isSealed: true });
    assert.deepEqual(
      setups.map((setup) => setup.client),
      ["pip", "uv", "pdm", "poetry"],
    );
    assert.match(setups[3]!.environment["POETRY_PYPI_MIRROR_URL"] ?? "", /\/mirror\/pypi\/simple\/$/);
    assert.equal(setups[0]!.environment["PIP_TRUSTED_HOST"], "127.0.0.1");
    assert.equal(setups[1]!.environment["UV_INSECURE_HOST"], "127.0.0.1:5081");
    assert(!JSON.stringify(setups).includes("extra"));
  });

  test("package URLs", () =>
    assert.equal(pypi.purl({ name: "foo-bar", version: "1.0+cu1" }), "pkg:pypi/foo-bar@1.0+cu1"));
});
