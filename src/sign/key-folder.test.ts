import { strict as assert } from "node:assert";
import { createPublicKey, generateKeyPairSync, verify } from "node:crypto";
import { chmod, mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { openKey } from "./sign.ts";
import { sealKey, unsealKey } from "./key-file.ts";

let folder = "";
describe("key folder", () => {
  before(async () => void (folder = await mkdtemp(join(tmpdir(), "mintmark-keys-"))));
  after(() => rm(folder, { recursive: true }));

  test("a key pair is made once, in files that only their owner reads, and signs", async () => {
    const made = await openKey({ folder, name: "release" });
    const opened = await openKey({ folder, name: "release" });
    assert.equal(opened.id, made.id);
    assert.equal((await stat(join(folder, "release.key"))).mode & 0o777, 0o600);
    assert.equal((await stat(join(folder, "passphrase"))).mode & 0o777, 0o600);
    assert.match(
      await readFile(join(folder, "release.key"), "utf8"),
      /^-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----\n/,
    );
    const bytes = Buffer.from("what is signed");
    assert.ok(verify("sha256", bytes, createPublicKey(made.publicPem), opened.sign(bytes)));
  });

  test("two processes that make the same key at once end with one key", async () => {
    const own = await mkdtemp(join(folder, "race-"));
    const keys = await Promise.all(
      [1, 2].map(() => openKey({ folder: own, name: "evidence", passphrase: "together" })),
    );
    assert.equal(keys[0]!.id, keys[1]!.id);
  });

  test("a wrong passphrase, a lost half and a readable passphrase are explained", async () => {
    await assert.rejects(openKey({ folder, name: "release", passphrase: "wrong" }), {
      code: "key_unusable",
      message: /passphrase is wrong/,
    });
    const lost = await mkdtemp(join(folder, "lost-"));
    await writeFile(join(lost, "release.pub"), await readFile(join(folder, "release.pub")));
    await assert.rejects(openKey({ folder: lost, name: "release" }), {
      code: "key_unusable",
      message: /public half exists/,
    });
    const bare = await mkdtemp(join(folder, "bare-"));
    await writeFile(join(bare, "release.key"), await readFile(join(folder, "release.key")));
    await assert.rejects(openKey({ folder: bare, name: "evidence" }), {
      code: "key_unusable",
      message: /"passphrase" is gone/,
    });
    await chmod(join(folder, "passphrase"), 0o644);
    await assert.rejects(openKey({ folder, name: "release" }), { code: "key_unusable", message: /every user/ });
    await chmod(join(folder, "passphrase"), 0o600);
  });

  test("the older label is read; other labels, extreme scrypt parameters and damage are refused", async () => {
    const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    const text = await sealKey(privateKey, "secret");
    const older = await unsealKey(text.replaceAll("SIGSTORE", "COSIGN"), "secret", "k");
    assert.ok(older.equals(privateKey));
    await assert.rejects(unsealKey(text.replaceAll("ENCRYPTED SIGSTORE PRIVATE", "PRIVATE"), "secret", "k"), {
      code: "key_unusable",
      message: /import-key-pair/,
    });
    for (const params of [
      { N: 2, r: 8, p: 1 },
      { N: 2 ** 30, r: 8, p: 1 },
      { N: 65_535, r: 8, p: 1 },
      { N: 65_536, r: 4096, p: 1 },
      { N: 65_536, r: 8, p: 64 },
    ])
      await assert.rejects(unsealKey(rewrite(text, { params }), "secret", "k"), {
        code: "key_unusable",
        message: /out of bounds/,
      });
    await assert.rejects(unsealKey("", "secret", "k"), { code: "key_unusable" });
    await assert.rejects(unsealKey(rewrite(text, { name: "argon2" }), "secret", "k"), { code: "key_unusable" });
  });

  test("a key of another curve is refused", async () => {
    const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-384" });
    await assert.rejects(unsealKey(await sealKey(privateKey, "secret"), "secret", "k"), {
      code: "key_unusable",
      message: /P-256/,
    });
  });
});

function rewrite(text: string, kdf: Record<string, unknown>): string {
  const [head = "", ...lines] = text.trim().split("\n");
  const json = JSON.parse(Buffer.from(lines.slice(0, -1).join(""), "base64").toString()) as { kdf: object };
  return `${head}\n${Buffer.from(JSON.stringify({ ...json, kdf: { ...json.kdf, ...kdf } })).toString("base64")}\n${lines.at(-1)}\n`;
}
