import assert from "node:assert/strict";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { importAdvisories } from "../../advisories/advisories.ts";
import { sha256Hex } from "../../base/hash.ts";
import { tarEnd, tarHeaderBytes } from "../../base/tar-writer.ts";
import { padding, readTar, type TarHeader } from "../../base/tar.ts";
import { sha256Digest, type Digest } from "../../model/digest.ts";
import { emptyDescriptor, mediaTypes, type Descriptor } from "../../model/oci.ts";
import { openRegistry, type Registry } from "../../registry/registry.ts";
import { attestImage, openKey, signImage, type SigningKey } from "../../sign/sign.ts";
import { listFeeds } from "../../store/advisories-records.ts";
import { listAdvisories } from "../../store/advisory-snapshot-records.ts";
import { openStore, type Store } from "../../store/store.ts";
import { putObjects, registrySource } from "../registry-source.ts";
import { exportImages, type ArchiveSite, type ExportRequest } from "./export.ts";
import { importImages, type ImportReport, type ImportRequest } from "./import.ts";

interface Side extends ArchiveSite {
  readonly store: Store;
  readonly registry: Registry;
  readonly release: SigningKey;
}

const quiet = { signal: new AbortController().signal, onBytes: () => undefined };

let folder = "";
let near: Side;
let far: Side;
let root: Digest;

async function openSide(name: string): Promise<Side> {
  const dataDir = join(folder, name);
  const store = await openStore({ dataDir });
  const keys = join(dataDir, "keys");
  const release = await openKey({ folder: keys, name: "release" });
  const evidence = await openKey({ folder: keys, name: "evidence" });
  const trust = { "evidence.pub": evidence.publicPem, "release.pub": release.publicPem };
  return { store, registry: openRegistry(store), trust, release };
}

async function put(
  side: Side,
  repository: string,
  { bytes, reference, mediaType }: { bytes: string; reference?: string; mediaType: string },
): Promise<Descriptor> {
  const digest = sha256Digest(sha256Hex(bytes));
  await side.registry.putManifest({
    repository,
    reference: reference ?? digest,
    mediaType,
    bytes: Buffer.from(bytes),
    actor: "test",
  });
  return { mediaType, digest, size: bytes.length };
}

async function image(side: Side, repository: string, layer: string): Promise<Descriptor> {
  const { digest } = await side.store.blobs.put(Buffer.from(layer));
  await side.store.blobs.put(Buffer.from("{}"));
  for (const blob of [digest, emptyDescriptor.digest]) await side.registry.linkBlob(repository, blob);
  const layers = [{ mediaType: mediaTypes.layerGzip, digest, size: layer.length }];
  const bytes = JSON.stringify({ schemaVersion: 2, mediaType: mediaTypes.manifest, config: emptyDescriptor, layers });
  return await put(side, repository, { bytes, mediaType: mediaTypes.manifest });
}

/** An index of two images, signed and attested, under `team/app:1.0`. */
before(async () => {
  folder = await mkdtemp(join(tmpdir(), "mintmark-archive-"));
  [near, far] = [await openSide("near"), await openSide("far")];
  const children = [await image(near, "team/app", "one"), await image(near, "team/app", "two")];
  const bytes = JSON.stringify({ schemaVersion: 2, mediaType: mediaTypes.index, manifests: children });
  ({ digest: root } = await put(near, "team/app", { bytes, reference: "1.0", mediaType: mediaTypes.index }));
  const source = registrySource(near.registry, near.store.blobs);
  const place = { registry: near.registry, blobs: near.store.blobs, repository: "team/app", actor: "test" };
  const about = { source, repository: "team/app", reference: root, at: "2026-01-02T03:04:05Z" };
  await putObjects(await signImage({ ...about, key: near.release, identities: ["near.example/team/app:1.0"] }), place);
  const evidence = [{ predicateType: "https://test.example/a", predicate: { fine: true } }];
  await putObjects(
    await attestImage({ ...about, key: near.release, name: "near.example/team/app", evidence, attestationTag: true }),
    place,
  );
  await image(near, "team/plain", "plain").then(async ({ digest }) => {
    const found = await near.registry.getManifest("team/plain", digest);
    await put(near, "team/plain", { bytes: found!.bytes.toString(), reference: "1", mediaType: mediaTypes.manifest });
  });
});

after(async () => {
  await near.store.close();
  await far.store.close();
  await rm(folder, { recursive: true });
});

async function exported(name: string, request: Partial<ExportRequest> = {}): Promise<string> {
  const file = join(folder, name);
  const plain = {
    images: ["team/app:1.0"],
    isCompressed: false,
    withAdvisories: false,
    isReplacing: false,
    actor: "test",
  };
  await exportImages(near, { ...plain, ...request, file }, quiet);
  return file;
}

async function imported(file: string, request: Partial<ImportRequest> = {}): Promise<ImportReport> {
  return await importImages(
    far,
    { file, into: undefined, keys: [], withAdvisories: true, actor: "test", ...request },
    quiet,
  );
}

interface Raw {
  readonly path: string;
  readonly bytes: Buffer;
  readonly header?: Partial<TarHeader>;
}

function tar(entries: readonly Raw[]): Buffer {
  const plain = {
    kind: "file",
    mode: 0o644,
    uid: 0,
    gid: 0,
    mtimeSeconds: 0,
    link: "",
    deviceMajor: 0,
    deviceMinor: 0,
    xattrs: {},
  } as const;
  const parts = entries.flatMap(({ path, bytes, header }) => [
    tarHeaderBytes({ ...plain, path, sizeBytes: bytes.length, ...header }),
    bytes,
    Buffer.alloc(padding(bytes.length)),
  ]);
  return Buffer.concat([...parts, tarEnd]);
}

async function entriesOf(file: string): Promise<Raw[]> {
  const entries: Raw[] = [];
  const source = (async function* () {
    yield await readFile(file);
  })();
  for await (const { header, body } of readTar(source)) {
    const chunks: Buffer[] = [];
    for await (const chunk of body()) chunks.push(Buffer.from(chunk));
    entries.push({ path: header.path, bytes: Buffer.concat(chunks) });
  }
  return entries;
}

test("images travel with signatures and evidence, byte for byte the same archive, as often as one likes", async () => {
  const first = await exported("a.tar");
  const second = await exported("b.tar");
  assert.ok((await readFile(first)).equals(await readFile(second)));
  assert.equal(await readFile(`${first}.sha256`, "utf8"), `${sha256Hex(await readFile(first))}  a.tar\n`);
  await assert.rejects(exported("a.tar"), { code: "conflict" });
  await assert.rejects(exported("none.tar", { images: ["team/none:1"] }), { code: "not_found" });
  assert.deepEqual(
    (await readdir(folder)).filter((name) => name.startsWith(".")),
    [],
  );

  const report = await imported(first);
  assert.deepEqual(
    report.images.map(({ repository, digest, tags, isNew, signedBy }) => [repository, digest, tags, isNew, signedBy]),
    [["team/app", root, ["1.0"], true, near.release.id]],
  );
  assert.equal(report.trust, "archive");
  assert.deepEqual(await far.registry.tags("team/app"), await near.registry.tags("team/app"));
  const children = (await far.registry.getManifest("team/app", root))!;
  for (const digest of [
    root,
    ...(JSON.parse(children.bytes.toString()) as { manifests: Descriptor[] }).manifests.map((one) => one.digest),
  ])
    assert.deepEqual(
      (await far.registry.referrers("team/app", digest)).map((one) => one.digest),
      (await near.registry.referrers("team/app", digest)).map((one) => one.digest),
    );
  const again = await imported(first, { keys: [near.release.publicPem] });
  assert.deepEqual([again.images[0]?.isNew, again.trust], [false, "given"]);
});

test("compressed archives are read by what they are; other names and keys are the importer's", async () => {
  const file = await exported("c.tar.zst", { isCompressed: true, images: ["team/app:1.0"] });
  assert.ok((await readFile(file)).length < (await readFile(join(folder, "a.tar"))).length);
  const report = await imported(file, { into: "other/name:2.0" });
  assert.deepEqual([report.images[0]?.repository, report.images[0]?.tags], ["other/name", ["2.0"]]);
  assert.equal((await far.registry.getManifest("other/name", "2.0"))?.digest, root);
  await assert.rejects(imported(file, { keys: [far.release.publicPem], into: "bad/name" }), {
    code: "verification_failed",
  });
  assert.equal((await far.registry.tags("bad/name")).length, 0);
  const plain = await exported("plain.tar", { images: ["team/plain:1", "team/app:1.0"] });
  await assert.rejects(imported(plain, { keys: [near.release.publicPem] }), {
    code: "verification_failed",
    message: /team\/plain/,
  });
  await assert.rejects(imported(plain, { into: "one/name" }), { code: "usage" });
  assert.deepEqual(
    (await imported(plain)).images.map(({ signedBy }) => signedBy),
    [near.release.id, undefined],
  );
});

test("advisories travel with the images and read back as the same", async () => {
  const records = join(folder, "records");
  await mkdir(records);
  const affected = [
    {
      package: { ecosystem: "Debian:12", name: "zlib" },
      ranges: [{ type: "ECOSYSTEM", events: [{ introduced: "0" }, { fixed: "1.3" }] }],
      versions: ["1.2"],
      ecosystem_specific: { urgency: "high" },
    },
  ];
  for (let at = 1; at <= 3; at++)
    await writeFile(
      join(records, `CVE-2026-${at}.json`),
      JSON.stringify({
        id: `CVE-2026-${at}`,
        modified: "2026-01-02T03:04:05Z",
        aliases: ["X-1"],
        summary: "a hole",
        severity: [{ type: "CVSS_V3", score: "CVSS:3.1/AV:N" }],
        database_specific: { severity: "HIGH" },
        affected,
        references: [{ url: "https://a.example/" }],
      }),
    );
  await importAdvisories(near.store, { place: records, feed: "osv/Test" });
  const file = await exported("d.tar", { withAdvisories: true });
  assert.ok((await readFile(file)).equals(await readFile(await exported("e.tar", { withAdvisories: true }))));
  assert.deepEqual((await imported(file)).feeds, [{ feed: "osv/Test", recordCount: 3 }]);
  const known = async ({ store }: Side): Promise<unknown> => [
    await listAdvisories(store.db, "osv/Test", ""),
    (await listFeeds(store.db)).map(({ name, recordCount, ecosystems }) => ({ name, recordCount, ecosystems })),
  ];
  assert.deepEqual(await known(far), await known(near));
});

test("layouts of other programs are read, with names of their own or ours", async () => {
  const config = Buffer.from("{}");
  const layer = Buffer.from("foreign");
  const name = (bytes: Buffer): Digest => sha256Digest(sha256Hex(bytes));
  const manifest = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: mediaTypes.manifest,
      config: { ...emptyDescriptor },
      layers: [{ mediaType: mediaTypes.layerGzip, digest: name(layer), size: layer.length }],
    }),
  );
  const described = { mediaType: mediaTypes.manifest, digest: name(manifest), size: manifest.length };
  const referrer = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: mediaTypes.manifest,
      artifactType: "a/b",
      config: { ...emptyDescriptor },
      layers: [],
      subject: described,
    }),
  );
  const layout = (annotations: Record<string, string>): Raw[] => [
    { path: "oci-layout", bytes: Buffer.from('{"imageLayoutVersion":"1.0.0"}') },
    {
      path: "index.json",
      bytes: Buffer.from(
        JSON.stringify({
          schemaVersion: 2,
          manifests: [
            { ...described, annotations },
            { mediaType: mediaTypes.manifest, digest: name(referrer), size: referrer.length },
          ],
        }),
      ),
    },
    { path: "blobs", bytes: Buffer.alloc(0), header: { kind: "folder" } },
    ...[config, layer, manifest, referrer].map((bytes) => ({ path: `blobs/sha256/${sha256Hex(bytes)}`, bytes })),
    { path: "manifest.json", bytes: Buffer.from("[]") },
  ];
  const file = join(folder, "foreign.tar");
  await writeFile(file, gzipSync(tar(layout({ "org.opencontainers.image.ref.name": "3.1" }))));
  await assert.rejects(imported(file), { code: "usage", message: /which repository/ });
  const report = await imported(file, { into: "foreign/app" });
  assert.deepEqual(
    report.images.map(({ repository, tags }) => [repository, tags]),
    [["foreign/app", ["3.1"]]],
  );
  assert.equal((await far.registry.referrers("foreign/app", described.digest)).length, 1);
  await writeFile(file, tar(layout({ "org.opencontainers.image.ref.name": "registry.example/lib/tool:4" })));
  assert.deepEqual(
    (await imported(file)).images.map(({ repository, tags }) => [repository, tags]),
    [["lib/tool", ["4"]]],
  );
});

describe("what is wrong with an archive is found before anything of it can be seen", () => {
  const refused = async (name: string, bytes: Buffer, code: string): Promise<void> => {
    const file = join(folder, `bad-${name}.tar`);
    await writeFile(file, bytes);
    await assert.rejects(imported(file, { into: "bad/app" }), { code }, name);
    assert.deepEqual(await far.registry.tags("bad/app"), []);
  };

  test("cut short, anywhere", async () => {
    const bytes = await readFile(join(folder, "a.tar"));
    for (const length of [0, 511, 512, 700, 2048, 4096, bytes.length - 2048, bytes.length - 1536])
      await assert.rejects(
        async () => {
          const file = join(folder, "short.tar");
          await writeFile(file, bytes.subarray(0, length));
          await imported(file, { into: "bad/app" });
        },
        (error: { code?: string }) => ["archive_hostile", "verification_failed"].includes(error.code ?? ""),
        String(length),
      );
    await refused("zstd", zstdCompressSync(bytes).subarray(0, 2000), "archive_hostile");
    await writeFile(join(folder, "a.tar.copy"), bytes);
    await writeFile(join(folder, "a.tar.copy.sha256"), `${"0".repeat(64)}  a.tar\n`);
    await assert.rejects(imported(join(folder, "a.tar.copy")), { code: "digest_mismatch" });
    await assert.rejects(imported(join(folder, "nothing.tar")), { code: "not_found" });
  });

  test("links, paths that lead out, doubles, other bytes, bombs", async () => {
    const entries = await entriesOf(join(folder, "a.tar"));
    const empty = Buffer.alloc(0);
    await refused(
      "link",
      tar([{ path: "blobs/sha256/x", bytes: empty, header: { kind: "symlink", link: "/etc/passwd" } }, ...entries]),
      "archive_hostile",
    );
    await refused(
      "hardlink",
      tar([...entries, { path: "b", bytes: empty, header: { kind: "hardlink", link: "index.json" } }]),
      "archive_hostile",
    );
    await refused(
      "out",
      tar([{ path: "blobs/../../../etc/x", bytes: Buffer.from("x") }, ...entries]),
      "archive_hostile",
    );
    await refused("double", tar([...entries, entries.find(({ path }) => path === "index.json")!]), "archive_hostile");
    const other = entries.map((entry) =>
      entry.path.startsWith("blobs/") ? { ...entry, bytes: Buffer.from("other") } : entry,
    );
    await refused("bytes", tar(other), "digest_mismatch");
    await refused(
      "trust",
      tar(
        entries.map((entry) =>
          entry.path.endsWith("release.pub") ? { ...entry, bytes: Buffer.from(far.trust["release.pub"]) } : entry,
        ),
      ),
      "verification_failed",
    );
    await refused(
      "less",
      tar(entries.filter(({ path }, at) => !path.startsWith("blobs/") || at !== entries.length - 1)),
      "verification_failed",
    );
    await refused("no layout", tar(entries.filter(({ path }) => path !== "oci-layout")), "archive_hostile");
    await refused(
      "index",
      tar(entries.map((entry) => (entry.path === "index.json" ? { ...entry, bytes: Buffer.from("[]") } : entry))),
      "archive_hostile",
    );
    await refused(
      "bomb",
      zstdCompressSync(tar([{ path: "padding", bytes: Buffer.alloc(100 * 1024 * 1024) }])),
      "archive_hostile",
    );
    await refused("noise", Buffer.from("not an archive at all".repeat(100)), "archive_hostile");
  });
});
