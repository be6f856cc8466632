import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import fc from "fast-check";
import type { MirrorRequest, Publication, WriteRefusal } from "../format.ts";
import { openTestShelf, testReader, testRendering, upstreamDocument } from "../test-shelf.ts";
import { maven } from "./maven.ts";
import { readMetadata, writeMetadata } from "./metadata.ts";
import { compareMavenVersions } from "./version-order.ts";

const ask = (path: string): ReturnType<typeof maven.classify> =>
  maven.classify({ path, query: new URLSearchParams(), accept: "" } satisfies MirrorRequest);

test("what a path means", () => {
  const release = "org/acme/deep/lib/1.2.3/lib-1.2.3";
  const snapshot = "org/acme/lib/1.0-SNAPSHOT/lib-1.0";
  const table: [path: string, meaning: string, subject?: string][] = [
    [`${release}.jar`, "immutable", "org.acme.deep:lib@1.2.3"],
    [`${release}.pom`, "immutable", "org.acme.deep:lib@1.2.3"],
    [`${release}.module`, "immutable", "org.acme.deep:lib@1.2.3"],
    [`${release}-sources.jar`, "immutable", "org.acme.deep:lib@1.2.3"],
    [`${release}.jar.sha1`, "immutable", "org.acme.deep:lib@1.2.3"],
    [`${release}.jar.asc`, "immutable", "org.acme.deep:lib@1.2.3"],
    [`${release}.jar.asc.sha512`, "immutable", "org.acme.deep:lib@1.2.3"],
    ["junit/junit/4.13.2/junit-4.13.2.jar", "immutable", "junit:junit@4.13.2"],
    ["org/acme/lib/1.0%2Bb/lib-1.0%2Bb.jar", "immutable", "org.acme:lib@1.0+b"],
    ["p/q/p.q.gradle.plugin/1.0/p.q.gradle.plugin-1.0.pom", "immutable", "p.q:p.q.gradle.plugin@1.0"],
    [`${snapshot}-SNAPSHOT.jar`, "mutable", "org.acme:lib@1.0-SNAPSHOT"],
    [`${snapshot}-SNAPSHOT.jar.sha1`, "mutable", "org.acme:lib@1.0-SNAPSHOT"],
    [`${snapshot}-20240102.030405-1.jar`, "immutable", "org.acme:lib@1.0-SNAPSHOT"],
    [`${snapshot}-20240102.030405-12-tests.jar.md5`, "immutable", "org.acme:lib@1.0-SNAPSHOT"],
    [`${snapshot}-20240102.jar`, "mutable", "org.acme:lib@1.0-SNAPSHOT"],
    ["org/acme/lib/1.0-SNAPSHOT/maven-metadata.xml", "document full", "org.acme:lib@1.0-SNAPSHOT"],
    ["org/acme/lib/maven-metadata.xml", "document full", "org.acme:lib"],
    ["org/acme/lib/maven-metadata.xml.sha256", "document sha256", "org.acme:lib"],
    ["acme/maven-metadata.xml", "document full"],
    ["org/acme/lib/1.0/other-1.0.jar", "mutable", "org.acme:lib@1.0"],
    ["org/acme/lib/1.0/lib-2.0.jar", "mutable", "org.acme:lib@1.0"],
    ["archetype-catalog.xml", "mutable"],
    [".meta/prefixes.txt", "mutable"],
    ["", "404"],
    ["org/acme/", "404"],
    ["org//lib/1.0/lib-1.0.jar", "400"],
    ["org/%2e%2e/lib/1.0/lib-1.0.jar", "400"],
    ["org/a%2fb/lib/1.0/lib-1.0.jar", "400"],
    ["org/a%00b/lib/1.0/lib-1.0.jar", "400"],
    ["org/%zz/lib/1.0/lib-1.0.jar", "400"],
  ];
  for (const [path, meaning, subject] of table) {
    const found = ask(path);
    const said =
      found.kind === "file"
        ? found.lifetime
        : found.kind === "document"
          ? `document ${found.variant}`
          : `${found.status}`;
    assert.equal(said, meaning, path);
    const who = "subject" in found ? found.subject : undefined;
    assert.equal(who && (who.version === undefined ? who.name : `${who.name}@${who.version}`), subject, path);
  }
});

test("the checksums of metadata are renderings of one document", () => {
  const [plain, sum] = [ask("org/acme/lib/maven-metadata.xml"), ask("org/acme/lib/maven-metadata.xml.md5")];
  assert.ok(plain.kind === "document" && sum.kind === "document");
  assert.equal(plain.source, sum.source);
});

test("a file is claimed by the checksums that stand beside it", async () => {
  const jar = "org/acme/lib/1.0+b/lib-1.0+b.jar";
  const [sha1, sha256, sha512, md5] = ["sha1", "sha256", "sha512", "md5"].map((name) =>
    createHash(name).update("bytes").digest("hex"),
  );
  const locate = async (path: string, documents: Readonly<Record<string, string>>): Promise<unknown> => {
    const found = ask(path);
    assert.ok(found.kind === "file" || found.kind === "document");
    return await maven.locate(found, testReader(maven, documents));
  };
  const url = "org/acme/lib/1.0%2Bb/lib-1.0%2Bb.jar";
  const table: [name: string, documents: Record<string, string>, claim: unknown][] = [
    ["none", {}, undefined],
    ["sha1", { [`${jar}.sha1`]: `${sha1}\n` }, { algorithm: "sha1", value: sha1 }],
    ["both", { [`${jar}.sha1`]: sha1!, [`${jar}.sha256`]: sha256! }, { algorithm: "sha256", value: sha256 }],
    ["sha512", { [`${jar}.sha512`]: sha512!, [`${jar}.md5`]: md5! }, { algorithm: "sha512", value: sha512 }],
    ["md5", { [`${jar}.md5`]: md5! }, { algorithm: "md5", value: md5 }],
    ["a name behind", { [`${jar}.sha1`]: `${sha1!.toUpperCase()}  lib-1.0+b.jar` }, { algorithm: "sha1", value: sha1 }],
    ["a name before", { [`${jar}.sha1`]: `lib-1.0+b.jar = ${sha1}` }, { algorithm: "sha1", value: sha1 }],
    ["a page", { [`${jar}.sha1`]: "<html>not here</html>" }, undefined],
  ];
  for (const [name, documents, claim] of table)
    assert.deepEqual(await locate(url, documents), claim === undefined ? { url } : { url, claim }, name);
  const sums = { [`${jar}.sha1`]: sha1! };
  assert.deepEqual(await locate(`${url}.sha1`, sums), { url: `${url}.sha1` });
  assert.deepEqual(await locate("org/acme/lib/maven-metadata.xml", sums), { url: "org/acme/lib/maven-metadata.xml" });
});

/** The metadata of an artifact with such versions. */
function metadataText(versions: readonly string[], lastUpdated = "20240101000000"): string {
  const list = versions.map((version) => `<version>${version}</version>`).join("");
  const newest = versions.at(-1);
  return `<?xml version="1.0"?><!-- made by hand --><metadata modelVersion="1.1.0"><groupId>org.acme</groupId><artifactId>lib</artifactId><versioning><latest>${newest}</latest><release>${newest}</release><versions>${list}</versions><lastUpdated>${lastUpdated}</lastUpdated></versioning></metadata>`;
}

const source = "org/acme/lib/maven-metadata.xml";

test("metadata of several members is merged, and its checksums are those of what was merged", () => {
  const documents = [
    metadataText(["1.0", "1.10"], "20240101000000"),
    metadataText(["1.2", "1.10"], "20240301000000"),
  ].map((text) => upstreamDocument(text, source));
  const merged = testRendering(maven, { variant: "full", source, documents });
  const found = readMetadata(Buffer.from(merged));
  assert.ok(!("invalid" in found));
  assert.deepEqual(found.versions, ["1.0", "1.2", "1.10"]);
  assert.deepEqual([found.latest, found.release, found.lastUpdated], ["1.10", "1.10", "20240301000000"]);
  for (const variant of ["sha1", "md5", "sha256", "sha512"])
    assert.equal(
      testRendering(maven, { variant, source, documents }),
      createHash(variant).update(merged).digest("hex"),
      variant,
    );
});

test("one document stays as it came, and loses the versions that are withheld", () => {
  const text = metadataText(["1.0", "2.0-SNAPSHOT", "1.1"]);
  const documents = [upstreamDocument(text, source)];
  assert.equal(testRendering(maven, { variant: "full", source, documents }), text);
  assert.equal(testRendering(maven, { variant: "full", source, documents, withheld: ["3.0"] }), text);
  const found = readMetadata(
    Buffer.from(testRendering(maven, { variant: "full", source, documents, withheld: ["1.1", "2.0-SNAPSHOT"] })),
  );
  assert.ok(!("invalid" in found));
  assert.deepEqual([found.versions, found.latest, found.release], [["1.0"], "1.0", "1.0"]);
  const all = testRendering(maven, { variant: "full", source, documents, withheld: ["1.0", "1.1", "2.0-SNAPSHOT"] });
  assert.doesNotMatch(all, /<versions?>|<latest>|<release>/);
  assert.throws(
    () => testRendering(maven, { variant: "full", source, documents: [upstreamDocument("<html>", source)] }),
    {
      code: "upstream_unreachable",
    },
  );
});

test("of a snapshot the newest file counts, for each extension and classifier", () => {
  const snapshotText = (stamp: string, build: number, classifier = ""): string => `<metadata>
    <groupId>org.acme</groupId><artifactId>lib</artifactId><version>1.0-SNAPSHOT</version><versioning>
    <snapshot><timestamp>${stamp}</timestamp><buildNumber>${build}</buildNumber></snapshot>
    <snapshotVersions><snapshotVersion>${classifier}<extension>jar</extension><value>1.0-${stamp}-${build}</value>
    <updated>${stamp.replace(".", "")}</updated></snapshotVersion></snapshotVersions></versioning></metadata>`;
  const snapshotSource = "org/acme/lib/1.0-SNAPSHOT/maven-metadata.xml";
  const documents = [
    snapshotText("20240101.000000", 1),
    snapshotText("20240201.000000", 2),
    snapshotText("20240115.000000", 9, "<classifier>tests</classifier>"),
  ].map((text) => upstreamDocument(text, snapshotSource));
  const found = readMetadata(Buffer.from(testRendering(maven, { variant: "full", source: snapshotSource, documents })));
  assert.ok(!("invalid" in found));
  assert.deepEqual(found.snapshot, { timestamp: "20240201.000000", buildNumber: "2", isLocalCopy: false });
  assert.deepEqual(
    found.snapshotVersions.map(({ classifier, value }) => [classifier, value]),
    [
      [undefined, "1.0-20240201.000000-2"],
      ["tests", "1.0-20240115.000000-9"],
    ],
  );
  assert.throws(
    () => testRendering(maven, { variant: "full", source: snapshotSource, documents, withheld: ["1.0-SNAPSHOT"] }),
    { code: "not_found", message: /too new/ },
  );
});

test("plugins of a group are merged by their prefix", () => {
  const plugins = (...list: readonly [string, string][]): string =>
    `<metadata><plugins>${list.map(([prefix, artifact]) => `<plugin><name>${prefix} &amp; co</name><prefix>${prefix}</prefix><artifactId>${artifact}</artifactId></plugin>`).join("")}</plugins></metadata>`;
  const documents = [plugins(["a", "ours"]), plugins(["a", "theirs"], ["b", "b-plugin"])].map((text) =>
    upstreamDocument(text, "org/acme/maven-metadata.xml"),
  );
  const text = testRendering(maven, { variant: "full", source: "org/acme/maven-metadata.xml", documents });
  const found = readMetadata(Buffer.from(text));
  assert.ok(!("invalid" in found));
  assert.deepEqual(
    found.plugins.map(({ name, prefix, artifactId }) => [name, prefix, artifactId]),
    [
      ["a & co", "a", "ours"],
      ["b & co", "b", "b-plugin"],
    ],
  );
});

test("what is written is read back", () => {
  const word = fc.stringMatching(/^[A-Za-z0-9.<&"'>_-]{1,12}$/);
  fc.assert(
    fc.property(
      fc.uniqueArray(word),
      fc.array(fc.record({ prefix: word, artifactId: word }, { noNullPrototype: true })),
      (versions, plugins) => {
        const metadata = { groupId: "g", lastUpdated: "20240101000000", plugins, versions, snapshotVersions: [] };
        assert.deepEqual(readMetadata(Buffer.from(writeMetadata(metadata))), metadata);
      },
    ),
  );
});

test("versions are ordered as Maven orders them", () => {
  const sorted = [
    "1.0-alpha-1",
    "1.0-beta2",
    "1.0-M3",
    "1.0-RC1",
    "1.0-SNAPSHOT",
    "1.0",
    "1.0-sp",
    "1.0-jre",
    "1.0-1",
    "1.0.1",
    "1.2",
    "1.10",
    "2.0-rc.1",
    "2",
    "20030203.000550",
  ];
  assert.deepEqual(sorted.toReversed().sort(compareMavenVersions), sorted);
  for (const [a, b] of [
    ["1", "1.0.0"],
    ["1.0-ga", "1"],
    ["1.0.RC1", "1.0-rc1"],
    ["1-cr1", "1-rc1"],
    ["1a1", "1-alpha-1"],
  ] as const)
    assert.equal(compareMavenVersions(a, b), 0, `${a} = ${b}`);
  const version = fc.stringMatching(/^[0-9a-c.-]{0,8}$/);
  fc.assert(
    fc.property(version, version, (a, b) => {
      assert.equal(Math.sign(compareMavenVersions(a, b)), 0 - Math.sign(compareMavenVersions(b, a)));
      assert.equal(compareMavenVersions(a, a), 0);
    }),
  );
});

test("facts of metadata and of a POM", () => {
  const metadata = maven.facts!(upstreamDocument(metadataText(["1.0", "2.0-SNAPSHOT"]), source));
  assert.equal(metadata.name, "org.acme:lib");
  assert.deepEqual(
    metadata.versions.map(({ version, isPrerelease }) => [version, isPrerelease]),
    [
      ["1.0", false],
      ["2.0-SNAPSHOT", true],
    ],
  );
  const hosted = maven.facts!({ ...upstreamDocument(metadataText(["1.0"])), url: "" });
  assert.equal(hosted.versions[0]!.version, "1.0");
  const path = maven.documentOf!({ name: "org.acme:lib", version: "1.0" });
  assert.equal(path, "org/acme/lib/1.0/lib-1.0.pom");
  const pom = maven.facts!({
    ...upstreamDocument("<project><parent><groupId>org.acme</groupId></parent></project>", path),
    lastModified: 1_700_000_000_000,
  });
  assert.equal(pom.name, "org.acme:lib");
  assert.deepEqual(pom.versions, [{ version: "1.0", publishedAt: 1_700_000_000_000, isPrerelease: false, files: [] }]);
  assert.equal(maven.documentOf!({ name: "org.acme:lib" }), source);
  assert.equal(
    maven.documentOf!({ name: "org.acme:lib", version: "1-SNAPSHOT" }),
    "org/acme/lib/1-SNAPSHOT/maven-metadata.xml",
  );
});

test("a deployment: files, their checksums, then the metadata", async () => {
  const hosted = await openTestShelf(maven);
  try {
    const put = async (path: string, text: string): Promise<number> => {
      const answer: Publication | WriteRefusal = await hosted.write({ method: "PUT", path, body: Buffer.from(text) });
      return "refused" in answer ? answer.status : answer.answer.status;
    };
    const sum = (name: string, text: string): string => createHash(name).update(text).digest("hex");
    const jar = "org/acme/lib/1.0/lib-1.0.jar";
    assert.equal(await put(`${jar}.sha1`, sum("sha1", "jar")), 400, "a checksum of nothing");
    assert.equal(await put(jar, "jar"), 201);
    assert.deepEqual(
      hosted.keys(),
      ["", ".md5", ".sha1", ".sha256", ".sha512"].map((end) => jar + end),
    );
    for (const name of ["sha1", "md5", "sha256", "sha512"]) {
      assert.equal(await put(`${jar}.${name}`, `${sum(name, "jar")}\n`), 201, name);
      assert.equal(await put(`${jar}.${name}`, sum(name, "other")), 400, name);
    }
    assert.equal(await put(`${jar}.sha1`, "no hex"), 400);
    assert.equal(await put(jar, "jar"), 201, "the same again");
    assert.equal(await put(jar, "other"), 409, "a release never changes");
    const snapshot = "org/acme/lib/1-SNAPSHOT/lib-1-SNAPSHOT.jar";
    assert.deepEqual([await put(snapshot, "one"), await put(snapshot, "two")], [201, 201], "a snapshot does");

    assert.equal(await put(source, metadataText(["1.0"])), 201);
    assert.equal(await put(`${source}.sha1`, sum("sha1", metadataText(["1.0"]))), 201);
    assert.equal(await put(`${source}.sha1`, sum("sha1", "other")), 400);
    assert.equal(hosted.document(source).bytes.toString(), metadataText(["1.0"]), "stored as it was sent");
    // A second client that has not seen 1.0 sends its own list.
    assert.equal(await put(source, metadataText(["1.1"])), 201);
    assert.equal(await put(`${source}.sha1`, sum("sha1", metadataText(["1.1"]))), 201);
    const merged = readMetadata(hosted.document(source).bytes);
    assert.ok(!("invalid" in merged));
    assert.deepEqual([merged.versions, merged.release], [["1.0", "1.1"], "1.1"]);

    const refused: [string, string, number][] = [
      [source, "<metadata>", 400],
      [source, "<!DOCTYPE x><metadata/>", 400],
      ["org/acme/other/maven-metadata.xml", metadataText(["1.0"]), 400],
      ["archetype-catalog.xml", "<x/>", 400],
      ["org/acme/lib/1.0/else.jar", "x", 400],
      ["org/../lib/1.0/lib-1.0.jar", "x", 400],
    ];
    for (const [path, text, status] of refused) assert.equal(await put(path, text), status, `${path} ${text}`);
    const removal = await hosted.write({ method: "DELETE", path: jar });
    assert.ok("refused" in removal && removal.status === 405);
  } finally {
    await hosted.close();
  }
});

test("clients, denials and package URLs", () => {
  const [mvn, gradle] = maven.clients({ base: "http://127.0.0.1:5081/mirror/maven", isSealed: true });
  assert.match(
    mvn!.files[0]!.content,
    /<mirrorOf>\*<\/mirrorOf>\s+<url>http:&?[^<]*127\.0\.0\.1:5081\/mirror\/maven\/<\/url>/,
  );
  assert.match(mvn!.files[0]!.content, /<project\.build\.outputTimestamp>\$\{env\.SOURCE_DATE_EPOCH\}</);
  const [open] = maven.clients({ base: "https://mirror.example", isSealed: false });
  assert.doesNotMatch(open!.files[0]!.content, /outputTimestamp/, "elsewhere a project says it itself");
  assert.match(gradle!.files[0]!.content, /allowInsecureProtocol = true/);
  const [, secure] = maven.clients({ base: "https://mirror.example/it's", isSealed: false });
  assert.doesNotMatch(secure!.files[0]!.content, /allowInsecureProtocol/);
  assert.match(secure!.files[0]!.content, /uri\('https:\/\/mirror\.example\/it\\'s\/'\)/);
  const denial = maven.deny({ status: 403, message: "too new:\n3 days – wait" });
  assert.deepEqual([denial.status, denial.statusText], [403, "too new: 3 days wait"]);
  assert.equal(maven.purl({ name: "org.acme:lib", version: "1.0" }), "pkg:maven/org.acme/lib@1.0");
});
