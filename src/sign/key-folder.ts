import { createPublicKey, generateKeyPairSync, sign, type KeyObject } from "node:crypto";
import { link, mkdir, open, readdir, readFile, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { newId, newSecret } from "../base/clock.ts";
import { Failure, systemCodeOf } from "../base/errors.ts";
import { syncFolder, writeFileAtomic } from "../base/files.ts";
import { bounds } from "./bounds.ts";
import { sealKey, unsealKey } from "./key-file.ts";
import { keyIdOf } from "./public-key.ts";
import type { KeyRequest, SigningKey } from "./sign.ts";

/** Opens the key pair of {@link KeyRequest}, or makes it; the door says what it promises. */
export async function openKeyPair(request: KeyRequest): Promise<SigningKey> {
  const keyPath = join(request.folder, `${request.name}.key`);
  const publicPath = join(request.folder, `${request.name}.pub`);
  await mkdir(request.folder, { recursive: true, mode: 0o700 });
  let sealed = await readSmall(keyPath);
  let publicPem = await readSmall(publicPath);
  if (sealed === undefined && publicPem !== undefined)
    throw new Failure(
      "key_unusable",
      `Cannot open the key "${keyPath}": the file is gone, but its public half exists`,
      {
        hint: `Restore the key from a backup, or move "${publicPath}" away to have a new pair made and trust it on every client`,
      },
    );
  const passphrase = request.passphrase ?? (await openPassphrase(request.folder));
  if (sealed === undefined) {
    const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    await createOnce(keyPath, await sealKey(privateKey, passphrase), 0o600);
    // Another process may have been first: what is on the disk counts.
    sealed = (await readSmall(keyPath)) ?? "";
  }
  const key = signingKey(await unsealKey(sealed, passphrase, keyPath));
  publicPem ??= await readSmall(publicPath);
  if (publicPem === undefined) await writeFileAtomic(publicPath, key.publicPem, 0o644);
  else if (publicPem.trim() !== key.publicPem.trim())
    throw new Failure(
      "key_unusable",
      `Cannot use the key "${keyPath}": "${publicPath}" is the public half of another key`,
      {
        hint: "Restore both files of the pair from one backup",
      },
    );
  return key;
}

function signingKey(key: KeyObject): SigningKey {
  const publicKey = createPublicKey(key);
  return {
    id: keyIdOf(publicKey),
    publicPem: publicKey.export({ type: "spki", format: "pem" }).toString(),
    sign(bytes) {
      return sign("sha256", bytes, { key, dsaEncoding: "der" });
    },
  };
}

async function openPassphrase(folder: string): Promise<string> {
  const path = join(folder, "passphrase");
  let text = await readSmall(path);
  // A new passphrase beside keys that were sealed with a lost one would only hide the loss.
  if (text === undefined && !(await readdir(folder)).some((name) => name.endsWith(".key"))) {
    await createOnce(path, `${newSecret()}\n`, 0o600);
    text = await readSmall(path);
  }
  if (text === undefined)
    throw new Failure("key_unusable", `Cannot open the keys in "${folder}": the file "passphrase" is gone`, {
      hint: "Restore it from a backup or give the passphrase in the configuration",
    });
  if (((await stat(path)).mode & 0o007) !== 0)
    throw new Failure("key_unusable", `Cannot trust "${path}": every user of this machine may read or change it`, {
      hint: `Run \`chmod 600 ${path}\``,
    });
  return text.trimEnd();
}

/** The text of a small file, or undefined where it does not exist. */
async function readSmall(path: string): Promise<string | undefined> {
  try {
    if ((await stat(path)).size > bounds.keyFileBytes)
      throw new Failure("key_unusable", `Cannot use "${path}": it is larger than a key can be`);
    return await readFile(path, "utf8");
  } catch (error) {
    if (systemCodeOf(error) === "ENOENT") return undefined;
    throw error;
  }
}

/** Writes a file whole and durable, unless it exists: of two writers the first wins and neither is told. */
async function createOnce(path: string, text: string, mode: number): Promise<void> {
  const folder = join(path, "..");
  const temporary = join(folder, `.${newId()}.tmp`);
  try {
    const handle = await open(temporary, "wx", mode);
    try {
      await handle.writeFile(text);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await link(temporary, path).catch((error: unknown) => {
      if (systemCodeOf(error) !== "EEXIST") throw error;
    });
  } finally {
    await rm(temporary, { force: true });
  }
  await syncFolder(folder);
}
