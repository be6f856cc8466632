import { createHash, createPublicKey, verify, type KeyObject } from "node:crypto";
import { Failure } from "../base/errors.ts";

/** A public key that verifies ECDSA P-256 signatures over SHA-256. */
export interface PublicKey {
  /** Hex SHA-256 of the SPKI DER: the same for every spelling of the key. */
  readonly id: string;
  /** Whether a DER signature over the bytes is this key's. */
  verifies(bytes: Uint8Array, signature: Uint8Array): boolean;
}

/**
 * Reads one public key in PEM.
 *
 * Text with two keys is refused: podman and cosign would silently use only the first.
 *
 * @throws Failure `key_unusable` for anything but one P-256 public key
 */
export function parsePublicKey(pem: string): PublicKey {
  const text = pem.trim();
  if (!/^-----BEGIN PUBLIC KEY-----[^-]+-----END PUBLIC KEY-----$/.test(text))
    throw new Failure(
      "key_unusable",
      "Cannot use a public key: the text is not exactly one PEM block of a public key",
      {
        hint: "Give each public key on its own, as `mintmark trust` writes them",
      },
    );
  let key: KeyObject;
  try {
    key = createPublicKey(text);
  } catch (error) {
    throw new Failure("key_unusable", "Cannot use a public key: its PEM block does not decode", { cause: error });
  }
  if (key.asymmetricKeyDetails?.namedCurve !== "prime256v1")
    throw new Failure("key_unusable", "Cannot use a public key: it is not an ECDSA P-256 key");
  return {
    id: keyIdOf(key),
    verifies(bytes, signature) {
      return verify("sha256", bytes, { key, dsaEncoding: "der" }, signature);
    },
  };
}

/** The id of a public key: hex SHA-256 of its SPKI DER. */
export function keyIdOf(key: KeyObject): string {
  return createHash("sha256")
    .update(key.export({ type: "spki", format: "der" }))
    .digest("hex");
}

/** The first of the keys that made the signature. */
export function signerOf(keys: readonly PublicKey[], bytes: Uint8Array, signature: Uint8Array): PublicKey | undefined {
  return keys.find((key) => key.verifies(bytes, signature));
}
