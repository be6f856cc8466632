import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto";
import type { z } from "zod";

/** Seals values into texts that only this very process can read and make. */
export interface Seal<Value> {
  close(value: Value): string;
  /** Undefined where the text is not one of ours. */
  open(text: string): Value | undefined;
}

const ivBytes = 12;
const tagBytes = 16;
const longestText = 4096;

/** Makes a seal with a key of its own (AES-256-GCM). Source: NIST SP 800-38D. */
export function openSeal<Value>(schema: z.ZodType<Value>): Seal<Value> {
  const key = randomBytes(32);
  return {
    close(value) {
      const iv = randomBytes(ivBytes);
      const cipher = createCipheriv("aes-256-gcm", key, iv);
      const hidden = Buffer.concat([cipher.update(JSON.stringify(value), "utf8"), cipher.final()]);
      return Buffer.concat([iv, cipher.getAuthTag(), hidden]).toString("base64url");
    },
    open(text) {
      const bytes = Buffer.from(text.length > longestText ? "" : text, "base64url");
      if (bytes.length <= ivBytes + tagBytes) return undefined;
      try {
        const decipher = createDecipheriv("aes-256-gcm", key, bytes.subarray(0, ivBytes), { authTagLength: tagBytes });
        decipher.setAuthTag(bytes.subarray(ivBytes, ivBytes + tagBytes));
        const shown = Buffer.concat([decipher.update(bytes.subarray(ivBytes + tagBytes)), decipher.final()]);
        return schema.safeParse(JSON.parse(shown.toString("utf8"))).data;
      } catch {
        return undefined;
      }
    },
  };
}
