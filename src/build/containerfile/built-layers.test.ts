import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { silentLog } from "../../base/log.ts";
import { padding, readTar, type TarHeader } from "../../base/tar.ts";
import { tarEnd, tarHeaderBytes } from "../../base/tar-writer.ts";
import { mediaTypes } from "../../model/oci.ts";
import { openStore, type Store } from "../../store/store.ts";
import { openLayer } from "../image-files.ts";
import { compressionOf } from "../layers/layer.ts";
import { builtLayer } from "./built-layers.ts";

type Entry = Partial<TarHeader> & { readonly path: string; readonly content?: string | Buffer };

const epochSeconds = 1_000_000;

describe("a built layer", () => {
  let folder = "";
  let store: Store;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "mintmark-layer-"));
    store = await openStore({ dataDir: join(folder, "data"), log: silentLog });
  });
  after(async () => {
    await store.close();
    await rm(folder, { recursive: true, force: true });
  });

  async function made(
    entries: readonly Entry[],
    mountPoints: readonly string[] = [],
  ): Promise<{
    readonly found: Map<string, { header: TarHeader; content: Buffer }>;
    readonly traces: readonly string[];
  }> {
    const tar = join(folder, "in.tar");
    await writeFile(tar, tarOf(entries));
    const { layer, traces } = await builtLayer({
      tar,
      epochSeconds,
      mountPoints,
      forbidden: Buffer.from("127.0.0.1:5081"),
      compression: compressionOf("zstd"),
      createdBy: "RUN x",
      blobs: store.blobs,
      signal: new AbortController().signal,
    });
    const found = new Map<string, { header: TarHeader; content: Buffer }>();
    if (layer === undefined) return { found, traces };
    const descriptor = { mediaType: mediaTypes.layerZstd, digest: layer.digest, size: layer.sizeBytes };
    for await (const { header, body } of readTar(await openLayer(store.blobs, descriptor))) {
      const chunks: Buffer[] = [];
      for await (const chunk of body()) chunks.push(Buffer.from(chunk));
      found.set(header.path, { header, content: Buffer.concat(chunks) });
    }
    return { found, traces };
  }

  it("turns an overlay's marks into OCI's, also of what would be left out", async () => {
    const { found } = await made([
      { path: "etc", kind: "folder", mode: 0o755 },
      { path: "etc/motd", kind: "character" },
      { path: "var/lib/apt/lists/x", kind: "character" },
      { path: "srv", kind: "folder", xattrs: { "user.overlay.opaque": "y" } },
    ]);
    assert.deepEqual([...found.keys()].sort(), [
      "etc",
      "etc/.wh.motd",
      "srv",
      "srv/.wh..wh..opq",
      "var/lib/apt/lists/.wh.x",
    ]);
    assert.deepEqual(found.get("srv")?.header.xattrs, {});
  });

  it("clamps times and what tells them, and sets none", async () => {
    const bytecode = Buffer.alloc(20);
    bytecode.writeUInt32LE(2_000_000, 8);
    const { found } = await made([
      { path: "old", content: "a", mtimeSeconds: 5 },
      { path: "new", content: "b", mtimeSeconds: 2_000_000 },
      { path: "m.pyc", content: bytecode, mtimeSeconds: 2_000_000 },
      { path: "etc/shadow", content: "root:*:20000:0:99999:7:::\nold:*:3:0:::::\n" },
    ]);
    assert.equal(found.get("old")?.header.mtimeSeconds, 5);
    assert.equal(found.get("new")?.header.mtimeSeconds, epochSeconds);
    assert.equal(found.get("m.pyc")?.content.readUInt32LE(8), epochSeconds);
    assert.equal(found.get("m.pyc")?.content.length, 20);
    assert.equal(found.get("etc/shadow")?.content.toString(), "root:*:11:0:99999:7:::\nold:*:3:0:::::\n");
  });

  it("leaves out logs, caches, keys of hosts and mount points, and keeps what was meant", async () => {
    const { found } = await made(
      [
        "etc/ssh/ssh_host_rsa_key",
        "var/log/dpkg.log",
        "var/cache/apt/pkgcache.bin",
        "etc/resolv.conf",
        "run/mintmark/cache/npm/x",
        "root/.npm/_logs/1.log",
        "var/lib/apt/lists/deb_x",
      ]
        .map((path): Entry => ({ path, content: "x" }))
        .concat([
          { path: "root/.m2", kind: "folder" },
          { path: "root/.m2/settings.xml", content: "" },
          { path: "tmp/mine", content: "x" },
          { path: "run/app", kind: "folder" },
          { path: "var/log/app/access.log", kind: "symlink", link: "/dev/stdout" },
        ]),
      ["root/.m2/settings.xml"],
    );
    assert.deepEqual([...found.keys()].sort(), ["run/app", "tmp/mine", "var/log/app/access.log"]);
  });

  it("tells which files hold the exit's address, also across chunks", async () => {
    const filler = "x".repeat(1024 * 1024 - 5);
    const { traces } = await made([
      { path: "clean", content: "127.0.0.1:508" },
      { path: "leak", content: `${filler}http://127.0.0.1:5081/` },
    ]);
    assert.deepEqual(traces, ["leak"]);
  });

  it("is none where nothing is left", async () => {
    assert.equal((await made([{ path: "etc/hosts", content: "x" }])).found.size, 0);
  });
});

function tarOf(entries: readonly Entry[]): Buffer {
  return Buffer.concat([
    ...entries.flatMap(({ content, ...given }) => {
      const bytes = Buffer.from(content ?? "");
      const header: TarHeader = {
        kind: "file",
        mode: 0o644,
        uid: 0,
        gid: 0,
        mtimeSeconds: 0,
        sizeBytes: bytes.length,
        link: "",
        deviceMajor: 0,
        deviceMinor: 0,
        xattrs: {},
        ...given,
      };
      return [tarHeaderBytes(header), bytes, Buffer.alloc(padding(bytes.length))];
    }),
    tarEnd,
  ]);
}
