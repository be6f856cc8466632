import assert from "node:assert/strict";
import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { installFiles, undoInstalled, type PlannedFile } from "./client-files.ts";

async function withHome(work: (places: { home: string; stateFile: string }) => Promise<void>): Promise<void> {
  const home = await mkdtemp(join(tmpdir(), "mintmark-home-"));
  try {
    await work({ home, stateFile: join(home, ".local", "state", "client-files.json") });
  } finally {
    await rm(home, { recursive: true, force: true });
  }
}

const npmrc: PlannedFile = { path: "~/.npmrc", content: "registry=http://mirror.example/npm/\n", isWhole: false };

test("a file that is there keeps its other settings, and comes back as it was", async () => {
  await withHome(async (places) => {
    const path = join(places.home, ".npmrc");
    const before = "# mine\nregistry = https://old.example/\n//old.example/:_authToken=secret\n";
    await writeFile(path, before);
    const [step] = await installFiles(places, "npm", [npmrc]);
    assert.deepEqual(step, { path, state: "changed", backup: `${path}.before-mintmark` });
    assert.equal(
      await readFile(path, "utf8"),
      "# mine\nregistry=http://mirror.example/npm/\n//old.example/:_authToken=secret\n",
    );
    assert.equal((await stat(path)).mode & 0o777, 0o600);
    assert.equal((await installFiles(places, "npm", [npmrc]))[0]!.state, "as wanted");
    await installFiles(places, "npm", [{ ...npmrc, content: "registry=http://other.example/npm/\n" }]);
    assert.equal(await readFile(`${path}.before-mintmark`, "utf8"), before);
    assert.deepEqual(await undoInstalled(places, "npm"), [{ path, state: "put back" }]);
    assert.equal(await readFile(path, "utf8"), before);
    await assert.rejects(stat(`${path}.before-mintmark`));
    assert.deepEqual(await undoInstalled(places, undefined), []);
  });
});

test("sections get what belongs to them; files of other kinds are replaced whole; new ones go again", async () => {
  await withHome(async (places) => {
    const pip = join(places.home, ".config", "pip", "pip.conf");
    await mkdir(join(places.home, ".config", "pip"), { recursive: true });
    await writeFile(pip, "[install]\nno-binary = x\n\n[global]\ntimeout = 5\nindex-url = https://old.example\n");
    const settings = join(places.home, ".m2", "settings.xml");
    const daemon = join(places.home, "daemon.json");
    await writeFile(daemon, '{"debug": true}');
    const steps = await installFiles(places, "all", [
      {
        path: "~/.config/pip/pip.conf",
        content: "[global]\nindex-url = http://m/\ntrusted-host = m\n",
        isWhole: false,
      },
      { path: "~/.m2/settings.xml", content: "<settings/>\n", isWhole: false },
      { path: daemon, content: '{"registry-mirrors": ["http://m"]}', isWhole: false },
    ]);
    assert.deepEqual(
      steps.map(({ state }) => state),
      ["changed", "written", "changed"],
    );
    assert.equal(
      await readFile(pip, "utf8"),
      "[install]\nno-binary = x\n\n[global]\ntimeout = 5\nindex-url = http://m/\ntrusted-host = m\n",
    );
    assert.deepEqual(JSON.parse(await readFile(daemon, "utf8")), { debug: true, "registry-mirrors": ["http://m"] });
    await writeFile(settings, "<settings>changed by its owner</settings>");
    const undone = await undoInstalled(places, undefined);
    assert.deepEqual(
      undone.map(({ state }) => state),
      ["put back", "changed since", "put back"],
    );
    assert.equal(await readFile(settings, "utf8"), "<settings>changed by its owner</settings>");
  });
});
