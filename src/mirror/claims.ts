import { createHash, type Hash } from "node:crypto";
import { Failure } from "../base/errors.ts";
import { type Claim, type Format } from "./format.ts";

/** Hashes bytes as they come, to compare them with what their ecosystem says. */
export interface ClaimCheck {
  update(chunk: Uint8Array): void;
  /**
   * Compares when all bytes have come and lie in a file.
   *
   * @throws Failure `digest_mismatch` that names both digests
   */
  finish(path: () => Promise<string>, what: string): Promise<void>;
}

/** Opens a check; without a claim everything is right. */
export function openClaimCheck(claim: Claim | undefined, format: Pick<Format, "digestOf">): ClaimCheck {
  if (claim === undefined) return { update: () => undefined, finish: async () => undefined };
  const hash: Hash | undefined = claim.algorithm === "h1" ? undefined : createHash(claim.algorithm);
  return {
    update: (chunk) => void hash?.update(chunk),
    async finish(path, what) {
      const actual = hash === undefined ? await format.digestOf?.(await path(), claim.algorithm) : hash.digest("hex");
      if (actual === undefined)
        throw new Failure("internal", `Cannot check ${what}: nothing computes ${claim.algorithm} here`);
      // Hex digits may come in either case; base64 must not be folded.
      const wanted = hash === undefined ? claim.value : claim.value.toLowerCase();
      if (actual !== wanted)
        throw new Failure(
          "digest_mismatch",
          `Cannot take ${what}: it has the ${claim.algorithm} ${actual}, but ${wanted} was promised`,
          { details: { algorithm: claim.algorithm, expected: wanted, actual } },
        );
    },
  };
}

/** `sha512:…`, as it is stored. */
export function claimText({ algorithm, value }: Claim): string {
  return `${algorithm}:${value}`;
}

/** Reads {@link claimText}. */
export function parseClaim(text: string): Claim {
  const at = text.indexOf(":");
  return { algorithm: text.slice(0, at) as Claim["algorithm"], value: text.slice(at + 1) };
}
