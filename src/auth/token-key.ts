import { readFile, stat } from "node:fs/promises";
import { newSecret } from "../base/clock.ts";
import { Failure, systemCodeOf } from "../base/errors.ts";
import { writeFileAtomic } from "../base/files.ts";

/**
 * Reads the key that signs tokens, 32 bytes; makes it, readable by its owner alone, where there is none.
 *
 * @throws Failure `key_unusable` where the file is no such key or others may read it
 */
export async function openTokenKey(path: string): Promise<Buffer> {
  const text = await readFile(path, "utf8").catch((error: unknown) => {
    if (systemCodeOf(error) === "ENOENT") return undefined;
    throw new Failure("key_unusable", `Cannot read the token key "${path}": ${systemCodeOf(error) ?? "unknown"}`, {
      cause: error,
    });
  });
  if (text === undefined) {
    const secret = newSecret(32);
    await writeFileAtomic(path, `${secret}\n`, 0o600);
    return Buffer.from(secret, "base64url");
  }
  if (((await stat(path)).mode & 0o077) !== 0)
    throw new Failure("key_unusable", `Cannot use the token key "${path}": others may read it`, {
      hint: "Delete it: a new one is made, and clients sign in again by themselves",
    });
  if (!/^[\w-]{43}\n?$/.test(text))
    throw new Failure("key_unusable", `Cannot use the token key "${path}": it is not 32 bytes in base64url`, {
      hint: "Delete it: a new one is made, and clients sign in again by themselves",
    });
  return Buffer.from(text.trim(), "base64url");
}
