import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { gzipSync, zstdCompressSync } from "node:zlib";
import fc from "fast-check";
import { sha256Hex } from "../../base/hash.ts";
import { sha256Digest } from "../../model/digest.ts";
import type { Ask, FileAsk, Location, UpstreamReader } from "../format.ts";
import { apt } from "./apt.ts";
import { findInPool, poolIndex } from "./pool-index.ts";
import { readRelease } from "./release.ts";

const ask = (path: string): Ask => apt.classify({ path, query: new URLSearchParams(), accept: "" });

describe("paths", () => {
  const hash = "a".repeat(64);
  for (const [path, expected] of [
    ["dists/bookworm/InRelease", "document dists/bookworm/InRelease"],
    ["dists/buster/updates/Release.gpg", "document dists/buster/updates/Release.gpg"],
    ["InRelease", "document InRelease"],
    ["dists/bookworm/main/binary-amd64/Release", "vouched"],
    ["dists/bookworm/main/binary-amd64/Packages.xz", "vouched"],
    ["dists/bookworm/main/source/Sources.gz", "vouched"],
    ["dists/bookworm/main/Contents-amd64.gz", "vouched"],
    ["dists/bookworm/main/i18n/Translation-pt_BR.bz2", "vouched"],
    ["dists/bookworm/main/dep11/Components-amd64.yml.gz", "vouched"],
    ["dists/bookworm/main/dep11/icons-64x64@2.tar.gz", "vouched"],
    ["dists/bookworm/main/binary-amd64/Packages.diff/Index", "vouched"],
    ["dists/bookworm/main/binary-amd64/Packages.diff/T-2026-01-01-F-2025-12-31.gz", "vouched"],
    ["dists/bookworm/main/installer-amd64/current/images/netboot/mini.iso", "vouched"],
    [`dists/bookworm/main/binary-amd64/by-hash/SHA256/${hash}`, "immutable"],
    [`dists/bookworm/main/binary-amd64/by-hash/SHA256/${hash.slice(1)}`, "refused 400"],
    [`dists/bookworm/main/binary-amd64/by-hash/CRC/${hash}`, "refused 400"],
    ["pool/main/h/hello/hello_2.10-3_amd64.deb", "vouched hello 2.10-3"],
    ["pool/main/g/gcc/libstdc%2b%2b6_12.2%7erc1-14_amd64.deb", "vouched libstdc++6 12.2~rc1-14"],
    ["some_1%253a2.0_all.deb", "vouched some 1:2.0"],
    ["pool/main/h/hello/hello_2.10.orig.tar.gz", "vouched hello"],
    ["odd.deb", "vouched"],
    ["archive-key.asc", "mutable"],
    ["dists/", "refused 404"],
    ["a/%2e%2e/b", "refused 400"],
    ["a%2fb/InRelease", "refused 400"],
    ["a%00b", "refused 400"],
    ["%zz", "refused 400"],
  ] as const)
    test(path, () => {
      const meant = ask(path);
      const text =
        meant.kind === "document"
          ? `document ${meant.source}`
          : meant.kind === "file"
            ? [meant.lifetime, meant.subject?.name, meant.subject?.version]
                .filter((part) => part !== undefined)
                .join(" ")
            : meant.kind === "refused"
              ? `refused ${meant.status}`
              : meant.kind;
      assert.equal(text, expected);
    });

  test("two spellings of a path are one thing, and what it is fetched by is neither scheme nor query", async () => {
    const key = (path: string): string => (ask(path) as FileAsk).key;
    assert.equal(key("pool/a/x%2bx_1%7e1_all.deb"), key("pool/a/x+x_1~1_all.deb"));
    const location = await apt.locate(ask("key:a%3fb%23c.asc") as FileAsk, archive({}).reader);
    assert.equal(location?.url, "key%3Aa%3Fb%23c.asc");
    fc.assert(fc.property(fc.webPath(), (path) => ask(path.slice(1)).kind.length > 0));
  });
});

test("Release: the strongest digest counts, and nothing outside the signature", () => {
  const body = `Origin: X\nAcquire-By-Hash: yes\nComponents: main contrib\nMD5Sum:\n ${"1".repeat(32)} 5 main/x\nSHA256:\n ${"A".repeat(64)} 5 ./main/x\n`;
  const plain = readRelease(body);
  assert.deepEqual(plain.find("main/x"), {
    claim: { algorithm: "sha256", value: "a".repeat(64) },
    sizeBytes: 5,
  });
  assert.equal(plain.isByHash, true);
  assert.deepEqual(plain.components, ["main", "contrib"]);
  const forged = `SHA256:\n ${"f".repeat(64)} 5 main/forged\n`;
  const signed = `${forged}-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\n${body}-----BEGIN PGP SIGNATURE-----\n\nxx\n-----END PGP SIGNATURE-----\n${forged}`;
  assert.equal(readRelease(signed).find("main/forged"), undefined);
  assert.ok(readRelease(signed).find("main/x"));
  assert.deepEqual(readRelease(`-----BEGIN PGP SIGNED MESSAGE-----\n${body}`).find("main/x"), undefined);
});

describe("the list of a pool", () => {
  test("finds each of many by halving, and nothing that is not there", async () => {
    const folder = await mkdtemp(join(tmpdir(), "mintmark-apt-"));
    try {
      await fc.assert(
        fc.asyncProperty(
          fc.uniqueArray(fc.stringMatching(/^[a-z0-9+.~_-]{1,40}$/), { maxLength: 60 }),
          async (names) => {
            const text = names.map((name) => stanza(name, `pool/${name}.deb`, name)).join("\n");
            const bytes = poolIndex(Buffer.from(text));
            const path = join(folder, "list");
            await writeFile(path, bytes);
            const list = { digest: sha256Digest(sha256Hex(bytes)), sizeBytes: bytes.length, path };
            for (const name of names)
              assert.equal((await findInPool(list, `pool/${name}.deb`))?.value, sha256Hex(name), name);
            for (const other of ["", "pool/", "zzz", "pool/~~~"])
              assert.equal(await findInPool(list, other), undefined);
          },
        ),
        { numRuns: 30 },
      );
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  test("is the same of each compression", () => {
    const text = Buffer.from(stanza("a", "./pool//a.deb", "1"));
    const plain = Buffer.from(poolIndex(text)).toString();
    assert.equal(plain, `pool/a.deb sha256 ${sha256Hex("1")} 1 a 1:2\n`);
    for (const packed of [gzipSync(text), zstdCompressSync(text)]) {
      assert.equal(Buffer.from(poolIndex(packed)).toString(), plain);
      assert.throws(() => poolIndex(packed.subarray(0, -9)), { code: "upstream_unreachable" });
    }
  });

  test("names every file of a source package with its strongest digest", () => {
    const sources = `Package: hello\nVersion: 2\nDirectory: pool/h\nFiles:\n ${"1".repeat(32)} 3 hello_2.dsc\nChecksums-Sha256:\n ${"2".repeat(64)} 3 hello_2.dsc\n`;
    const bytes = poolIndex(Buffer.from(sources));
    assert.equal(Buffer.from(bytes).toString(), `pool/h/hello_2.dsc sha256 ${"2".repeat(64)} 3 hello 2\n`);
  });
});

function stanza(name: string, path: string, content: string): string {
  return `Package: ${name}\nVersion: 1:2\nDepends: x,\n y\nFilename: ${path}\nSize: ${content.length}\nMD5sum: ${"0".repeat(32)}\nSHA256: ${sha256Hex(content)}\n`;
}

/** An upstream in memory: what it has, and what was read of it. */
function archive(files: Record<string, string>): { readonly reader: UpstreamReader; readonly asked: string[] } {
  const asked: string[] = [];
  const held = new Map<string, Buffer>();
  const read = async (source: string): Promise<Buffer | undefined> => {
    const location = (await apt.locate({ kind: "document", source, variant: "" }, reader))!;
    // What is claimed to be what is held is not asked for again.
    if (location.claim !== undefined && held.has(source)) return held.get(source);
    const text = files[location.url] ?? files[location.otherwise ?? ""];
    asked.push(location.url);
    if (text === undefined) return undefined;
    held.set(source, Buffer.from(text));
    const { claim } = location;
    if (claim !== undefined) assert.equal(createHash(claim.algorithm).update(text).digest("hex"), claim.value);
    return Buffer.from(text);
  };
  const reader: UpstreamReader = {
    address: "http://archive.example/",
    read,
    facts: async () => undefined,
    async derived(source, name, derive) {
      const document = await read(source);
      if (document === undefined) return undefined;
      const bytes = await derive(document);
      const digest = sha256Digest(sha256Hex(bytes));
      const path = join(await folderOfLists(), `${name}-${sha256Hex(bytes)}`);
      await writeFile(path, bytes);
      return { digest, sizeBytes: bytes.length, path };
    },
    held: async (prefix) => [...held.keys()].filter((source) => source.startsWith(prefix)).sort(),
  };
  return { reader, asked };
}

let lists: Promise<string> | undefined;
async function folderOfLists(): Promise<string> {
  lists ??= mkdtemp(join(tmpdir(), "mintmark-apt-lists-"));
  return await lists;
}

function release(files: Record<string, string>, fields = ""): string {
  const lines = Object.entries(files).map(([path, text]) => ` ${sha256Hex(text)} ${text.length} ${path}\n`);
  return `${fields}Components: main\nSHA256:\n${lines.join("")}`;
}

describe("claims", () => {
  const locate = async (path: string, reader: UpstreamReader): Promise<Location | undefined> =>
    await apt.locate(ask(path) as FileAsk, reader);
  const list = stanza("hello", "pool/main/h/hello_2_amd64.deb", "hello");
  const other = stanza("other", "pool/main/o/other_2_arm64.deb", "other");
  const deb = "pool/main/h/hello_2_amd64.deb";

  test("an index has the digest of its suite's Release, and is asked for by it where the archive offers that", async () => {
    for (const [fields, url, otherwise] of [
      ["", "dists/a/main/binary-amd64/Packages", undefined],
      [
        "Acquire-By-Hash: yes\n",
        `dists/a/main/binary-amd64/by-hash/SHA256/${sha256Hex(list)}`,
        "dists/a/main/binary-amd64/Packages",
      ],
    ] as const) {
      const { reader } = archive({ "dists/a/InRelease": release({ "main/binary-amd64/Packages": list }, fields) });
      const location = await locate("dists/a/main/binary-amd64/Packages", reader);
      assert.equal(location?.url, url);
      assert.equal(location?.otherwise, otherwise);
      assert.deepEqual(location?.claim, { algorithm: "sha256", value: sha256Hex(list) });
      assert.equal(await locate("dists/a/main/binary-s390x/Packages", reader), undefined);
    }
  });

  test("suites with a slash in their name, archives without an inline signature, and flat ones", async () => {
    const slashed = archive({ "dists/a/updates/Release": release({ "main/binary-amd64/Packages": list }) });
    assert.ok((await locate("dists/a/updates/main/binary-amd64/Packages", slashed.reader))?.claim);
    const flatList = stanza("hello", "./amd64/hello_2_amd64.deb", "hello");
    const flat = archive({ InRelease: release({ "./Packages": flatList }), Packages: flatList });
    assert.ok((await locate("Packages", flat.reader))?.claim);
    assert.equal((await locate("amd64/hello_2_amd64.deb", flat.reader))?.claim?.value, sha256Hex("hello"));
  });

  test("a package has the digest of the index that lists it; only indexes that can are read", async () => {
    const { reader, asked } = archive({
      "dists/a/InRelease": release({
        "main/binary-amd64/Packages": list,
        "main/binary-arm64/Packages": other,
        "main/source/Sources": "",
      }),
      "dists/a/main/binary-amd64/Packages": list,
      "dists/a/main/binary-arm64/Packages": other,
    });
    assert.equal(await locate(deb, reader), undefined);
    await reader.read("dists/a/InRelease");
    const location = await locate(deb, reader);
    assert.deepEqual(location?.claim, { algorithm: "sha256", value: sha256Hex("hello") });
    assert.deepEqual(location?.subject, { name: "hello", version: "1:2" });
    assert.ok(!asked.some((url) => url.includes("arm64")));
    assert.equal(await locate("pool/main/h/hello_3_amd64.deb", reader), undefined);
  });

  test("what the day before listed is still known; what is listed anew has its new digest", async () => {
    const path = "dists/a/main/binary-amd64/Packages";
    const files = { "dists/a/InRelease": release({ "main/binary-amd64/Packages": list }), [path]: list };
    const { reader } = archive(files);
    await reader.read("dists/a/InRelease");
    assert.ok(await locate(deb, reader));
    const next = stanza("hello", "pool/main/h/hello_3_amd64.deb", "three");
    Object.assign(files, { "dists/a/InRelease": release({ "main/binary-amd64/Packages": next }), [path]: next });
    assert.equal((await locate("pool/main/h/hello_3_amd64.deb", reader))?.claim?.value, sha256Hex("three"));
    const again = stanza("hello", deb, "rebuilt");
    Object.assign(files, { "dists/a/InRelease": release({ "main/binary-amd64/Packages": again }), [path]: again });
    assert.equal((await locate(deb, reader))?.claim?.value, sha256Hex("rebuilt"));
    assert.equal((await locate("pool/main/h/hello_3_amd64.deb", reader))?.claim?.value, sha256Hex("three"));
  });

  test("patches of an index and images of the installer are listed one step further down", async () => {
    const index = `SHA256-Current: x\nSHA256-Download:\n ${"1".repeat(64)} 5 T-1.gz\n ${"2".repeat(64)} 5 T-2.gz\nSHA256-History:\n ${"3".repeat(64)} 5 T-2\n`;
    const sums = `${"4".repeat(64)}  ./netboot/mini.iso\n`;
    const { reader } = archive({
      "dists/a/InRelease": release({
        "main/binary-amd64/Packages.diff/Index": index,
        "main/installer-amd64/current/images/SHA256SUMS": sums,
      }),
      "dists/a/main/binary-amd64/Packages.diff/Index": index,
      "dists/a/main/installer-amd64/current/images/SHA256SUMS": sums,
    });
    const valueOf = async (path: string): Promise<string | undefined> => (await locate(path, reader))?.claim?.value;
    assert.equal(await valueOf("dists/a/main/binary-amd64/Packages.diff/T-2.gz"), "2".repeat(64));
    assert.equal(await valueOf("dists/a/main/binary-amd64/Packages.diff/T-3.gz"), undefined);
    assert.equal(await valueOf("dists/a/main/installer-amd64/current/images/netboot/mini.iso"), "4".repeat(64));
  });
});

test("clients: in a build the mirror is a proxy, elsewhere a source; a package URL keeps its epoch", () => {
  const [sealed] = apt.clients({ base: "http://127.0.0.1:5081/mirror/debian", isSealed: true });
  assert.match(sealed!.files[0]!.content, /^Acquire::http::Proxy "http:\/\/127\.0\.0\.1:5081";$/m);
  assert.match(sealed!.files[0]!.content, /^\/\/ Acquire::Check-Valid-Until "false";$/m);
  const [open] = apt.clients({ base: "https://mint.example/mirror/debian", isSealed: false });
  assert.match(open!.files[0]!.content, /^URIs: https:\/\/mint\.example\/mirror\/debian$/m);
  assert.equal(apt.purl({ name: "libstdc++6", version: "1:2.0+b1~x" }), "pkg:deb/libstdc%2B%2B6@1:2.0%2Bb1~x");
});
