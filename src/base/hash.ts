import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";

/** SHA-256 of bytes or UTF-8 text, 64 lower-case hex digits. */
export function sha256Hex(bytes: string | Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** SHA-256 of a file, read in 1 MiB chunks; 64 lower-case hex digits. */
export async function sha256OfFile(path: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) hash.update(chunk as Buffer);
  return hash.digest("hex");
}
