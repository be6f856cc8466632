import { createHash } from "node:crypto";

/** Keystores of trusted certificates have this password everywhere: it keeps nothing secret. */
const password = "changeit";
const magic = 0xfeedfeed;
const trustedCertificate = 2;

/**
 * A Java keystore (JKS) of certificates with its entries in the order of their names and of one date; undefined where
 * it is none, holds a key, or has another password.
 *
 * `update-ca-certificates` of Java notes when it took each certificate in, and in a chance order.
 *
 * Source: sun.security.provider.JavaKeyStore, `engineStore`.
 */
export function canonicalKeystore(bytes: Buffer, epochSeconds: number): Buffer | undefined {
  if (bytes.length < 32 || bytes.readUInt32BE(0) !== magic || bytes.readUInt32BE(4) !== 2) return undefined;
  const body = bytes.subarray(0, -20);
  if (!seal(body).equals(bytes.subarray(-20))) return undefined;
  const entries: { readonly alias: string; readonly bytes: Buffer }[] = [];
  let at = 12;
  for (let count = bytes.readUInt32BE(8); count > 0; count--) {
    if (at + 6 > body.length || body.readUInt32BE(at) !== trustedCertificate) return undefined;
    const aliasEnd = at + 6 + body.readUInt16BE(at + 4);
    const typeEnd = aliasEnd + 10 + body.readUInt16BE(aliasEnd + 8);
    const end = typeEnd + 4 + body.readUInt32BE(typeEnd);
    const entry = Buffer.from(body.subarray(at, end));
    entry.writeBigUInt64BE(BigInt(epochSeconds) * 1000n, aliasEnd - at);
    entries.push({ alias: body.toString("latin1", at + 6, aliasEnd), bytes: entry });
    at = end;
  }
  if (at !== body.length) return undefined;
  entries.sort((a, b) => (a.alias < b.alias ? -1 : 1));
  const sorted = Buffer.concat([body.subarray(0, 12), ...entries.map((entry) => entry.bytes)]);
  return Buffer.concat([sorted, seal(sorted)]);
}

function seal(body: Buffer): Buffer {
  const secret = Buffer.from(password, "utf16le").swap16();
  return createHash("sha1").update(secret).update("Mighty Aphrodite").update(body).digest();
}
