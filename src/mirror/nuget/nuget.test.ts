import { test } from "node:test";
import assert from "node:assert/strict";
import { gzipSync } from "node:zlib";
import { writeZip } from "../../base/zip.fixture.ts";
import { Failure } from "../../base/errors.ts";
import { type Ask, type DocumentAsk, type FileAsk, type UpstreamReader } from "../format.ts";
import { openTestShelf, testRendering, upstreamDocument } from "../test-shelf.ts";
import { normalId, normalVersion } from "./names.ts";
import { nuget } from "./nuget.ts";
import { makePackage, pushForm, upstreamAnswers } from "./upstream.fixture.ts";

const ask = (path: string, query = ""): Ask => nuget.classify({ path, query: new URLSearchParams(query), accept: "" });

test("versions and ids have one form", () => {
  const versions: [string, string | undefined][] = [
    ["1.0", "1.0.0"],
    ["1", "1.0.0"],
    ["01.002.3.0", "1.2.3"],
    ["1.2.3.4", "1.2.3.4"],
    ["1.0.0-Beta.1+build", "1.0.0-beta.1"],
    ["1.2.3.4.5", undefined],
    ["1.0.0-", undefined],
    ["", undefined],
    ["../1", undefined],
  ];
  for (const [text, normal] of versions) assert.equal(normalVersion(text), normal, text);
  assert.equal(normalId("Newtonsoft.Json"), "newtonsoft.json");
  assert.equal(normalId("Ünïcode.Lib"), "ünïcode.lib");
  for (const text of ["", ".a", "a.", "a..b", "a/b", "a b", "a".repeat(101)])
    assert.equal(normalId(text), undefined, text);
});

test("paths mean what the protocol says, in any case and form", () => {
  const files: [string, string][] = [
    ["v3/flat/demo.lib/1.0.0/demo.lib.1.0.0.nupkg", "flat/demo.lib/1.0.0/demo.lib.1.0.0.nupkg"],
    ["v3/flat/Demo.Lib/1.0/Demo.Lib.1.0.nupkg", "flat/demo.lib/1.0.0/demo.lib.1.0.0.nupkg"],
    ["v3/flat/demo.lib/1.0.0/demo.lib.nuspec", "flat/demo.lib/1.0.0/demo.lib.nuspec"],
    ["v3/flat/demo.lib/1.0.0/icon", "flat/demo.lib/1.0.0/icon"],
  ];
  for (const [path, key] of files) {
    const found = ask(path);
    assert.ok(found.kind === "file", path);
    assert.equal(found.key, key);
    assert.equal(found.lifetime, "immutable");
    assert.deepEqual(found.subject, { name: "demo.lib", version: "1.0.0" });
  }
  const documents: [string, string, string][] = [
    ["v3/flat/Demo.Lib/index.json", "flat/demo.lib", "versions"],
    ["v3/registrations/demo.lib/index.json", "registrations/demo.lib", "index"],
    ["v3/registrations/demo.lib/page/1.0/2.0.0-RC.json", "registrations/demo.lib/page/1.0.0/2.0.0-rc", "page"],
    ["v3/registrations/demo.lib/1.0.0.json", "registrations/demo.lib/1.0.0", "leaf"],
    ["v3/catalog/demo.lib/1.0.0.json", "catalog/demo.lib/1.0.0", "catalog"],
  ];
  for (const [path, source, variant] of documents) {
    const found = ask(path);
    assert.ok(found.kind === "document", path);
    assert.deepEqual([found.source, found.variant, found.subject?.name], [source, variant, "demo.lib"]);
  }
  const found = ask("v3/search", "q=Demo+Lib&skip=5000&take=x&prerelease=True");
  assert.ok(found.kind === "document");
  assert.equal(found.source, "search?q=Demo+Lib&skip=3000&take=20&prerelease=true&semVerLevel=2.0.0");
  assert.equal(found.hostedSource, "search");
  assert.deepEqual(found.mentions, ["demo", "lib"]);
  const wrong =
    "v3/flat/a%2Fb/index.json v3/flat/demo/1.0.0/demo.2.0.0.nupkg v3/flat/demo/1.0.0/x.dll v3/package v3/x v2/a";
  for (const path of [
    ...wrong.split(" "),
    "v3/flat/%zz/index.json",
    "v3/flat/..%2f..",
    "v3/registrations/demo/page/1.0.json",
  ])
    assert.equal(ask(path).kind, "refused", path);
});

test("only what is served is told, and where to push where that is possible", () => {
  const types = (kind: "proxy" | "hosted"): string[] => {
    const found = nuget.configured!({ kind }).classify({
      path: "v3/index.json",
      query: new URLSearchParams(),
      accept: "",
    });
    assert.ok(found.kind === "fixed");
    const index = JSON.parse(found.body("http://m/mirror/n")) as { resources: { "@id": string; "@type": string }[] };
    for (const resource of index.resources) assert.ok(resource["@id"].startsWith("http://m/mirror/n/v3/"));
    return index.resources.map((resource) => resource["@type"]);
  };
  assert.ok(types("hosted").includes("PackagePublish/2.0.0"));
  assert.ok(!types("proxy").includes("PackagePublish/2.0.0"));
  assert.ok(types("proxy").includes("RegistrationsBaseUrl/3.6.0"));
});

const origin = "https://upstream.test";
const versions = [
  { version: "1.0.0", published: "1900-01-01T00:00:00+00:00" },
  { version: "1.1.0" },
  { version: "2.0.0-Beta.1" },
  { version: "2.0.0", published: "2026-05-06T07:08:09.123Z" },
];
const answers = upstreamAnswers(origin, "Demo.Lib", versions);

/** An upstream that is found as the engine finds it: each document where `locate` says. */
function upstream(given: Readonly<Record<string, string | Buffer>> = answers): UpstreamReader {
  const reader: UpstreamReader = {
    address: `${origin}/v3/index.json/`,
    async read(source) {
      const place = await nuget.locate({ kind: "document", source, variant: "" }, reader);
      const answer = place === undefined ? undefined : given[new URL(place.url).pathname];
      return answer === undefined ? undefined : Buffer.from(answer);
    },
    facts: async () => undefined,
    derived: async () => undefined,
  };
  return reader;
}

const located = async (path: string, query = "", reader = upstream()) =>
  await nuget.locate(ask(path, query) as FileAsk | DocumentAsk, reader);

test("everything is found by the upstream's own list of resources", async () => {
  const places: [string, string, string][] = [
    ["v3/flat/demo.lib/index.json", "", "/flat/demo.lib/index.json"],
    ["v3/flat/demo.lib/1.1.0/demo.lib.nuspec", "", "/flat/demo.lib/1.1.0/demo.lib.nuspec"],
    ["v3/registrations/demo.lib/index.json", "", "/reg/demo.lib/index.json"],
    ["v3/registrations/demo.lib/page/1.0.0/1.1.0.json", "", "/reg/demo.lib/page/1.0.0/1.1.0.json"],
    ["v3/registrations/demo.lib/1.1.0.json", "", "/reg/demo.lib/1.1.0.json"],
    ["v3/catalog/demo.lib/1.1.0.json", "", "/catalog/demo.lib.1.1.0.json"],
    ["v3/search", "q=a", "/query?q=a&skip=0&take=20&prerelease=false&semVerLevel=2.0.0"],
    ["v3/autocomplete", "q=a", "/complete?q=a&skip=0&take=20&prerelease=false&semVerLevel=2.0.0"],
  ];
  for (const [path, query, url] of places) assert.equal((await located(path, query))?.url, `${origin}${url}`, path);
  assert.equal(await located("v3/registrations/demo.lib/page/1.0.0/1.2.0.json"), undefined);
  assert.equal(await located("v3/catalog/demo.lib/9.0.0.json"), undefined);
  assert.equal(await located("v3/registrations/none/page/1.0.0/1.2.0.json"), undefined);
});

test("the hash of an archive comes from the catalog, where there is one", async () => {
  const path = "v3/flat/demo.lib/2.0.0-beta.1/demo.lib.2.0.0-beta.1.nupkg";
  const place = await located(path);
  assert.equal(place?.url, `${origin}/flat/demo.lib/2.0.0-beta.1/demo.lib.2.0.0-beta.1.nupkg`);
  assert.equal(place.claim?.algorithm, "sha512");
  assert.match(place.claim.value, /^[\da-f]{128}$/);
  assert.equal(place.publishedAt, Date.UTC(2024, 0, 2, 3, 4, 5));
  const plain = {
    ...answers,
    "/v3/index.json": String(answers["/v3/index.json"]).replace("Catalog/3.0.0", "Other/1.0.0"),
  };
  assert.equal((await located(path, "", upstream(plain)))?.claim, undefined);
  await assert.rejects(located(path, "", upstream({ ...answers, "/v3/index.json": "<html>" })), Failure);
});

test("facts are those of all pages; unlisted versions have no time", async () => {
  const facts = await nuget.factsOf!({ name: "demo.lib" }, upstream());
  assert.deepEqual(
    facts?.versions.map(({ version, publishedAt, isPrerelease }) => [version, publishedAt, isPrerelease]),
    [
      ["1.0.0", undefined, false],
      ["1.1.0", Date.UTC(2024, 0, 2, 3, 4, 5), false],
      ["2.0.0-beta.1", Date.UTC(2024, 0, 2, 3, 4, 5), true],
      ["2.0.0", Date.UTC(2026, 4, 6, 7, 8, 9, 123), false],
    ],
  );
  assert.equal(await nuget.factsOf!({ name: "none" }, upstream()), undefined);
  const inIndex = nuget.facts!(upstreamDocument(gzipSync(answers["/reg/demo.lib/index.json"]!)));
  assert.deepEqual([inIndex.name, inIndex.versions.length], ["demo.lib", 2]);
});

function rendered(path: string, options: { query?: string; withheld?: string[]; from: string }): string {
  const found = ask(path, options.query);
  assert.ok(found.kind === "document");
  const document = { ...upstreamDocument(answers[options.from]!), url: `${origin}${options.from}` };
  return testRendering(nuget, { ...found, documents: [document], withheld: options.withheld ?? [] });
}

test("no document sends a client to the upstream, and none tells of what is withheld", () => {
  const withheld = ["2.0.0", "1.1.0"];
  const cases = [
    { path: "v3/flat/demo.lib/index.json", from: "/flat/demo.lib/index.json" },
    { path: "v3/registrations/demo.lib/index.json", from: "/reg/demo.lib/index.json" },
    { path: "v3/registrations/demo.lib/page/1.0.0/1.1.0.json", from: "/reg/demo.lib/page/1.0.0/1.1.0.json" },
    { path: "v3/registrations/demo.lib/1.0.0.json", from: "/reg/demo.lib/1.0.0.json" },
    { path: "v3/catalog/demo.lib/1.0.0.json", from: "/catalog/demo.lib.1.0.0.json" },
    { path: "v3/search", query: "q=demo", from: "/query" },
  ];
  for (const one of cases) {
    const text = rendered(one.path, { ...one, withheld });
    assert.ok(!text.includes("upstream.test"), text);
    if (one.from !== "/query") assert.ok(!/"(?:2\.0\.0|1\.1\.0)"/.test(text.replaceAll(/"upper":"[^"]*"/g, "")), text);
  }
  assert.deepEqual(JSON.parse(rendered(cases[0]!.path, { ...cases[0]!, withheld })), {
    versions: ["1.0.0", "2.0.0-beta.1"],
  });
  assert.deepEqual(JSON.parse(rendered(cases[0]!.path, { ...cases[0]!, withheld: ["*"] })), { versions: [] });
});

test("a registration leads to our pages, leaves and archives", () => {
  const base = "http://mirror.test/mirror/all/v3";
  const index = JSON.parse(rendered("v3/registrations/demo.lib/index.json", { from: "/reg/demo.lib/index.json" })) as {
    count: number;
    items: Record<string, unknown>[];
  };
  assert.equal(index.count, 2);
  const [early, late] = index.items;
  assert.equal(early!["@id"], `${base}/registrations/demo.lib/page/1.0.0/1.1.0.json`);
  assert.equal(early!["items"], undefined);
  const [, leaf] = late!["items"] as Record<string, Record<string, unknown>>[];
  assert.equal(leaf!["packageContent"], `${base}/flat/demo.lib/2.0.0/demo.lib.2.0.0.nupkg`);
  assert.equal(leaf!["@id"], `${base}/registrations/demo.lib/2.0.0.json`);
  assert.equal(leaf!["catalogEntry"]!["@id"], `${base}/catalog/demo.lib/2.0.0.json`);
  assert.equal(leaf!["catalogEntry"]!["iconUrl"], `${base}/flat/demo.lib/2.0.0/icon`);
  assert.equal(leaf!["catalogEntry"]!["projectUrl"], "https://project.example/");
  assert.deepEqual(leaf!["catalogEntry"]!["dependencyGroups"], [
    {
      targetFramework: "net8.0",
      dependencies: [
        { id: "Other.Lib", range: "[1.0.0, )", registration: `${base}/registrations/other.lib/index.json` },
      ],
    },
  ]);
});

test("a package is pushed, found, unlisted and listed again", async () => {
  const place = await openTestShelf(nuget);
  try {
    const push = (bytes: Buffer) => place.write({ method: "PUT", path: "v3/package/", ...pushForm(bytes) });
    const dependencies =
      '<dependencies><group targetFramework="net8.0"><dependency id="A.B" version="[1.0,2.0)" /></group></dependencies>';
    const bytes = makePackage("Acme.Core", "1.10", dependencies);
    const done = await push(bytes);
    assert.ok(!("refused" in done), JSON.stringify(done));
    assert.equal(done.answer.status, 201);
    assert.deepEqual(done.subject, { name: "acme.core", version: "1.10.0" });
    assert.ok(!("refused" in (await push(makePackage("acme.core", "1.9.0-RC.1")))));

    const show = (path: string, query = "", more: string[] = []): Record<string, unknown> => {
      const found = ask(path, query);
      assert.ok(found.kind === "document");
      const hosted = place.document(found.hostedSource ?? found.source);
      const others = more.map((text) => upstreamDocument(text));
      return JSON.parse(testRendering(nuget, { ...found, documents: [hosted, ...others] })) as Record<string, unknown>;
    };
    assert.deepEqual(show("v3/flat/acme.core/index.json"), { versions: ["1.9.0-rc.1", "1.10.0"] });
    assert.deepEqual(show("v3/flat/acme.core/index.json", "", ['{"versions":["1.10.0","2.0.0"]}']), {
      versions: ["1.9.0-rc.1", "1.10.0", "2.0.0"],
    });
    assert.deepEqual(show("v3/autocomplete", "id=Acme.Core"), { totalHits: 1, data: ["1.10.0"] });
    assert.deepEqual(show("v3/autocomplete", "q=ACME"), { totalHits: 1, data: ["Acme.Core"] });
    const found = show("v3/search", "q=id:acme about&take=5", [
      '{"totalHits":1,"data":[{"id":"Other","version":"1.0.0"}]}',
    ]);
    assert.equal(found["totalHits"], 2);
    const [first] = found["data"] as Record<string, unknown>[];
    assert.equal(first!["version"], "1.10.0");
    assert.equal(first!["registration"], "http://mirror.test/mirror/all/v3/registrations/acme.core/index.json");

    const entryOf = (version: string): Record<string, unknown> => {
      const [page] = show("v3/registrations/acme.core/index.json")["items"] as {
        items: { catalogEntry: Record<string, unknown> }[];
      }[];
      return page!.items.map((item) => item.catalogEntry).find((entry) => entry["version"] === version)!;
    };
    assert.equal(entryOf("1.10.0")["licenseExpression"], "MIT");
    assert.equal(entryOf("1.10.0")["authors"], "Ann & Bob");
    assert.deepEqual(entryOf("1.10.0")["tags"], ["one", "two", "three"]);
    assert.deepEqual(entryOf("1.10.0")["dependencyGroups"], [
      {
        targetFramework: "net8.0",
        dependencies: [{ id: "A.B", range: "[1.0,2.0)" }],
      },
    ]);
    const status = async (method: "PUT" | "DELETE" | "POST", path: string): Promise<number> => {
      const answer = await place.write({ method, path });
      return "refused" in answer ? answer.status : answer.answer.status;
    };
    assert.equal(await status("DELETE", "v3/package/Acme.Core/1.10"), 204);
    assert.equal(entryOf("1.10.0")["listed"], false);
    assert.equal(show("v3/search", "q=acme")["totalHits"], 0);
    assert.equal(show("v3/catalog/acme.core/1.10.0.json")["listed"], false);
    assert.equal(await status("POST", "v3/package/Acme.Core/1.10.0"), 200);
    assert.equal(show("v3/search", "q=acme")["totalHits"], 1);

    assert.equal(await status("DELETE", "v3/package/Acme.Core/9.0.0"), 404);
    assert.equal(await status("PUT", "v3/package/Acme.Core/1.0.0"), 405);
    assert.equal(await status("DELETE", "v3/package"), 405);
    assert.equal(await status("PUT", "v3/other"), 404);
    assert.equal(await status("PUT", "v3/package"), 400);
    const zip = (name: string, text: string): Buffer => writeZip([[name, text]], { deflate: false, wide: false });
    const wrong: [Buffer, number][] = [
      [bytes, 409],
      [Buffer.from("text"), 422],
      [zip("a.txt", ""), 400],
      [zip("lib/a.nuspec", "<package/>"), 400],
      [zip("a.nuspec", "<package/>"), 400],
      [zip("a.nuspec", "<package><metadata><id>../x</id><version>1.0</version></metadata></package>"), 400],
      [zip("a.nuspec", "<package><metadata><id>x</id><version>one</version></metadata></package>"), 400],
      [zip("a.nuspec", "<!DOCTYPE x><package/>"), 400],
    ];
    for (const [at, [body, wanted]] of wrong.entries()) {
      const refusal = await push(body);
      assert.ok("refused" in refusal);
      assert.deepEqual([at, refusal.status], [at, wanted], refusal.body);
    }
  } finally {
    await place.close();
  }
});

test("clients get this source alone", () => {
  const [setup] = nuget.clients({ base: "http://127.0.0.1:5081/mirror/n&g", isSealed: true });
  const [file] = setup!.files;
  assert.match(
    file!.content,
    /<clear \/>\s*<add key="mintmark" value="http:\/\/127\.0\.0\.1:5081\/mirror\/n&#38;g\/v3\/index\.json" allowInsecureConnections="true" \/>/,
  );
  assert.match(file!.content, /<package pattern="\*" \/>/);
  assert.equal(nuget.purl({ name: "demo.lib", version: "1.0.0-rc.1" }), "pkg:nuget/demo.lib@1.0.0-rc.1");
});
