import assert from "node:assert/strict";
import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { mergedSettings } from "./merged-settings.ts";
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

test("sections get what belongs to them; what is changed since is let be; new ones go again", async () => {
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

test("TOML keeps its other tables, and of a list only the table that stands for all goes", () => {
  const cargo = `[build]\njobs = 4\n\n[source.crates-io]\nreplace-with = "old"\n\n[source.old]\nregistry = "sparse+https://old.example/"\n`;
  const wanted = `[source.crates-io]\nreplace-with = "mintmark"\n\n[source.mintmark]\nregistry = "sparse+http://m/"\n`;
  assert.equal(
    mergedSettings("/h/.cargo/config.toml", cargo, wanted),
    `${cargo.replace('"old"', '"mintmark"')}\n[source.mintmark]\nregistry = "sparse+http://m/"\n`,
  );
  const uv = `native-tls = true\nallow-insecure-host = [\n  "a",\n]\n\n[[index]]\nurl = "https://old.example/"\ndefault = true\n\n[[index]]\nname = "torch"\nurl = "https://torch.example/"\n`;
  const ours = `allow-insecure-host = ["m"]\n\n[[index]]\nurl = "http://m/"\ndefault = true\n`;
  const merged = mergedSettings("/h/uv.toml", uv, ours)!;
  assert.equal(
    merged,
    `native-tls = true\nallow-insecure-host = ["m"]\n\n[[index]]\nname = "torch"\nurl = "https://torch.example/"\n\n[[index]]\nurl = "http://m/"\ndefault = true\n`,
  );
  assert.equal(mergedSettings("/h/uv.toml", merged, ours), merged, "done again, it changes nothing");
  assert.equal(mergedSettings("/h/config.toml", 'source.crates-io.replace-with = "x"\n', wanted), undefined);
});

test("Maven and NuGet keep what is not about sources, YAML its other members", () => {
  const settings = `<?xml version="1.0"?>\n<settings>\n  <!-- <mirrors>old</mirrors> -->\n  <servers><server><id>s</id></server></servers>\n  <mirrors><mirror><id>nexus</id></mirror></mirrors>\n</settings>\n`;
  const wanted = `<?xml version="1.0" encoding="UTF-8"?>\n<settings xmlns="x">\n  <mirrors>\n    <mirror>$&</mirror>\n  </mirrors>\n</settings>\n`;
  const merged = mergedSettings("/h/settings.xml", settings, wanted)!;
  assert.equal(
    merged,
    settings.replace(
      "<mirrors><mirror><id>nexus</id></mirror></mirrors>",
      () => "<mirrors>\n    <mirror>$&</mirror>\n  </mirrors>",
    ),
  );
  assert.equal(mergedSettings("/h/settings.xml", merged, wanted), merged);
  assert.match(mergedSettings("/h/settings.xml", "<settings>\n</settings>", wanted)!, /^<settings>\n {2}<mirrors>/);
  assert.equal(mergedSettings("/h/settings.xml", "<settings>", wanted), undefined);
  const nuget = mergedSettings(
    "/h/NuGet.Config",
    `<configuration><config><add key="http_proxy" value="p"/></config><packageSources><add key="o" value="u"/></packageSources></configuration>`,
    `<configuration><packageSources><clear /></packageSources><packageSourceMapping><clear /></packageSourceMapping></configuration>`,
  );
  assert.match(nuget!, /http_proxy.*<packageSources><clear \/><\/packageSources> *<packageSourceMapping>/);
  assert.equal(
    mergedSettings(
      "/h/.yarnrc.yml",
      `# mine\nnodeLinker: node-modules\nunsafeHttpWhitelist:\n  - "old"\nnpmRegistryServer: "https://old"\n`,
      `npmRegistryServer: "http://m"\nunsafeHttpWhitelist:\n  - "m"\n`,
    ),
    `# mine\nnodeLinker: node-modules\nunsafeHttpWhitelist:\n  - "m"\nnpmRegistryServer: "http://m"\n`,
  );
});
