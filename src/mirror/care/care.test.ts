import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { nowMs } from "../../base/clock.ts";
import { Failure } from "../../base/errors.ts";
import type { Digest } from "../../model/digest.ts";
import { findMirrorEntry, putMirrorEntry } from "../../store/mirror-entry-records.ts";
import { listMirrorUsage } from "../../store/mirror-care-records.ts";
import { putMirrorDerived } from "../../store/mirror-rendering-records.ts";
import { openStore, type Store } from "../../store/store.ts";
import type { MirrorAnswer, MirrorRead, MirrorRepository } from "../contract.ts";
import { cleanMirror, type CleanReport } from "./clean.ts";
import { readLockFile } from "./locks/lock-file.ts";
import { prefetch } from "./prefetch.ts";

const dayMs = 24 * 60 * 60 * 1000;
const plain = {
  isOffline: false,
  metadataSeconds: 300,
  missingSeconds: 60,
  staleSeconds: 60,
  isPublic: true,
  allowPrivate: false,
} as const;
const npm: MirrorRepository = { ...plain, name: "npm", format: "npm", kind: "proxy" };
const ours: MirrorRepository = { ...plain, name: "ours", format: "npm", kind: "hosted" };

async function withStore(work: (store: Store) => Promise<void>): Promise<void> {
  const dataDir = await mkdtemp(join(tmpdir(), "mintmark-care-"));
  const store = await openStore({ dataDir });
  try {
    await work(store);
  } finally {
    await store.close();
    await rm(dataDir, { recursive: true, force: true });
  }
}

interface Wanted {
  readonly repository: string;
  readonly key: string;
  readonly text: string;
  readonly daysAgo: number;
  readonly kind?: "file" | "document";
  readonly url?: string;
}

async function keep(store: Store, { repository, key, text, daysAgo, kind = "file", url }: Wanted): Promise<Digest> {
  const { digest, sizeBytes } = await store.blobs.put(Buffer.from(text));
  const at = nowMs() - daysAgo * dayMs;
  await putMirrorEntry(store.db, {
    repository,
    kind,
    key,
    digest,
    sizeBytes,
    mediaType: "text/plain",
    lifetime: "immutable",
    url: repository === "ours" ? undefined : (url ?? `https://up.example/${key}`),
    etag: undefined,
    modified: undefined,
    claim: undefined,
    subject: "left-pad",
    version: "1.0.0",
    publishedAt: undefined,
    fetchedAt: at,
    checkedAt: at,
  });
  return digest;
}

test("cleaning frees the disk of what nobody used; locks, neighbours, and what is published here keep theirs", async () => {
  await withStore(async (store) => {
    const old = await keep(store, { repository: "npm", key: "a.tgz", text: "old", daysAgo: 100 });
    const document = await keep(store, { repository: "npm", key: "a", kind: "document", text: "{}", daysAgo: 100 });
    const made = await store.blobs.put(Buffer.from("made of it"));
    await putMirrorDerived(store.db, {
      repository: "npm",
      source: "a",
      name: "index",
      sourceDigest: document,
      digest: made.digest,
      sizeBytes: made.sizeBytes,
    });
    const locked = await keep(store, { repository: "npm", key: "b.tgz", text: "in a lock", daysAgo: 100 });
    const shared = await keep(store, { repository: "npm", key: "c.tgz", text: "in two places", daysAgo: 100 });
    await keep(store, { repository: "other", key: "c.tgz", text: "in two places", daysAgo: 1 });
    const fresh = await keep(store, { repository: "npm", key: "d.tgz", text: "fresh", daysAgo: 1 });
    const published = await keep(store, { repository: "ours", key: "e.tgz", text: "ours", daysAgo: 900 });
    const clean = async (isDryRun: boolean): Promise<CleanReport> =>
      await cleanMirror(
        {
          store,
          repositories: [npm, ours],
          held: new Map([[locked, "it is named by the lock of an image"]]),
          signal: new AbortController().signal,
          onPage: () => undefined,
        },
        { unusedDays: 90, isDryRun },
      );
    const plan = await clean(true);
    assert.equal(plan.entryCount, 3);
    assert.equal(plan.keptCount, 1);
    assert.deepEqual(
      plan.examples.filter(({ isKept }) => isKept).map(({ key, reason }) => [key, reason]),
      [["b.tgz", "it is named by the lock of an image"]],
    );
    assert.ok(await store.blobs.stat(old));

    const done = await clean(false);
    assert.equal(done.entryCount, 3);
    assert.equal(done.freedBytes, 3 + 2 + 10);
    for (const gone of [old, document, made.digest]) assert.equal(await store.blobs.stat(gone), undefined);
    for (const kept of [locked, shared, fresh, published]) assert.ok(await store.blobs.stat(kept));
    assert.equal(await findMirrorEntry(store.db, { repository: "npm", kind: "file", key: "a.tgz" }), undefined);
    const [usage] = await listMirrorUsage(store.db);
    assert.deepEqual([usage!.repository, usage!.fileCount, usage!.documentCount], ["npm", 2, 0]);
    assert.equal((await clean(false)).entryCount, 0);
  });
});

test("lock files of every kind say what the mirror has to be asked for", () => {
  const paths = (name: string, text: string): [string, readonly string[]][] =>
    readLockFile(name, text).wishes.map((wish) => [wish.format, wish.paths]);
  const npmLock = {
    lockfileVersion: 3,
    packages: {
      "": { name: "app" },
      "node_modules/@acme/core": { version: "1.0.0", resolved: "https://r.example/@acme/core/-/core-1.0.0.tgz" },
      "node_modules/x/node_modules/y": { version: "2.0.0" },
      "node_modules/alias": { name: "real", version: "3.0.0" },
      "node_modules/git": { version: "1.0.0", resolved: "git+ssh://git.example/x.git#1" },
      "node_modules/here": { link: true },
      here: { version: "0.0.0" },
    },
  };
  const npmRead = readLockFile("package-lock.json", JSON.stringify(npmLock));
  assert.deepEqual(
    npmRead.wishes.map((wish) => wish.paths),
    [
      ["@acme/core/-/core-1.0.0.tgz", "@acme%2fcore"],
      ["y/-/y-2.0.0.tgz", "y"],
      ["real/-/real-3.0.0.tgz", "real"],
    ],
  );
  assert.deepEqual(npmRead.skipped, [{ title: "git 1.0.0", reason: "comes from no registry" }]);
  assert.deepEqual(
    paths(
      "go.sum",
      "example.org/Mod v1.2.3 h1:a=\nexample.org/Mod v1.2.3/go.mod h1:b=\nexample.org/old v0.1.0/go.mod h1:c=\n",
    ),
    [
      ["go", ["example.org/!mod/@v/v1.2.3.zip", "example.org/!mod/@v/v1.2.3.info", "example.org/!mod/@v/v1.2.3.mod"]],
      ["go", ["example.org/old/@v/v0.1.0.mod"]],
    ],
  );
  const cargoLock = `version = 4\n[[package]]\nname = "app"\nversion = "0.1.0"\n[[package]]\nname = "Serde"\nversion = "1.0.0+x"\nsource = "registry+https://i.example/"\nchecksum = "ab"\n`;
  assert.deepEqual(paths("Cargo.lock", cargoLock), [
    ["cargo", ["api/v1/crates/Serde/1.0.0%2Bx/download", "se/rd/serde"]],
  ]);
  const list =
    "[INFO] The following files have been resolved:\n[INFO]    com.acme:lib:jar:1.0:compile\n[INFO]    com.acme:tool:jar:sources:2.0:test -- module tool\n";
  assert.deepEqual(
    paths("deps.txt", list).map(([, [path]]) => path),
    [
      "com/acme/lib/1.0/lib-1.0.jar",
      "com/acme/lib/1.0/lib-1.0.pom",
      "com/acme/tool/2.0/tool-2.0-sources.jar",
      "com/acme/tool/2.0/tool-2.0.pom",
    ],
  );
  const requirements = readLockFile(
    "requirements.txt",
    "requests[socks]==2.32.0 \\\n  --hash=sha256:" +
      "a".repeat(64) +
      "\n# c\n-r other.txt\nflask>=2\nDjango_X == 5.0 ; python_version > '3'\n",
  );
  assert.deepEqual(
    requirements.wishes.map(({ title }) => title),
    ["requests 2.32.0", "django-x 5.0"],
  );
  assert.deepEqual(
    requirements.skipped.map(({ title }) => title),
    ["flask>=2"],
  );
  assert.throws(() => readLockFile("notes.md", "hello"), Failure);
});

test("the locks of Poetry, uv, PDM and pylock.toml: packages of an index, each with its hashes", () => {
  const [a, b] = ["a".repeat(64), "b".repeat(64)];
  const texts = {
    "poetry.lock": `[[package]]\nname = "Demo_X"\nversion = "1.0"\nfiles = [\n  {file = "d.whl", hash = "sha256:${a}"},\n  {file = "d.tar.gz", hash = "sha256:${b}"},\n]\n\n[[package]]\nname = "forked"\nversion = "2.0"\n[package.source]\ntype = "git"\nurl = "https://git.example/x"\n\n[metadata]\nlock-version = "2.1"\n`,
    "uv.lock": `version = 1\n[[package]]\nname = "app"\nversion = "0.1.0"\nsource = { virtual = "." }\n[[package]]\nname = "demo-x"\nversion = "1.0"\nsource = { registry = "https://i.example/simple" }\nsdist = { url = "https://i.example/d.tar.gz", hash = "sha256:${b}" }\nwheels = [\n    { url = "https://i.example/d.whl", hash = "sha256:${a}" },\n]\n[[package]]\nname = "forked"\nversion = "2.0"\nsource = { git = "https://git.example/x" }\n`,
    "pylock.toml": `lock-version = "1.0"\n[[packages]]\nname = "demo-x"\nversion = "1.0"\nwheels = [{name = "d.whl", hashes = {sha256 = "${a}"}}]\nsdist = {name = "d.tar.gz", hashes = {sha256 = "${b}"}}\n[[packages]]\nname = "forked"\nversion = "2.0"\nvcs = {type = "git", url = "x"}\n`,
  };
  const page = {
    files: [
      { filename: "demo_x-1.0-cp312-cp312-manylinux_2_17_x86_64.whl", url: "a", hashes: { sha256: a } },
      { filename: "demo_x-1.0-cp312-cp312-win_amd64.whl", url: "w", hashes: { sha256: a } },
      { filename: "demo_x-1.0.tar.gz", url: "b", hashes: { sha256: b } },
      { filename: "demo_x-1.0-1-cp312-cp312-manylinux_2_17_x86_64.whl", url: "c", hashes: { sha256: "c".repeat(64) } },
    ],
  };
  for (const [name, text] of Object.entries(texts)) {
    const { wishes, skipped, kind } = readLockFile(name, text);
    assert.equal(kind, name);
    assert.deepEqual(
      wishes.map(({ title, paths }) => [title, paths]),
      [["demo-x 1.0", ["simple/demo-x/"]]],
      name,
    );
    assert.deepEqual(skipped, [{ title: "forked 2.0", reason: "comes from no index" }]);
    const files = wishes[0]!.follow!(Buffer.from(JSON.stringify(page))).filter(({ isOptional }) => isOptional !== true);
    assert.deepEqual(
      files.map(({ title, sha256 }) => [title.slice(-9), sha256]),
      [
        ["86_64.whl", a],
        [".0.tar.gz", b],
      ],
      "what the lock names, for Linux",
    );
  }
});

test("a gradle.lockfile and a POM name artifacts with their POMs", () => {
  const paths = (name: string, text: string): string[] =>
    readLockFile(name, text).wishes.flatMap((wish) => wish.paths.map((path) => path.slice(path.lastIndexOf("/") + 1)));
  assert.deepEqual(
    paths("gradle.lockfile", "# c\ncom.acme:lib:1.0=compileClasspath,runtimeClasspath\nempty=testing\n"),
    ["lib-1.0.pom", "lib-1.0.jar", "lib-1.0.module"],
  );
  const pom = `<project xmlns="m"><parent><groupId>com.acme</groupId><artifactId>parent</artifactId><version>7</version></parent>
    <properties><lib.version>1.0</lib.version><other>\${lib.version}.1</other></properties>
    <dependencyManagement><dependencies>
      <dependency><groupId>com.acme</groupId><artifactId>bom</artifactId><version>3</version><type>pom</type><scope>import</scope></dependency>
      <dependency><groupId>com.acme</groupId><artifactId>managed</artifactId><version>4</version></dependency>
    </dependencies></dependencyManagement>
    <dependencies>
      <dependency><groupId>com.acme</groupId><artifactId>lib</artifactId><version>\${other}</version><classifier>linux</classifier></dependency>
      <dependency><groupId>com.acme</groupId><artifactId>managed</artifactId></dependency>
      <dependency><groupId>com.acme</groupId><artifactId>inherited</artifactId></dependency>
      <dependency><groupId>com.acme</groupId><artifactId>range</artifactId><version>[1,2)</version></dependency>
    </dependencies>
    <build><plugins><plugin><artifactId>maven-jar-plugin</artifactId><version>3.4</version></plugin></plugins></build></project>`;
  assert.deepEqual(paths("pom.xml", pom), [
    "parent-7.pom",
    "bom-3.pom",
    "lib-1.0.1.pom",
    "lib-1.0.1-linux.jar",
    "managed-4.pom",
    "managed-4.jar",
    "maven-jar-plugin-3.4.pom",
    "maven-jar-plugin-3.4.jar",
  ]);
  assert.deepEqual(
    readLockFile("pom.xml", pom).skipped.map(({ title }) => title),
    ["what these depend on", "com.acme:inherited", "com.acme:range"],
  );
});

test("prefetching asks as clients do, goes on to what answers name, and tells what could not be had", async () => {
  const wheel = "wheel bytes";
  const sha256 = createHash("sha256").update(wheel).digest("hex");
  const page = {
    files: [
      {
        filename: "demo-1.0-py3-none-any.whl",
        url: "https://mint.example/mirror/pypi/packages/demo-1.0-py3-none-any.whl",
        hashes: { sha256 },
      },
      { filename: "demo-1.0.tar.gz", url: "../../packages/demo-1.0.tar.gz", hashes: { sha256: "00" } },
      { filename: "demo-2.0-py3-none-any.whl", url: "../../packages/demo-2.0.whl", hashes: {} },
    ],
  };
  const asked: string[] = [];
  const answer = async ({ repository, path }: MirrorRead): Promise<MirrorAnswer> => {
    asked.push(`${repository}/${path}`);
    const body = path === "simple/demo/" ? JSON.stringify(page) : path.endsWith(".whl") ? wheel : undefined;
    const status = body === undefined ? 404 : 200;
    const exchange = Promise.resolve({ repository, format: "pypi", key: path, status, outcome: "fetched" } as const);
    return { status, headers: {}, body: body === undefined ? undefined : Buffer.from(body), exchange };
  };
  const pypi: MirrorRepository = { ...plain, name: "pypi", format: "pypi", kind: "proxy" };
  const all: MirrorRepository = { ...plain, name: "all", format: "pypi", kind: "group", members: ["pypi"] };
  const report = await prefetch(
    {
      answer,
      repositories: [pypi, all],
      actor: "ann",
      signal: new AbortController().signal,
      onProgress: () => undefined,
      keep: () => Promise.resolve(true),
    },
    readLockFile("requirements.txt", `demo==1.0 --hash=sha256:${sha256}\nmissing==3\n`),
  );
  assert.deepEqual(asked.toSorted(), [
    "all/packages/demo-1.0-py3-none-any.whl",
    "all/packages/demo-1.0-py3-none-any.whl.metadata",
    "all/simple/demo/",
    "all/simple/missing/",
  ]);
  assert.deepEqual([report.fetchedCount, report.done, report.total], [2, 4, 4]);
  assert.deepEqual(
    report.failed.map(({ title }) => title),
    ["missing 3"],
  );
});

test("prefetching from the lock of a sealed build asks for indexes first, and has the store keep what is made up", async () => {
  const hash = (text: string): string => createHash("sha256").update(text).digest("hex");
  const bodies: Readonly<Record<string, string>> = { "dists/x": "index", "pool/a.deb": "package", moved: "today" };
  const request = (address: string, more: object): object => ({ method: "GET", address, status: 200, ...more });
  const lock = {
    schemaVersion: 1,
    kind: "containerfile",
    recipe: { name: "app", sha256: hash("") },
    containerfile: { path: "Containerfile", sha256: hash("") },
    context: { sha256: hash(""), fileCount: 0 },
    architecture: "amd64",
    args: {},
    epochSeconds: 1,
    bases: [{ reference: "team/base", digest: `sha256:${hash("base")}` }],
    upstreams: [],
    requests: [
      request("apt/pool/a.deb", { sha256: hash("package"), purl: "pkg:deb/a@1" }),
      request("apt/dists/x", { sha256: hash("index") }),
      request("apt/moved", { sha256: hash("yesterday") }),
      request("apt/gone", { status: 404 }),
      request("apt/dists/x", { method: "HEAD" }),
    ],
  };
  const asked: string[] = [];
  const kept = new Map<string, string | undefined>();
  const report = await prefetch(
    {
      answer({ repository, path }) {
        asked.push(path);
        const exchange = Promise.resolve({
          repository,
          format: "apt",
          key: path,
          status: 200,
          outcome: "hit",
        } as const);
        return Promise.resolve({ status: 200, headers: {}, body: Buffer.from(bodies[path]!), exchange });
      },
      repositories: [],
      actor: "ann",
      signal: new AbortController().signal,
      onProgress: () => undefined,
      keep(sha256, bytes) {
        kept.set(sha256, bytes?.toString());
        return Promise.resolve(sha256 !== hash("package"));
      },
    },
    readLockFile("lock.containerfile-amd64.json", JSON.stringify(lock)),
  );
  assert.deepEqual(asked, ["dists/x", "moved", "pool/a.deb"]);
  assert.equal(kept.get(hash("index")), "index");
  assert.ok(!kept.has(hash("today")), "what is not in the lock is of no use");
  assert.deepEqual(
    report.failed.map(({ title, reason }) => [title, reason.split(" ").slice(0, 3).join(" ")]),
    [
      ["apt/moved", "the lock says"],
      ["apt/pool/a.deb", "the store did"],
    ],
  );
  assert.deepEqual(
    report.skipped.map(({ title }) => title),
    [`base team/base@sha256:${hash("base")}`],
  );
});
