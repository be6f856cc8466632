import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { type KnownManifest, reachable, readManifest } from "./images.ts";
import { digestOf } from "./wire.ts";

interface Link {
  readonly repository: string;
  readonly digest: string;
  readonly size_bytes: number;
}

/**
 * Looks at the data folder of a server that is not running: no row may be without its bytes, whatever killed it.
 */
export function checkNothingIsMissing(dataDir: string): void {
  withDatabase(dataDir, (all) => {
    for (const table of ["blob_links", "trashed_links"])
      for (const link of all<Link>(`select repository, digest, size_bytes from ${table}`)) {
        const path = pathOf(dataDir, link.digest);
        assert.ok(existsSync(path), `${table} of ${link.repository} names ${link.digest}, which has no file`);
        assert.equal(statSync(path).size, link.size_bytes, link.digest);
      }
    const bare = all<{ digest: string }>(`select digest from manifests union select digest from trashed_manifests
      except select digest from manifest_contents`);
    assert.deepEqual(bare, [], "a manifest has lost its bytes");
  });
}

/** Proves that nothing is left that no tag reaches: neither rows nor files. */
export function checkNothingIsLeft(dataDir: string): { readonly blobs: number; readonly manifests: number } {
  return withDatabase(dataDir, (all) => {
    const texts = new Map<string, KnownManifest>();
    for (const { bytes } of all<{ bytes: Uint8Array }>("select bytes from manifest_contents")) {
      const manifest = readManifest(Buffer.from(bytes).toString());
      texts.set(manifest.digest, manifest);
    }
    const links = new Set<string>();
    const used = new Set<string>();
    for (const { name } of all<{ name: string }>("select name from repositories")) {
      const rows = all<{ digest: string }>("select digest from manifests where repository = ?", name);
      const manifests = new Map(rows.map(({ digest }) => [digest, texts.get(digest)!]));
      const tagRows = all<{ name: string; digest: string }>("select name, digest from tags where repository = ?", name);
      const tags = new Map(tagRows.map((row) => [row.name, row.digest]));
      const reached = reachable({ tags, manifests });
      assert.deepEqual([...manifests.keys()].toSorted(), [...reached].toSorted(), `unreachable manifests in ${name}`);
      for (const digest of reached) {
        used.add(digest);
        for (const blob of texts.get(digest)!.blobs) links.add(`${name} ${blob}`);
      }
    }
    const linkRows = all<Link>("select repository, digest from blob_links").map(
      (row) => `${row.repository} ${row.digest}`,
    );
    assert.deepEqual(linkRows.toSorted(), [...links].toSorted(), "links that no manifest names");
    assert.deepEqual([...texts.keys()].toSorted(), [...used].toSorted(), "manifest bytes that no repository has");
    for (const table of ["trashed_links", "trashed_manifests", "uploads", "collection_marks"])
      assert.equal(all<{ count: number }>(`select count(*) as count from ${table}`)[0]!.count, 0, `rows in ${table}`);
    const edges = all<{ parent: string }>("select distinct parent from manifest_edges");
    for (const { parent } of edges) assert.ok(texts.has(parent), `edges of ${parent}, which is gone`);
    const files = blobFiles(dataDir);
    const blobs = new Set([...links].map((link) => link.split(" ")[1]!));
    assert.deepEqual(files.toSorted(), [...blobs].toSorted(), "files that no link names");
    for (const name of ["tmp", "uploads", "quarantine"])
      assert.deepEqual(namesIn(join(dataDir, "blobs", name)), [], `files in ${name}`);
    for (const digest of files) assert.equal(digestOf(readFileSync(pathOf(dataDir, digest))), digest, "damaged");
    return { blobs: files.length, manifests: used.size };
  });
}

type All = <Row>(sql: string, ...parameters: string[]) => Row[];

function withDatabase<T>(dataDir: string, work: (all: All) => T): T {
  const database = new DatabaseSync(join(dataDir, "mintmark.db"));
  try {
    return work(<Row>(sql: string, ...parameters: string[]) => database.prepare(sql).all(...parameters) as Row[]);
  } finally {
    database.close();
  }
}

function blobFiles(dataDir: string): string[] {
  return ["sha256", "sha512"].flatMap((algorithm) =>
    namesIn(join(dataDir, "blobs", algorithm)).flatMap((prefix) =>
      namesIn(join(dataDir, "blobs", algorithm, prefix)).map((name) => `${algorithm}:${name}`),
    ),
  );
}

function pathOf(dataDir: string, digest: string): string {
  const [algorithm = "", hex = ""] = digest.split(":");
  return join(dataDir, "blobs", algorithm, hex.slice(0, 2), hex);
}

function namesIn(folder: string): string[] {
  return existsSync(folder) ? readdirSync(folder) : [];
}
