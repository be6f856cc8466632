import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import fc from "fast-check";
import { Failure } from "../base/errors.ts";
import { configKeys } from "./config-keys.ts";
import { loadConfig } from "./config.ts";
import { explainConfig } from "./explain.ts";
import { nearestName } from "./nearest-name.ts";

describe("configuration", () => {
  let folder = "";
  let empty: { flags: Record<string, unknown>; environment: Record<string, string>; cwd: string };
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "mintmark-config-"));
    empty = { flags: {}, environment: { HOME: folder }, cwd: folder };
  });
  after(() => rm(folder, { recursive: true }));

  const write = async (name: string, text: string): Promise<string> => {
    await writeFile(join(folder, name), text);
    return join(folder, name);
  };
  const failsWith = (message: RegExp, hint?: RegExp) => (error: unknown) => {
    assert.ok(error instanceof Failure);
    assert.equal(error.code, "config_invalid");
    assert.match(error.message, message);
    if (hint !== undefined) assert.match(error.hint ?? "", hint);
    return true;
  };

  test("needs nothing: the defaults run", async () => {
    const config = await loadConfig(empty);
    assert.deepEqual(config.listen, { host: "127.0.0.1", port: 5080 });
    assert.equal(config.dataDir, join(folder, ".local", "share", "mintmark"));
    assert.deepEqual(config.gate.block, ["critical"]);
    assert.equal(config.tls, undefined);
  });

  test("keeps its data beside the checkout when started inside it", async () => {
    const config = await loadConfig({ ...empty, cwd: import.meta.dirname });
    assert.equal(config.dataDir, join(import.meta.dirname, "..", "..", ".mintmark"));
  });

  test("takes flags before environment before file", async () => {
    const file = await write("three.yaml", "listen: 127.0.0.1:1\nlogLevel: error\ndata: here\n");
    const environment = { ...empty.environment, MINTMARK_LISTEN: "127.0.0.1:2", MINTMARK_LOG_LEVEL: "warn" };
    const config = await loadConfig({ ...empty, file, environment, flags: { listen: "[::1]:3" } });
    assert.deepEqual(config.listen, { host: "::1", port: 3 });
    assert.equal(config.logLevel, "warn");
    assert.equal(config.dataDir, join(folder, "here"), "a path of a file counts from the file's folder");
  });

  test("reads nested keys, lists and mappings", async () => {
    const file = await write(
      "nested.yaml",
      "gate:\n  block: [critical, high]\nupstreams:\n  apt:\n    - { uri: 'http://archive.test/debian', suite: trixie, components: [main], signedBy: /k.gpg }\n",
    );
    const config = await loadConfig({
      ...empty,
      file,
      environment: { ...empty.environment, MINTMARK_ADVISORIES_SOURCES: "a, b" },
    });
    assert.deepEqual(config.gate.block, ["critical", "high"]);
    assert.equal(config.upstreams.apt[0]?.suite, "trixie");
    assert.deepEqual(config.advisories.sources, ["a", "b"]);
  });

  test("refuses an unknown key and suggests the near one", async () => {
    const file = await write("misspelt.yaml", "lisen: 127.0.0.1:1\n");
    await assert.rejects(
      loadConfig({ ...empty, file }),
      failsWith(/the key "lisen" is not known/, /Did you mean "listen"/),
    );
  });

  test("names key, value and source of a wrong value", async () => {
    const environment = { ...empty.environment, MINTMARK_LISTEN: "80" };
    await assert.rejects(
      loadConfig({ ...empty, environment }),
      failsWith(/"listen": "80" from environment MINTMARK_LISTEN: must be HOST:PORT/),
    );
    await assert.rejects(loadConfig({ ...empty, flags: { anonymousRead: "maybe" } }), failsWith(/"anonymousRead"/));
    await assert.rejects(loadConfig({ ...empty, flags: { "tls.certFile": "a" } }), failsWith(/go together/));
    await assert.rejects(loadConfig({ ...empty, file: join(folder, "none.yaml") }), failsWith(/it does not exist/));
  });

  test("hides secrets, also wrong ones, and reads them from files", async () => {
    const short = { ...empty.environment, MINTMARK_KEYS_PASSPHRASE: "hush" };
    await assert.rejects(
      loadConfig({ ...empty, environment: short }),
      (error: Failure) => !error.message.includes("hush"),
    );
    const path = await write("passphrase", "correct horse\n");
    const environment = { ...empty.environment, MINTMARK_KEYS_PASSPHRASE_FILE: path };
    assert.equal((await loadConfig({ ...empty, environment })).keys.passphrase, "correct horse");
    const explained = await explainConfig({ ...empty, environment });
    const key = explained.keys.find(({ name }) => name === "keys.passphrase");
    assert.deepEqual([key?.value, key?.source], ["[hidden]", "environment MINTMARK_KEYS_PASSPHRASE_FILE"]);
  });

  test("explains every key once and reports names that mean nothing", async () => {
    const explained = await explainConfig({ ...empty, environment: { ...empty.environment, MINTMARK_LISTN: "x" } });
    assert.deepEqual(
      explained.keys.map(({ name }) => name),
      configKeys.map(({ name }) => name),
    );
    assert.deepEqual(explained.unknownEnvironment, ["MINTMARK_LISTN"]);
  });

  test("names environment variables mechanically", () => {
    for (const { name, environment } of configKeys)
      assert.equal(
        environment,
        `MINTMARK_${name
          .replaceAll(/([A-Z])/g, "_$1")
          .replaceAll(".", "_")
          .toUpperCase()}`,
      );
  });
});

test("nearestName finds a name after one edit and is symmetric about swaps", () => {
  assert.equal(nearestName("biuld", ["scan", "build"]), "build");
  assert.equal(nearestName("xyz", ["scan", "build"]), undefined);
  fc.assert(
    fc.property(fc.string({ minLength: 5, maxLength: 12 }), fc.nat(11), (name, at) => {
      const position = at % name.length;
      assert.equal(nearestName(name.slice(0, position) + name.slice(position + 1), [name]), name);
    }),
  );
});
