import { scrypt, timingSafeEqual, type ScryptOptions } from "node:crypto";
import { newSecret } from "../base/clock.ts";
import { Failure } from "../base/errors.ts";

/** Hashes passwords with scrypt, a few at a time: each takes 32 MiB and a thread that files need too. */
export interface Passwords {
  /** `scrypt$<log2 N>$<r>$<p>$<salt>$<hash>`, both base64url. */
  hash(password: string): Promise<string>;
  /**
   * Whether a password has a stored hash; without one it takes as long and is false.
   *
   * @throws Failure `rate_limited` where too many are waiting already
   */
  matches(password: string, stored: string | undefined): Promise<boolean>;
}

interface Parameters {
  readonly logCost: number;
  readonly blockSize: number;
  readonly lanes: number;
}

/** N = 2^15, r = 8, p = 1: about 60 ms and 32 MiB. */
const current: Parameters = { logCost: 15, blockSize: 8, lanes: 1 };
const hashBytes = 32;
const concurrentHashes = 2;
const waitingHashes = 64;

/** Opens a queue of its own for password hashes. */
export function openPasswords(): Passwords {
  const inTurn = queue();
  // No password has this hash; who asks for an unknown account pays for the comparison with it.
  const decoy = encode(current, newSecret(16), Buffer.from(newSecret(hashBytes), "base64url"));
  return {
    hash: async (password) =>
      await inTurn(async () => {
        const salt = newSecret(16);
        return encode(current, salt, await derive(password, salt, current));
      }),
    matches: async (password, stored) =>
      await inTurn(async () => {
        const { parameters, salt, hash } = decode(stored ?? decoy);
        const same = timingSafeEqual(await derive(password, salt, parameters), hash);
        return same && stored !== undefined;
      }),
  };
}

function queue(): <T>(work: () => Promise<T>) => Promise<T> {
  const waiting: (() => void)[] = [];
  let running = 0;
  return async (work) => {
    if (running < concurrentHashes) running += 1;
    else if (waiting.length < waitingHashes) await new Promise<void>((resolve) => waiting.push(resolve));
    else
      throw new Failure("rate_limited", "Cannot sign in: too many others are signing in", {
        hint: "Try again in a few seconds",
        details: { retryAfterSeconds: 5 },
      });
    try {
      return await work();
    } finally {
      const next = waiting.shift();
      if (next === undefined) running -= 1;
      else next();
    }
  };
}

function derive(password: string, salt: string, { logCost, blockSize, lanes }: Parameters): Promise<Buffer> {
  const cost = 2 ** logCost;
  const options: ScryptOptions = { N: cost, r: blockSize, p: lanes, maxmem: 256 * cost * blockSize };
  return new Promise((resolve, reject) => {
    scrypt(password.normalize("NFC"), salt, hashBytes, options, (error, key) => {
      if (error === null) resolve(key);
      else reject(error);
    });
  });
}

function encode({ logCost, blockSize, lanes }: Parameters, salt: string, hash: Buffer): string {
  return `scrypt$${logCost}$${blockSize}$${lanes}$${salt}$${hash.toString("base64url")}`;
}

interface StoredHash {
  readonly parameters: Parameters;
  readonly salt: string;
  readonly hash: Buffer;
}

/** Reads a stored hash; its costs are bounded, so that a damaged row cannot take all memory. */
function decode(stored: string): StoredHash {
  const match = /^scrypt\$(1[0-9])\$([1-9]|1[0-6])\$([1-4])\$([\w-]{16,})\$([\w-]{43})$/.exec(stored);
  if (match === null) throw new Error("A stored password hash is not of the form that this program writes");
  const [, logCost, blockSize, lanes, salt = "", hash = ""] = match;
  return {
    parameters: { logCost: Number(logCost), blockSize: Number(blockSize), lanes: Number(lanes) },
    salt,
    hash: Buffer.from(hash, "base64url"),
  };
}
