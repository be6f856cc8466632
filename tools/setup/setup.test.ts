import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { rootFolder } from "../tree.ts";
import { installCommand, isDebianLike, missingPackages } from "./system-packages.mjs";

test("missingPackages names only what the purpose needs, each with a reason", () => {
  const forUp = missingPackages(["up"], () => false);
  const forTests = missingPackages(["up", "test"], () => false);
  assert.ok(forUp.some((entry) => entry.package === "gpgv"));
  assert.ok(forUp.every((entry) => entry.package !== "podman"));
  assert.ok(forTests.some((entry) => entry.package === "podman"));
  assert.ok(forTests.every((entry) => entry.why.length > 10));
  assert.deepEqual(
    missingPackages(["up", "test"], () => true),
    [],
  );
});

test("isDebianLike knows Debian, Ubuntu and their children from os-release", () => {
  assert.ok(isDebianLike("NAME=x\nID=debian\n"));
  assert.ok(isDebianLike("ID=ubuntu\nID_LIKE=debian\n"));
  assert.ok(isDebianLike('ID=linuxmint\nID_LIKE="ubuntu debian"\n'));
  assert.ok(!isDebianLike('ID=fedora\nID_LIKE="rhel"\nHOME_URL="debian"\n'));
});

test("installCommand is one line that a reader can paste", () => {
  assert.match(installCommand([{ package: "a" }, { package: "b" }]), /^sudo .*--no-install-recommends a b'$/);
});

const worker = `
import { appendFileSync } from "node:fs";
import { withSetupLock } from ${JSON.stringify(join(rootFolder, "tools/setup/setup-lock.mjs"))};
const [lock, log] = process.argv.slice(2);
await withSetupLock(lock, () => undefined, async () => {
  appendFileSync(log, "in ");
  await new Promise((resolve) => setTimeout(resolve, 30));
  appendFileSync(log, "out ");
});`;

test("withSetupLock lets one in at a time and takes over the lock of a dead one", async () => {
  const folder = mkdtempSync(join(tmpdir(), "setup-lock-"));
  try {
    const [script, lock, log] = [join(folder, "worker.mjs"), join(folder, "sub/lock"), join(folder, "log")];
    writeFileSync(script, worker);
    const run = (): Promise<unknown> =>
      new Promise((resolve) => spawn(process.execPath, [script, lock, log], { stdio: "inherit" }).on("close", resolve));
    await run();
    // A number that no process has: above the largest that Linux gives.
    writeFileSync(lock, JSON.stringify({ pid: 2 ** 22 + 1, startedAt: 8e15 }));
    assert.deepEqual(await Promise.all([run(), run(), run()]), [0, 0, 0]);
    assert.equal(readFileSync(log, "utf8"), "in out ".repeat(4));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
