import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { type FaultyProxy, openFaultyProxy } from "../../src/registry/remote/faulty-proxy.fixture.ts";
import { mintmark } from "./command-line.ts";
import { pushImage, runServer, type RunningServer } from "./running-server.ts";

interface Sides {
  readonly home: string;
  readonly far: RunningServer;
  readonly wire: FaultyProxy;
  readonly dataDir: string;
}

const layerBytes = 42_000_000;
const chunkBytes = 10 * 1024 * 1024;

async function withSides(work: (sides: Sides) => Promise<void>): Promise<void> {
  const home = await mkdtemp(join(tmpdir(), "mintmark-kill-"));
  const far = await runServer(join(home, "far"), { MINTMARK_ANONYMOUS_READ: "false" });
  const wire = await openFaultyProxy(far.url);
  try {
    const secret = Buffer.from(far.administrator.slice("Basic ".length), "base64").toString().slice("admin:".length);
    await writeFile(join(home, "secret"), secret, { mode: 0o600 });
    const dataDir = join(home, "near");
    await ok(dataDir, "peer", "add", "far", wire.url, "--username", "admin", "--secret-file", join(home, "secret"));
    await work({ home, far, wire, dataDir });
  } finally {
    await wire.close();
    await far.close();
    await rm(home, { recursive: true, force: true });
  }
}

async function ok(dataDir: string, ...args: readonly string[]): Promise<void> {
  const ran = await mintmark(dataDir, ...args);
  assert.equal(ran.code, 0, `${args.join(" ")}\n${ran.out}${ran.err}`);
}

/** Runs a rule in a process of its own until `isTime`, and kills it. */
async function killed(dataDir: string, rule: string, isTime: () => boolean): Promise<void> {
  const script = join(import.meta.dirname, "replicator.ts");
  const child = spawn(process.execPath, [script, dataDir, rule], { stdio: ["ignore", "ignore", "inherit"] });
  const ended = once(child, "exit");
  try {
    for (let tries = 0; !isTime(); tries++) {
      assert.ok(tries < 1200, "the transfer gets half-way");
      assert.equal(child.exitCode, null, "it goes on until it is killed");
      await wait(50);
    }
    // What is on its way arrives.
    await wait(1000);
  } finally {
    child.kill("SIGKILL");
  }
  await ended;
}

/** Opens the folder again, as a restart does, and waits until an image is there. */
async function restarted(dataDir: string, isThere: (near: RunningServer) => Promise<boolean>): Promise<void> {
  const near = await runServer(dataDir);
  try {
    for (let tries = 0; !(await isThere(near)); tries++) {
      assert.ok(tries < 1200, "the transfer goes on after the restart");
      await wait(50);
    }
  } finally {
    await near.close();
  }
}

test("a push that was killed goes on where the peer has bytes already", async () => {
  await withSides(async ({ dataDir, wire, far }) => {
    const near = await runServer(dataDir);
    await pushImage(near, "team/app", "1", Buffer.alloc(layerBytes, "k"));
    await near.close();
    await ok(dataDir, "replication", "set", "out", "--to", "far", "--repository", "team/app");
    const patches = (): number => wire.requests.filter((line) => line.startsWith("PATCH")).length;
    // The third part never gets through to the peer.
    const off = wire.fault({ match: /^PATCH /, isSilent: true, after: 2 });
    await killed(dataDir, "out", () => patches() >= 3);
    off();
    const before = wire.sent();
    assert.ok(before >= 2 * chunkBytes);
    await restarted(dataDir, async () => (await far.factory.registry.getManifest("team/app", "1")) !== undefined);
    assert.ok(wire.sent() - before < layerBytes - chunkBytes, `sent ${wire.sent() - before} after the restart`);
  });
});

test("a pull that was killed goes on where the store has bytes already", async () => {
  await withSides(async ({ dataDir, wire, far }) => {
    await pushImage(far, "team/app", "1", Buffer.alloc(layerBytes, "p"));
    await ok(dataDir, "replication", "set", "in", "--from", "far", "--repository", "team/app");
    const off = wire.fault({ match: /^GET .*\/blobs\//, stallAfterBytes: layerBytes / 2 });
    await killed(dataDir, "in", () => wire.received() >= layerBytes / 2);
    off();
    const before = wire.received();
    await restarted(dataDir, async (near) => (await near.factory.registry.getManifest("team/app", "1")) !== undefined);
    const after = wire.received() - before;
    assert.ok(after < layerBytes * 0.6, `received ${after} after the restart`);
    assert.ok(wire.headers.some(({ range }) => range?.startsWith("bytes=") === true));
  });
});
