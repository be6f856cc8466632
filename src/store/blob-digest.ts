import { Failure } from "../base/errors.ts";
import type { Digest } from "../model/digest.ts";

/** The algorithm of a digest; SHA-256 where nothing is expected. */
export function algorithmOf(digest: Digest | undefined): "sha256" | "sha512" {
  return digest?.startsWith("sha512:") === true ? "sha512" : "sha256";
}

/** The failure of bytes that are not what they were said to be. */
export function mismatch(expected: Digest, actual: Digest): Failure {
  return new Failure("digest_mismatch", `Cannot store the blob "${expected}": the bytes have the digest ${actual}`, {
    hint: "Send the bytes again; they were changed on the way or the digest is of something else",
    details: { expected, actual },
  });
}
