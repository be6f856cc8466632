import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto";
import { readFile, stat } from "node:fs/promises";
import { Failure, systemCodeOf } from "./errors.ts";
import { writeFileAtomic } from "./files.ts";

/** Keeps secrets that must be sent on, such as the password for another server, so that the database does not tell them. */
export interface SecretBox {
  /**
   * Encrypts a text: AES-256-GCM, as `v1.` and base64url of nonce, ciphertext and tag.
   *
   * @param context where it is kept, such as `webhook-target 7`: moved to another place it does not open
   */
  seal(text: string, context: string): string;
  /** @throws Failure `key_unusable` where the text was sealed with another key or for another context, or was changed */
  open(sealed: string, context: string): string;
}

const keyBytes = 32;
const nonceBytes = 12;
const tagBytes = 16;

/**
 * Opens the box whose key is in a file; makes the key, readable by its owner alone, where there is none.
 *
 * @throws Failure `key_unusable` where the file is no such key or others may read it
 */
export async function openSecretBox(keyFile: string): Promise<SecretBox> {
  const key = await readOrMakeKey(keyFile);
  return {
    seal(text, context) {
      const nonce = randomBytes(nonceBytes);
      const cipher = createCipheriv("aes-256-gcm", key, nonce).setAAD(Buffer.from(context));
      const parts = [nonce, cipher.update(text, "utf8"), cipher.final(), cipher.getAuthTag()];
      return `v1.${Buffer.concat(parts).toString("base64url")}`;
    },
    open(sealed, context) {
      try {
        const bytes = Buffer.from(sealed.replace(/^v1\./, ""), "base64url");
        const decipher = createDecipheriv("aes-256-gcm", key, bytes.subarray(0, nonceBytes), {
          authTagLength: tagBytes,
        });
        decipher.setAAD(Buffer.from(context)).setAuthTag(bytes.subarray(-tagBytes));
        const text = decipher.update(bytes.subarray(nonceBytes, -tagBytes));
        return Buffer.concat([text, decipher.final()]).toString("utf8");
      } catch (error) {
        throw new Failure("key_unusable", `Cannot open the secret of "${context}": "${keyFile}" is not its key`, {
          hint: "Restore the key file of this data folder, or set the secret again",
          cause: error,
        });
      }
    },
  };
}

async function readOrMakeKey(path: string): Promise<Buffer> {
  const bad = (state: string, cause?: unknown): Failure =>
    new Failure("key_unusable", `Cannot use the key file "${path}": ${state}`, {
      hint: "Restore it from a backup; without it stored secrets of webhooks and remotes must be set again",
      cause,
    });
  const text = await readFile(path, "utf8").catch((error: unknown) => {
    if (systemCodeOf(error) === "ENOENT") return undefined;
    throw bad(systemCodeOf(error) ?? "unreadable", error);
  });
  if (text === undefined) {
    const key = randomBytes(keyBytes);
    await writeFileAtomic(path, `${key.toString("base64url")}\n`, 0o600);
    return key;
  }
  if (((await stat(path)).mode & 0o077) !== 0) throw bad("others may read it");
  if (!/^[\w-]{43}\n?$/.test(text)) throw bad("it is not 32 bytes in base64url");
  return Buffer.from(text.trim(), "base64url");
}
