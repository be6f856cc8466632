import assert from "node:assert/strict";
import { mkdir, mkdtemp, readdir, rm, symlink, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { countGeneration, listFeeds, takeFence } from "../store/advisories-records.ts";
import { openStore, type Store } from "../store/store.ts";
import { combinedLookup, importAdvisories, indexLookup, securitySuiteLookup } from "./advisories.ts";
import { importOsv } from "./osv/import.ts";
import { writeZip } from "../base/zip.fixture.ts";

interface RecordOptions {
  readonly modified?: string;
  readonly withdrawn?: string;
  readonly fixed?: string;
  readonly packageName?: string;
}

function record(id: string, options: RecordOptions = {}): [string, string] {
  const { modified = "2026-10-01T00:00:00Z", withdrawn, fixed = "2", packageName = "zlib" } = options;
  const events = [{ introduced: "0" }, { fixed }];
  return [
    `${id}.json`,
    JSON.stringify({
      id,
      modified,
      withdrawn,
      affected: [{ package: { ecosystem: "Debian:12", name: packageName }, ranges: [{ type: "ECOSYSTEM", events }] }],
    }),
  ];
}

async function withStore(work: (store: Store, folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "mintmark-advisories-"));
  const store = await openStore({ dataDir: join(folder, "data") });
  try {
    await work(store, folder);
  } finally {
    await store.close();
    await rm(folder, { recursive: true });
  }
}

async function zipAt(folder: string, files: readonly (readonly [string, string])[], label = "Debian"): Promise<string> {
  await mkdir(join(folder, label), { recursive: true });
  const path = join(folder, label, "all.zip");
  await writeFile(path, writeZip(files, { deflate: true, wide: false }));
  return path;
}

/** What a scan would see: the fix of each advisory on zlib, by id. */
async function visible(store: Store): Promise<string[]> {
  const lookup = indexLookup(store.db);
  const candidates = await lookup.candidates("Debian:12", ["zlib"]);
  const descriptions = await lookup.describe(candidates.map((candidate) => candidate.key));
  return candidates
    .map((candidate) => `${descriptions.get(candidate.key)?.id} ${candidate.ranges[0]?.[1]?.[1]}`)
    .sort();
}

test("an import is incremental by modified, and a complete feed forgets what it lacks", async () => {
  await withStore(async (store, folder) => {
    const place = await zipAt(folder, [
      record("A-1"),
      record("A-2"),
      record("A-3"),
      record("A-4", { withdrawn: "2026-10-01T00:00:00Z" }),
    ]);
    const [first] = await importAdvisories(store, { place });
    assert.deepEqual(
      [first?.added, first?.changed, first?.removed, first?.unchanged, first?.invalidCount],
      [4, 0, 0, 0, 0],
    );
    assert.deepEqual(await visible(store), ["A-1 2", "A-2 2", "A-3 2"]);
    await zipAt(folder, [
      record("A-1", { fixed: "ignored: same modified" }),
      record("A-2", { fixed: "3", modified: "2026-10-02T00:00:00Z" }),
      record("A-5"),
    ]);
    const [second] = await importAdvisories(store, { place });
    assert.deepEqual([second?.added, second?.changed, second?.removed, second?.unchanged], [1, 1, 2, 1]);
    assert.deepEqual(await visible(store), ["A-1 2", "A-2 3", "A-5 2"]);
    const [third] = await importAdvisories(store, { place });
    assert.deepEqual([third?.added, third?.changed, third?.removed, third?.unchanged], [0, 0, 0, 3]);
    const [feed] = await listFeeds(store.db);
    assert.deepEqual(
      [feed?.name, feed?.source, feed?.recordCount, feed?.dataAt, feed?.ecosystems],
      ["osv/Debian", place, 3, Date.UTC(2026, 9, 2), { "Debian:12": 3 }],
    );
    assert.equal((await countGeneration(store.db, "osv/Debian", 2)).recordCount, 3);
    assert.equal((await countGeneration(store.db, "osv/Debian", 1)).recordCount, 1, "what nobody sees is gone");
  });
});

test("bad records are counted, named, and do not displace their older versions", async () => {
  await withStore(async (store, folder) => {
    const place = await zipAt(folder, [record("A-1"), record("A-2"), record("A-3")]);
    await importAdvisories(store, { place });
    await zipAt(folder, [
      ["A-1.json", "{"],
      ["A-2.json", JSON.stringify({ id: "A-2", modified: "2026-11-01T00:00:00Z", affected: 7 })],
      record("A-3"),
      ["x/A-3.json", record("A-3")[1]],
      ["other.json", "null"],
    ]);
    const [report] = await importAdvisories(store, { place });
    assert.equal(report?.invalidCount, 4);
    assert.deepEqual(
      report?.invalid.map((problem) => problem.record),
      ["A-1.json", "x/A-3.json", "other.json", "A-2"],
    );
    assert.deepEqual(await visible(store), ["A-1 2", "A-2 2", "A-3 2"]);
    await zipAt(folder, [["A-1.json", "{"]]);
    await assert.rejects(importAdvisories(store, { place }), { code: "advisory_invalid" });
    await writeFile(place, "PK but no zip");
    await assert.rejects(importAdvisories(store, { place }), { code: "archive_hostile" });
    assert.deepEqual(await visible(store), ["A-1 2", "A-2 2", "A-3 2"]);
  });
});

test("an import that dies half-way shows the old records, and the next one starts clean", async () => {
  await withStore(async (store) => {
    const source = (count: number, { fixed, modified, failAt = Infinity }: RecordOptions & { failAt?: number }) => ({
      label: "x",
      location: "x",
      isComplete: true,
      async *records() {
        for (let index = 0; index < count; index++) {
          if (index === failAt) throw new Error("power cut");
          const [name, text] = record(`A-${index}`, { ...(fixed && { fixed }), ...(modified && { modified }) });
          yield { name, bytes: Buffer.from(text) };
        }
      },
    });
    const options = { feed: "osv/x", signal: undefined, onProgress: undefined };
    await importOsv(store, source(500, { modified: "2026-10-01T00:00:00Z" }), options);
    const before = await visible(store);
    await assert.rejects(
      importOsv(store, source(900, { fixed: "3", modified: "2026-10-02T00:00:00Z", failAt: 850 }), options),
      /power cut/,
    );
    assert.deepEqual(await visible(store), before);
    assert.ok((await countGeneration(store.db, "osv/x", 2)).recordCount > 500, "the dead import left rows behind");
    const report = await importOsv(store, source(450, { fixed: "4", modified: "2026-10-03T00:00:00Z" }), options);
    assert.deepEqual([report.added, report.changed, report.removed], [0, 450, 50]);
    assert.equal((await visible(store)).filter((line) => line.endsWith(" 4")).length, 450);
    assert.deepEqual(await countGeneration(store.db, "osv/x", 2), {
      recordCount: 450,
      ecosystems: { "Debian:12": 450 },
    });
    assert.deepEqual(await countGeneration(store.db, "osv/x", 1), { recordCount: 0, ecosystems: {} });
  });
});

test("a second import of a feed takes the pen from the first", async () => {
  await withStore(async (store) => {
    const options = { feed: "osv/x", signal: undefined, onProgress: undefined };
    const slow = {
      label: "x",
      location: "x",
      isComplete: true,
      async *records() {
        await store.transaction((db) => takeFence(db, "osv/x", "another"));
        const [name, text] = record("A-1");
        yield { name, bytes: Buffer.from(text) };
      },
    };
    await assert.rejects(importOsv(store, slow, options), { code: "conflict" });
    assert.deepEqual(await visible(store), []);
  });
});

test("folders of records, folders of feeds and single records are found", async () => {
  await withStore(async (store, folder) => {
    await zipAt(join(folder, "feeds"), [record("A-1")]);
    await zipAt(join(folder, "feeds"), [record("B-1", { modified: "2027-07-01T00:00:00Z" }), record("B-2")], "PyPI");
    await writeFile(join(folder, "feeds", "kev.json"), "{}");
    const reports = await importAdvisories(store, { place: join(folder, "feeds") });
    assert.deepEqual(
      reports.map((report) => [report.feed.name, report.added]),
      [
        ["osv/Debian", 1],
        ["osv/PyPI", 2],
      ],
    );
    assert.equal(reports[1]?.feed.dataAt, Date.UTC(2026, 9, 1), "a date years ahead says nothing about the feed");
    const loose = join(folder, "loose");
    await mkdir(loose);
    for (const id of ["C-1", "C-2"]) await writeFile(join(loose, `${id}.json`), record(id)[1]);
    await symlink("/dev/zero", join(loose, "C-3.json"));
    assert.equal((await importAdvisories(store, { place: loose }))[0]?.added, 2);
    const single = join(folder, "D-1.json");
    await writeFile(single, record("D-1")[1]);
    await importAdvisories(store, { place: single, feed: "osv/loose" });
    assert.equal((await visible(store)).length, 6, "a single record removes nothing");
    await assert.rejects(importAdvisories(store, { place: join(folder, "nowhere") }), { code: "not_found" });
    await assert.rejects(importAdvisories(store, { place: join(folder, "data") }), { code: "usage" });
    await assert.rejects(importAdvisories(store, { place: "ftp://x.example/all.zip" }), { code: "usage" });
  });
});

test("an address is downloaded, imported and leaves no file behind", async () => {
  await withStore(async (store, folder) => {
    const bytes = writeZip([record("A-1")], { deflate: true, wide: false });
    const server = createServer((request, response) => {
      if (request.url === "/osv/Debian/all.zip?key=secret") response.end(bytes);
      else response.writeHead(404).end();
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    try {
      const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}/osv/Debian/all.zip`;
      const temporaryFolder = join(folder, "temporary");
      await mkdir(temporaryFolder);
      const [report] = await importAdvisories(store, { place: `${address}?key=secret`, temporaryFolder });
      assert.deepEqual([report?.feed.name, report?.feed.source, report?.added], ["osv/Debian", address, 1]);
      await assert.rejects(importAdvisories(store, { place: address, temporaryFolder }), { code: "not_found" });
      assert.deepEqual(await readdir(temporaryFolder), []);
    } finally {
      server.closeAllConnections();
      server.close();
    }
  });
});

test("lookups add up, and say which feed covers what", async () => {
  await withStore(async (store, folder) => {
    await importAdvisories(store, { place: await zipAt(folder, [record("A-1")]) });
    const installed = {
      type: "deb",
      name: "zlib1g",
      version: "1",
      architecture: "amd64",
      source: "zlib",
      sourceVersion: "1",
    };
    const candidate = {
      name: "zlib1g",
      architecture: "amd64",
      source: "zlib",
      candidateVersion: "2",
      candidateSourceVersion: "2",
      suite: "s",
      dateSeconds: 1_790_000_000,
    };
    const suite = await securitySuiteLookup({
      packages: [installed],
      suites: { packageCount: 1, dateSeconds: candidate.dateSeconds },
      candidates: [candidate],
      distribution: { id: "debian", version: "12", codename: "bookworm" },
      ecosystem: "Debian:12",
      changelogOf: async () => "zlib (2) s; urgency=high\n\n  * CVE-2026-0001\n",
      compare: (a, b) => Number(a) - Number(b),
    });
    const lookup = combinedLookup([suite, indexLookup(store.db)]);
    assert.deepEqual(await lookup.feeds("Debian:12"), [
      { feed: "apt-security", dataAt: "2026-09-21T14:13:20Z", recordCount: 1, covers: true },
      { feed: "osv/Debian", dataAt: "2026-10-01T00:00:00Z", covers: true, recordCount: 1 },
    ]);
    assert.deepEqual(
      (await lookup.feeds("Debian:13")).map((feed) => feed.covers),
      [false, false],
    );
    const candidates = await lookup.candidates("Debian:12", ["zlib", "zip"]);
    assert.deepEqual(
      candidates.map((found) => found.feed),
      ["apt-security", "osv/Debian"],
    );
    const descriptions = await lookup.describe(candidates.map((found) => found.key));
    assert.deepEqual(
      [...descriptions.values()].map((description) => description.id),
      ["CVE-2026-0001", "A-1"],
    );
    assert.deepEqual(await lookup.candidates("Debian:13", ["zlib"]), []);
  });
});
