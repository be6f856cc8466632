import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { it } from "node:test";
import { exitAddress } from "./exit.ts";
import { sealedSettings } from "./settings.ts";

const clients = [
  {
    client: "said by variables",
    files: [{ path: "~/.config/pip/pip.conf", content: "x" }],
    environment: { PIP_INDEX_URL: `${exitAddress}/mirror/pypi/simple/` },
  },
  {
    client: "said by a file",
    files: [{ path: "~/.tool/settings.xml", content: "<settings/>" }],
    environment: { A: "1" },
  },
];

it("shows files where variables do not say it, and keeps every cache on a mount", async () => {
  const settings = sealedSettings(clients, { epochSeconds: 7, isReplay: true });
  assert.equal(settings.args["SOURCE_DATE_EPOCH"], "7");
  assert.equal(settings.args["A"], "1");
  assert.ok(settings.mountPoints.includes("root/.tool/settings.xml"));
  assert.ok(!settings.mountPoints.some((path) => path.includes("pip.conf")));
  const folder = await mkdtemp(join(tmpdir(), "mintmark-settings-"));
  try {
    const mounts = await settings.write(folder);
    const shown = new Map(mounts.map((mount) => [mount.to, mount]));
    assert.equal(await readFile(shown.get("/root/.tool/settings.xml")!.from, "utf8"), "<settings/>");
    assert.equal(shown.get("/root/.tool/settings.xml")!.isWritable, false);
    for (const name of ["PIP_CACHE_DIR", "npm_config_cache", "UV_CACHE_DIR", "GOCACHE"]) {
      const mount = shown.get(settings.args[name]!);
      assert.equal(mount?.isWritable, true, name);
      assert.ok((await stat(mount.from)).isDirectory(), name);
    }
    const times = [...shown.values()].find(({ to }) => to.endsWith("99mintmark-time"))!;
    assert.match(await readFile(times.from, "utf8"), /Check-Valid-Until "false"/, "a replay believes old indexes");
  } finally {
    await rm(folder, { recursive: true });
  }
  const live = sealedSettings([], { epochSeconds: 7, isReplay: false });
  const place = await mkdtemp(join(tmpdir(), "mintmark-settings-"));
  try {
    const [time] = (await live.write(place)).filter(({ to }) => to.endsWith("99mintmark-time"));
    assert.doesNotMatch(await readFile(time!.from, "utf8"), /Check-Valid-Until/, "a recording does not");
  } finally {
    await rm(place, { recursive: true });
  }
});
