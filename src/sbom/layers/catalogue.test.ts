import assert from "node:assert/strict";
import { test } from "node:test";
import { deflateRawSync, gzipSync, zstdCompressSync } from "node:zlib";
import fc from "fast-check";
import { catalogueImage, isLayerHead } from "../sbom.ts";
import type { Catalogue } from "./catalogue.ts";
import { debianRelease, dpkgStatus, layerOf, layerTar, packings, type FixtureEntry } from "./layer.fixture.ts";
import type { LayerBlob } from "./layer-stream.ts";

const signal = new AbortController().signal;
const release: FixtureEntry = { path: "etc/os-release", content: debianRelease };
const status = (packages: Record<string, string>): FixtureEntry => ({
  path: "var/lib/dpkg/status",
  content: dpkgStatus(packages),
});

async function read(...layers: (readonly FixtureEntry[] | LayerBlob)[]): Promise<Catalogue> {
  return await catalogueImage(
    layers.map((layer) => ("digest" in layer ? layer : layerOf(packings.gzip(layerTar(layer))))),
    signal,
  );
}

async function versions(...layers: (readonly FixtureEntry[] | LayerBlob)[]): Promise<Record<string, string> | string> {
  const found = await read(...layers);
  return "unscannable" in found
    ? found.unscannable
    : Object.fromEntries(found.packages.map(({ name, version }) => [name, version]));
}

test("layers are read however they are packed, whatever they are called", async () => {
  for (const pack of Object.values(packings)) {
    const layer = layerOf(pack(layerTar([release, status({ curl: "7.88.1-10" })])), 7);
    const found = await read(layer);
    assert.ok("packages" in found);
    assert.deepEqual(found.distribution, { id: "debian", version: "12", codename: "bookworm" });
    assert.deepEqual(found.databases, ["dpkg"]);
    assert.equal(found.packages[0]!.version, "7.88.1-10");
    assert.match(found.omitted.join(), /languages/);
  }
});

test("several frames and members in a row are one layer: nothing behind the first is passed over", async () => {
  const tar = layerTar([release, status({ curl: "1" })]);
  const halves = [tar.subarray(0, 700), tar.subarray(700)];
  const skippable = Buffer.from([0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3]);
  assert.deepEqual(await versions(layerOf(Buffer.concat(halves.map((half) => gzipSync(half))))), { curl: "1" });
  assert.deepEqual(await versions(layerOf(Buffer.concat(halves.map((half) => zstdCompressSync(half))))), { curl: "1" });
  const chunked = Buffer.concat([zstdCompressSync(halves[0]!), skippable, zstdCompressSync(halves[1]!), skippable]);
  assert.deepEqual(await versions(layerOf(chunked)), { curl: "1" });
});

test("the topmost layer counts, and whiteouts concern the layers below only", async () => {
  const base = [release, status({ curl: "1" })];
  assert.deepEqual(await versions(base, [status({ curl: "2" })]), { curl: "2" });
  const none = "it has no package database";
  assert.equal(await versions(base, [{ path: "var/lib/dpkg/.wh.status", content: "" }]), none);
  assert.equal(await versions(base, [{ path: "var/.wh.lib", content: "" }]), none);
  assert.equal(await versions(base, [{ path: "var/lib/.wh..wh..opq", content: "" }]), none);
  assert.equal(await versions(base, [{ path: "var/lib/dpkg/status" }]), none);
  assert.deepEqual(await versions(base, [status({ curl: "3" }), { path: "var/lib/.wh..wh..opq", content: "" }]), {
    curl: "3",
  });
  assert.deepEqual(await versions(base, [status({ curl: "4" }), { path: "var/lib/dpkg/.wh.status", content: "" }]), {
    curl: "4",
  });
  assert.deepEqual(await versions(base, [{ path: "var/lib/dpkg/.wh.statu", content: "" }]), { curl: "1" });
  assert.match(
    (await versions(base, [{ path: "var/lib", content: "a file now" }])) as string,
    /"var\/lib" is neither a file nor a link/,
  );
});

test("distroless keeps a file for each package, alpine one for all", async () => {
  const single = (name: string): FixtureEntry => ({
    path: `./var/lib/dpkg/status.d/${name}`,
    content: `Package: ${name}\nVersion: 9\nArchitecture: amd64\n`,
  });
  const sums = { path: "var/lib/dpkg/status.d/tzdata.md5sums", content: "Package: none\nVersion: 1\n" };
  assert.deepEqual(await versions([release, single("tzdata"), single("base-files"), sums]), {
    "base-files": "9",
    tzdata: "9",
  });
  const installed =
    "C:Q1\nP:libcrypto3\nV:3.3.2-r0\nA:x86_64\no:openssl\nL:Apache-2.0\nF:lib\nR:x\n\nP:busybox\nV:1.36.1-r29\n\n";
  const alpine = await read([
    { path: "lib/apk/db/installed", content: installed },
    { path: "usr/lib/os-release", content: "ID=alpine\nVERSION_ID=3.20.3\n" },
    { path: "etc/os-release", link: "../usr/lib/os-release" },
  ]);
  assert.ok("packages" in alpine);
  assert.equal(alpine.distribution.id, "alpine");
  const [busybox, crypto] = alpine.packages;
  assert.equal(busybox!.source, "busybox");
  assert.deepEqual(
    [crypto!.type, crypto!.name, crypto!.source, crypto!.sourceVersion, crypto!.licences],
    ["apk", "libcrypto3", "openssl", "3.3.2-r0", ["Apache-2.0"]],
  );
  const merged = await versions([
    { path: "lib", link: "usr/lib" },
    { path: "usr/lib/apk/db/installed", content: installed },
    { path: "etc/os-release", content: "ID=alpine\nVERSION_ID=3.22.1\n" },
  ]);
  assert.deepEqual(merged, { busybox: "1.36.1-r29", libcrypto3: "3.3.2-r0" });
});

test("what cannot be told is said, never passed over", async () => {
  assert.equal(await versions([{ path: "bin/app", content: "x" }]), "it has no package database");
  assert.equal(
    await versions([release, { path: "var/lib/rpm/rpmdb.sqlite", content: "x" }]),
    "unsupported package database rpm",
  );
  assert.match((await versions([status({ a: "1" })])) as string, /no os-release/);
  assert.match(
    (await versions([release, status({ a: "1" }), { path: "lib/apk/db/installed", content: "P:x\nV:1\n" }])) as string,
    /two package databases/,
  );
  for (const path of ["var/lib/dpkg", "var", "var/lib/dpkg/status"])
    assert.match((await versions([release, { path, link: "../elsewhere" }])) as string, /behind the link/);
  const hard = await versions([release, { path: "var/lib/dpkg/status", kind: "hardlink", link: "opt/x" }]);
  assert.match(hard as string, /neither a file nor a link/);
  const absent: LayerBlob = { ...layerOf(Buffer.from("x")), open: async () => undefined };
  assert.match((await versions([release, status({ a: "1" })], absent)) as string, /does not have its layer sha256:/);
});

test("bombs and damaged layers are answers", async () => {
  const zeros = Buffer.alloc(80 * 1024 * 1024);
  const bomb = layerTar([{ path: "zeros", content: zeros }]);
  for (const packed of [gzipSync(bomb, { level: 9 }), zstdCompressSync(bomb)])
    assert.match((await versions([release, status({ a: "1" })], layerOf(packed))) as string, /expands beyond/);
  const good = gzipSync(layerTar([release, status({ a: "1" })]));
  assert.match((await versions(layerOf(good.subarray(0, good.length - 40)))) as string, /damaged|cut short/);
  const broken = Buffer.from(good);
  broken.fill(0xff, 60, 90);
  assert.match((await versions(layerOf(broken))) as string, /damaged|checksum|cut short/);
  assert.match((await versions(layerOf(Buffer.from("BZh91AY&SY and so on")))) as string, /bzip2/);
  assert.match((await versions(layerOf(deflateRawSync(bomb)))) as string, /checksum|cut short|octal/);
  assert.match((await versions(...Array.from({ length: 501 }, () => [release]))) as string, /more than 500 layers/);
});

test("the first bytes tell a layer from a document", () => {
  const tar = layerTar([release]);
  const old = Buffer.from(tar.subarray(0, 512));
  old.fill(0, 257, 265);
  let sum = 0;
  old.fill(0x20, 148, 156);
  for (const byte of old) sum += byte;
  old.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  for (const bytes of [tar, old, gzipSync(tar), zstdCompressSync(tar)]) assert.ok(isLayerHead(bytes.subarray(0, 512)));
  for (const text of ['{"critical":{}}', "", "MEUCIQ==", "x".repeat(600)]) assert.ok(!isLayerHead(Buffer.from(text)));
});

test("whatever stands in a layer, reading it ends in an answer", async () => {
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 3000 }).map((raw) => Buffer.from(raw)),
    fc
      .tuple(
        fc.array(fc.record({ path: fc.string({ maxLength: 60 }), content: fc.string() }), { maxLength: 6 }),
        fc.nat(),
      )
      .map(([entries, at]) => {
        const tar = layerTar([release, status({ a: "1" }), ...entries.filter(({ path }) => path !== "")]);
        tar[at % tar.length] = at & 0xff;
        return tar;
      }),
  );
  await fc.assert(
    fc.asyncProperty(bytes, async (raw) => {
      const found = await read(layerOf(raw));
      assert.ok("unscannable" in found ? found.unscannable !== "" : found.packages.length > 0);
    }),
    { numRuns: 150 },
  );
});
