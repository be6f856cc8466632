import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { Readable } from "node:stream";
import { afterEach, describe, test } from "node:test";
import { gzipSync } from "node:zlib";
import fc from "fast-check";
import type { RenderInput, SourceDocument, UpstreamReader, WriteRequest } from "../format.ts";
import { openTestShelf, type TestShelf } from "../test-shelf.ts";
import { npm } from "./npm.ts";

const base = "http://mirror.example/mirror/npm";

function ask(path: string, accept = "", query = ""): ReturnType<typeof npm.classify> {
  return npm.classify({ path, accept, query: new URLSearchParams(query) });
}

function hash(algorithm: string, text: string): Buffer {
  return createHash(algorithm).update(text).digest();
}

function upstreamDocument(value: unknown, changes: Partial<SourceDocument> = {}): SourceDocument {
  const bytes = Buffer.from(JSON.stringify(value));
  return { bytes, mediaType: "application/json", url: "https://upstream.example/x", isHosted: false, ...changes };
}

function rendered(input: Partial<RenderInput>): { value: Record<string, never> } {
  const result = npm.render!({ variant: "full", source: "x", documents: [], base, withheld: new Map(), ...input });
  const value = JSON.parse(Buffer.from(result.bytes).toString()) as Record<string, never>;
  return { value };
}

function packument(name: string, versions: readonly string[], tags: Record<string, string>): Record<string, unknown> {
  const manifests = versions.map((version) => [
    version,
    {
      name,
      version,
      scripts: { postinstall: "true", test: "x" },
      dependencies: { a: "^1.0.0" },
      dist: {
        tarball: `http://upstream.example/${name}/-/odd-place-${version}.tgz`,
        shasum: hash("sha1", version).toString("hex"),
        integrity: `sha512-${hash("sha512", version).toString("base64")}`,
        signatures: [{ keyid: "k", sig: "s" }],
        attestations: { url: "https://upstream.example/a", provenance: { predicateType: "p" } },
      },
    },
  ]);
  const time = Object.fromEntries(versions.map((version, index) => [version, `2026-01-0${index + 1}T00:00:00.000Z`]));
  return {
    name,
    "dist-tags": tags,
    versions: Object.fromEntries(manifests),
    time: { created: "2026-01-01T00:00:00.000Z", modified: "2026-02-01T00:00:00.000Z", ...time },
    readme: "kept ü",
  };
}

describe("npm: what a path means", () => {
  test("names, versions, tarballs and the special paths", () => {
    const short = "application/vnd.npm.install-v1+json; q=1.0, application/json; q=0.8, */*";
    const table: [string, string, Record<string, unknown>][] = [
      ["express", "", { kind: "document", source: "express", variant: "full", subject: { name: "express" } }],
      ["express", short, { source: "express", variant: "abbreviated" }],
      ["@types%2fnode", short, { source: "@types/node", variant: "abbreviated" }],
      ["@types/node", "", { source: "@types/node", variant: "full" }],
      ["@types/node/latest", "", { source: "@types/node", variant: "version:latest" }],
      [
        "@types/node/-/node-1.2.3-rc.1.tgz",
        "",
        {
          kind: "file",
          key: "@types/node/-/node-1.2.3-rc.1.tgz",
          lifetime: "immutable",
          subject: { name: "@types/node", version: "1.2.3-rc.1" },
        },
      ],
      ["@types/node/-/@types/node-1.2.3.tgz", "", { key: "@types/node/-/node-1.2.3.tgz" }],
      ["@types%2fnode/-/node-1.2.3.tgz", "", { key: "@types/node/-/node-1.2.3.tgz" }],
      [
        "-/npm/v1/attestations/@s%2fn@1.0.0",
        "",
        {
          kind: "file",
          key: "attestations/@s/n@1.0.0",
          lifetime: "mutable",
          subject: { name: "@s/n", version: "1.0.0" },
        },
      ],
      ["-/npm/v1/keys", "", { kind: "document", source: "-/npm/v1/keys" }],
      ["-/package/@s%2fn/dist-tags", "", { kind: "document", source: "@s/n", variant: "dist-tags" }],
      ["-/ping", "", { kind: "fixed", status: 200 }],
      ["", "", { kind: "fixed", status: 200 }],
      ["express/-/other-1.0.0.tgz", "", { kind: "refused", status: 404 }],
      ["express/-/express-1.0.0%2f..%2fx.tgz", "", { kind: "refused", status: 404 }],
      ["-/npm/v1/tokens", "", { kind: "refused", status: 501 }],
      ["%zz", "", { kind: "refused", status: 400 }],
      [".git", "", { kind: "refused", status: 404 }],
      ["node_modules", "", { kind: "refused", status: 404 }],
    ];
    for (const [path, accept, expected] of table) assert.partialDeepStrictEqual(ask(path, accept), expected, path);
  });

  test("npm reads before it writes: all versions, whatever policy says", () =>
    assert.partialDeepStrictEqual(ask("x", "", "write=true"), { variant: "write" }));

  test("whoami tells who asks", () => {
    const answer = ask("-/whoami");
    assert(answer.kind === "fixed");
    assert.equal(answer.body(base, "ann"), '{"username":"ann"}');
  });

  test("a search says which names it would tell, and what a hosted repository has for it", () => {
    const search = ask("-/v1/search", "", "text=scope:acme%20billing&size=5&evil=1");
    assert(search.kind === "document");
    assert.equal(search.source, "-/v1/search?text=scope%3Aacme+billing&size=5");
    assert.equal(search.hostedSource, "-/v1/search");
    assert(search.mentions?.includes("billing") === true && search.mentions.includes("@acme/x"));
  });

  test("any path has a meaning", () => {
    fc.assert(fc.property(fc.string({ unit: "grapheme" }), (path) => assert.equal(typeof ask(path).kind, "string")));
  });
});

describe("npm: what a document says", () => {
  const document = upstreamDocument(packument("x", ["1.0.0", "1.1.0-rc.1"], { latest: "1.0.0" }));

  test("versions with their instants and the strongest claim", () => {
    const facts = npm.facts!(document);
    assert.equal(facts.name, "x");
    assert.deepEqual(facts.versions[0], {
      version: "1.0.0",
      publishedAt: Date.parse("2026-01-01T00:00:00.000Z"),
      isPrerelease: false,
      files: [
        {
          name: "x-1.0.0.tgz",
          url: "https://upstream.example/x/-/odd-place-1.0.0.tgz",
          claim: { algorithm: "sha512", value: hash("sha512", "1.0.0").toString("hex") },
        },
      ],
    });
    assert.equal(facts.versions[1]?.isPrerelease, true);
  });

  test("an old document has a SHA-1 only; a wrong one has none", () => {
    const claims = [{ shasum: "A".repeat(40) }, { shasum: "x" }, { integrity: "sha512-AAAA" }, {}].map((dist) => {
      const versions = { "1.0.0": { dist: { tarball: "x-1.tgz", ...dist } } };
      return npm.facts!(upstreamDocument({ name: "x", versions })).versions[0]?.files[0]?.claim;
    });
    assert.deepEqual(claims, [{ algorithm: "sha1", value: "a".repeat(40) }, undefined, undefined, undefined]);
  });

  test("what is no packument is the upstream's failure", () => {
    for (const value of ["text", [], { versions: {} }, { name: "x", versions: [] }, { name: "x", versions: 1 }])
      assert.throws(() => npm.facts!(upstreamDocument(value)), { code: "upstream_unreachable" });
    assert.throws(() => rendered({ source: "y", documents: [document] }), { code: "upstream_unreachable" });
  });

  test("a tarball is where the document says, also at an odd place", async () => {
    const reader: UpstreamReader = {
      address: "https://upstream.example/",
      read: async () => document.bytes,
      facts: async () => npm.facts!(document),
      derived: async () => undefined,
    };
    const [known, unknown] = [ask("x/-/x-1.0.0.tgz"), ask("x/-/x-9.0.0.tgz")];
    assert(known.kind === "file" && unknown.kind === "file");
    const location = await npm.locate(known, reader);
    assert.equal(location?.url, "https://upstream.example/x/-/odd-place-1.0.0.tgz");
    assert.equal(location?.claim?.algorithm, "sha512");
    assert.equal(location?.publishedAt, Date.parse("2026-01-01T00:00:00.000Z"));
    assert.equal(await npm.locate(unknown, reader), undefined);
    const scoped = ask("@s/n");
    assert(scoped.kind === "document");
    assert.deepEqual(await npm.locate(scoped, reader), { url: "@s%2fn", accept: "application/json" });
  });
});

describe("npm: what clients get", () => {
  const versions = ["1.0.0", "1.1.0", "2.0.0-rc.1", "2.0.0"];
  const tags = { latest: "2.0.0", next: "2.0.0", old: "1.0.0" };
  const document = upstreamDocument(packument("x", versions, tags));

  test("only addresses change", () => {
    const { value } = rendered({ documents: [document] });
    const expected = packument("x", versions, tags) as { versions: Record<string, { dist: Record<string, unknown> }> };
    for (const [version, manifest] of Object.entries(expected.versions)) {
      manifest.dist["tarball"] = `${base}/x/-/x-${version}.tgz`;
      manifest.dist["attestations"] = {
        url: `${base}/-/npm/v1/attestations/x@${version}`,
        provenance: { predicateType: "p" },
      };
    }
    assert.equal(JSON.stringify(value), JSON.stringify(expected));
  });

  test("the short document has what installing needs", () => {
    const result = npm.render!({
      variant: "abbreviated",
      source: "x",
      documents: [document],
      base,
      withheld: new Map(),
    });
    assert.equal(result.mediaType, "application/vnd.npm.install-v1+json");
    const value = JSON.parse(Buffer.from(result.bytes).toString()) as Record<string, Record<string, object>>;
    assert.deepEqual(Object.keys(value), ["name", "dist-tags", "versions", "modified"]);
    assert.deepEqual(Object.keys(value["versions"]!["1.0.0"]!), [
      "name",
      "version",
      "dist",
      "dependencies",
      "hasInstallScript",
    ]);
  });

  test("withheld versions are gone, tags step back, and npm prints why", () => {
    const { value } = rendered({ documents: [document], withheld: new Map([["2.0.0", "younger than 3 days"]]) });
    assert.deepEqual(Object.keys(value["versions"]!), ["1.0.0", "1.1.0", "2.0.0-rc.1"]);
    assert.deepEqual(value["dist-tags"], { latest: "1.1.0", old: "1.0.0" });
    assert.equal((value["time"]! as Record<string, unknown>)["2.0.0"], undefined);
    const restrictions = {
      message: "x@2.0.0 is withheld: younger than 3 days",
      versions: { "2.0.0": { name: "x", version: "2.0.0" } },
    };
    assert.deepEqual(value["policyRestrictions"], restrictions);
    const none = rendered({
      documents: [document],
      variant: "abbreviated",
      withheld: new Map([["*", "blocked"]]),
    }).value;
    assert.deepEqual([none["versions"], none["dist-tags"]], [{}, {}]);
    assert.equal(Object.keys(none["policyRestrictions"]!["versions"]).length, 4);
    const write = rendered({ documents: [document], variant: "write", withheld: new Map([["*", "blocked"]]) });
    assert.equal(Object.keys(write.value["versions"]!).length, 4);
  });

  test("one version by its number or tag; a missing or withheld one is not there", () => {
    assert.equal(rendered({ documents: [document], variant: "version:latest" }).value["version"], "2.0.0");
    assert.equal(rendered({ documents: [document], variant: "version:1.0.0" }).value["version"], "1.0.0");
    for (const variant of ["version:9.0.0", "version:constructor"])
      assert.throws(() => rendered({ documents: [document], variant }), { code: "not_found" });
    const withheld = new Map([["1.0.0", "malicious"]]);
    assert.throws(() => rendered({ documents: [document], variant: "version:1.0.0", withheld }), /withheld: malicious/);
    assert.deepEqual(rendered({ documents: [document], variant: "dist-tags" }).value, tags);
  });

  test("a group's members are merged: of one version the first counts, latest is the newest", () => {
    const own = upstreamDocument(
      { ...packument("x", ["1.0.0", "3.0.0"], { latest: "1.0.0", own: "1.0.0" }), readme: "own" },
      { isHosted: true },
    );
    const { value } = rendered({ documents: [own, document] });
    assert.deepEqual(Object.keys(value["versions"]!).sort(), ["1.0.0", "1.1.0", "2.0.0", "2.0.0-rc.1", "3.0.0"]);
    assert.deepEqual(value["dist-tags"], { latest: "2.0.0", own: "1.0.0", next: "2.0.0", old: "1.0.0" });
    assert.equal(value["readme"], "own");
    assert.equal((value["time"]! as Record<string, unknown>)["1.1.0"], "2026-01-02T00:00:00.000Z");
  });

  test("keys of all members, each once; a search has our own first", () => {
    const keys = [{ keys: [{ keyid: "a" }] }, { keys: [{ keyid: "a" }, { keyid: "b" }] }].map((value) =>
      upstreamDocument(value),
    );
    assert.deepEqual(rendered({ source: "-/npm/v1/keys", variant: "keys", documents: keys }).value["keys"], [
      { keyid: "a" },
      { keyid: "b" },
    ]);
    const list = (names: readonly string[]): unknown => ({
      objects: names.map((name) => ({ package: { name } })),
      total: 7,
    });
    const documents = [
      upstreamDocument(list(["acme-x", "other"]), { isHosted: true }),
      upstreamDocument(list(["acme-y"])),
    ];
    const search = rendered({ source: "-/v1/search?text=acme", variant: "search:text=acme", documents }).value;
    assert.deepEqual(search, { objects: [{ package: { name: "acme-x" } }, { package: { name: "acme-y" } }], total: 8 });
  });

  test("a member called __proto__ stays one", () => {
    const text = '{"name":"x","versions":{"__proto__":{"version":"1.0.0"}},"dist-tags":{}}';
    const odd = { ...document, bytes: Buffer.from(text) };
    const { value } = rendered({ documents: [upstreamDocument({ name: "x", versions: {} }), odd] });
    assert.deepEqual(Object.keys(value["versions"]!), ["__proto__"]);
    assert.equal(
      Object.getPrototypeOf(rendered({ documents: [odd], variant: "abbreviated" }).value["versions"]),
      Object.prototype,
    );
  });
});

type SendParameters = readonly [method: WriteRequest["method"], path: string, body?: unknown, isPacked?: boolean];

function packed(body: unknown, isPacked: boolean): { body: Buffer; headers: WriteRequest["headers"] } {
  const bytes = Buffer.from(body === undefined ? "" : JSON.stringify(body));
  return isPacked ? { body: gzipSync(bytes), headers: { "content-encoding": "gzip" } } : { body: bytes, headers: {} };
}

function question(method: WriteRequest["method"], path: string, body: unknown): WriteRequest {
  const { body: bytes, headers } = packed(body, true);
  return { method, path, headers, query: new URLSearchParams(), body: Readable.from([bytes]) };
}

function publication(version: string, changes: Record<string, unknown> = {}): Record<string, unknown> {
  const tarball = `tarball of ${version}`;
  const dist = {
    integrity: `sha512-${hash("sha512", tarball).toString("base64")}`,
    shasum: hash("sha1", tarball).toString("hex"),
    tarball: "http://elsewhere/x",
  };
  return {
    _id: "@acme/x",
    name: "@acme/x",
    "dist-tags": { latest: version },
    versions: { [version]: { name: "@acme/x", version, description: "the x", dist } },
    _attachments: {
      [`@acme/x-${version}.tgz`]: { data: Buffer.from(tarball).toString("base64"), length: tarball.length },
    },
    ...changes,
  };
}

describe("npm: what is published", () => {
  const shelves: TestShelf[] = [];
  afterEach(async () => {
    for (const shelf of shelves.splice(0)) await shelf.close();
  });

  async function open(): Promise<{
    readonly send: (...parameters: SendParameters) => ReturnType<TestShelf["write"]>;
    readonly document: () => Record<string, Record<string, Record<string, unknown>>>;
    readonly keys: (prefix: string) => readonly string[];
    readonly shelf: TestShelf;
  }> {
    const shelf = await openTestShelf(npm);
    shelves.push(shelf);
    return {
      shelf,
      send: async (...[method, path, body, isPacked]) =>
        await shelf.write({ method, path, ...packed(body, isPacked === true) }),
      document: () => JSON.parse(shelf.document("@acme/x").bytes.toString()) as ReturnType<typeof JSON.parse>,
      keys: (prefix) => shelf.keys().filter((key) => key.startsWith(prefix)),
    };
  }

  test("publish, read back, publish again, never twice", async () => {
    const { shelf, send, document, keys } = await open();
    const first = await send("PUT", "@acme%2fx", publication("1.0.0"), true);
    assert(!("refused" in first));
    assert.deepEqual(first.subject, { name: "@acme/x", version: "1.0.0" });
    assert.equal(first.answer.status, 201);
    assert.deepEqual(keys("@acme/x/-/"), ["@acme/x/-/x-1.0.0.tgz"]);
    await send("PUT", "@acme%2fx", publication("1.1.0-rc.1", { "dist-tags": { next: "1.1.0-rc.1" } }));
    assert.deepEqual(document()["dist-tags"], { latest: "1.0.0", next: "1.1.0-rc.1" });
    const again = await send("PUT", "@acme%2fx", publication("1.0.0"));
    assert.partialDeepStrictEqual(again, { refused: true, status: 403 });
    const search = JSON.parse(shelf.document("-/v1/search").bytes.toString()) as { objects: unknown[] };
    assert.partialDeepStrictEqual(search.objects, [
      { package: { name: "@acme/x", version: "1.0.0", description: "the x" } },
    ]);
  });

  test("what is wrong is not taken", async () => {
    const { send } = await open();
    const tarball = { "@acme/x-1.0.0.tgz": { data: Buffer.from("other").toString("base64") } };
    const table: [unknown, RegExp][] = [
      [publication("1.0.0", { name: "@acme/y" }), /not of/],
      [publication("1.0.0", { versions: {} }), /exactly one version/],
      [publication("1.0.0", { _attachments: {} }), /one tarball/],
      [publication("1.0.0", { _attachments: tarball }), /sha512/],
      [publication("not-a-version"), /no version/],
      [publication("1.0.0", { "dist-tags": { "1.x": "1.0.0" } }), /cannot be a tag/],
      [[], /no JSON object/],
    ];
    for (const [body, reason] of table) {
      const answer = await send("PUT", "@acme%2fx", body);
      assert("refused" in answer);
      assert.match(answer.body, reason);
    }
    assert.partialDeepStrictEqual(await send("PUT", "-/user/org.couchdb.user:ann", {}), { refused: true, status: 501 });
    assert.partialDeepStrictEqual(await send("DELETE", "@acme%2fx/-rev/1-x"), { refused: true, status: 404 });
  });

  test("deprecate, tags, unpublish one version and then all; a number never comes back, nor does the name", async () => {
    const { shelf, send, document, keys } = await open();
    const revision = (): string => document()["_rev"] as unknown as string;
    await send("PUT", "@acme%2fx", publication("1.0.0"));
    await send("PUT", "@acme%2fx", publication("2.0.0"));
    const changed = document();
    (changed["versions"]!["1.0.0"] as Record<string, unknown>)["deprecated"] = "use 2";
    await send("PUT", "@acme%2fx", changed);
    assert.equal(document()["versions"]!["1.0.0"]!["deprecated"], "use 2");
    await send("PUT", "-/package/@acme%2fx/dist-tags/stable", "1.0.0");
    assert.partialDeepStrictEqual(await send("PUT", "-/package/@acme%2fx/dist-tags/bad", "9.0.0"), { status: 404 });
    assert.equal(document()["dist-tags"]!["stable"], "1.0.0");
    const whole = document();
    delete whole["versions"]!["2.0.0"];
    assert.partialDeepStrictEqual(await send("PUT", "@acme%2fx/-rev/1-old", whole), { status: 409 });
    await send("PUT", `@acme%2fx/-rev/${revision()}`, whole);
    assert.deepEqual(keys("@acme/x/-/"), ["@acme/x/-/x-1.0.0.tgz"]);
    assert.equal(document()["dist-tags"]!["latest"], "1.0.0");
    assert.partialDeepStrictEqual(await send("PUT", "@acme%2fx", publication("2.0.0")), { status: 403 });
    await send("DELETE", `@acme%2fx/-/x-2.0.0.tgz/-rev/${revision()}`);
    await send("DELETE", `@acme%2fx/-rev/${revision()}`);
    assert.deepEqual(keys("@acme/x/-/"), []);
    const tombstone = shelf.document("@acme/x");
    assert.throws(() => rendered({ source: "@acme/x", documents: [tombstone] }), /unpublished/);
    assert.partialDeepStrictEqual(await send("PUT", "@acme%2fx", publication("1.0.0")), { status: 403 });
    await send("PUT", "@acme%2fx", publication("3.0.0"));
    assert.deepEqual(Object.keys(document()["versions"]!), ["3.0.0"]);
  });

  test("provenance beside the tarball becomes an attestation", async () => {
    const { shelf, send, keys } = await open();
    const payload = Buffer.from(JSON.stringify({ predicateType: "https://slsa.dev/provenance/v1" })).toString("base64");
    const body = publication("1.0.0");
    const attachments = body["_attachments"] as Record<string, unknown>;
    attachments["@acme/x-1.0.0.sigstore"] = { data: JSON.stringify({ dsseEnvelope: { payload } }) };
    await send("PUT", "@acme%2fx", body);
    assert.deepEqual(keys("attestations/"), ["attestations/@acme/x@1.0.0"]);
    const hosted = shelf.document("@acme/x");
    const manifest = rendered({ source: "@acme/x", documents: [hosted] }).value["versions"]!["1.0.0"]! as {
      dist: { attestations: unknown };
    };
    assert.deepEqual(manifest.dist.attestations, {
      url: `${base}/-/npm/v1/attestations/@acme%2fx@1.0.0`,
      provenance: { predicateType: "https://slsa.dev/provenance/v1" },
    });
  });
});

describe("npm: audits, denials, clients, names", () => {
  test("internal names leave an audit before it leaves the house", async () => {
    const body = { express: ["4.0.0"], "@acme/secret": ["1.0.0"] };
    const relay = await npm.relay!(question("POST", "-/npm/v1/security/advisories/bulk", body));
    assert(relay !== undefined && !("refused" in relay));
    assert.deepEqual(relay.names, ["express", "@acme/secret"]);
    assert.equal(Buffer.from(relay.body(new Set(["@acme/secret"]))!).toString(), '{"express":["4.0.0"]}');
    assert.equal(relay.body(new Set(relay.names)), undefined);
    assert.partialDeepStrictEqual(await npm.relay!(question("POST", "-/npm/v1/security/audits/quick", {})), {
      refused: true,
      status: 501,
    });
    assert.equal(await npm.relay!(question("PUT", "express", {})), undefined);
  });

  test("a denial is what npm prints, and pnpm and yarn", () => {
    assert.equal(npm.deny({ status: 403, message: "no" }).body, '{"error":"no"}');
    assert.equal(npm.deny({ status: 403, message: "too\nyoung" }).statusText, "Forbidden (too young)");
    assert.equal(npm.deny({ status: 404, message: "none" }).statusText, undefined);
  });

  test("clients are pointed at us by files and by variables", () => {
    const setups = npm.clients({ base, isSealed: true });
    assert.deepEqual(
      setups.map((setup) => setup.client),
      ["npm", "pnpm", "yarn", "bun"],
    );
    assert.match(setups[0]!.files[0]!.content, /^registry=http:\/\/mirror.example\/mirror\/npm\/\naudit=false\n/);
    assert.equal(setups[2]!.environment["YARN_UNSAFE_HTTP_WHITELIST"], "mirror.example");
  });

  test("package URLs", () => {
    assert.equal(npm.purl({ name: "@types/node", version: "1.0.0" }), "pkg:npm/%40types/node@1.0.0");
    assert.equal(npm.purl({ name: "express", version: "1.0.0" }), "pkg:npm/express@1.0.0");
  });
});
