import { createPrivateKey, randomBytes, scrypt, type KeyObject } from "node:crypto";
import { promisify } from "node:util";
import { secretbox } from "@noble/ciphers/salsa.js";
import { z } from "zod";
import { Failure } from "../base/errors.ts";
import { bounds } from "./bounds.ts";

const deriveKey = promisify<string, Buffer, number, { N: number; r: number; p: number; maxmem: number }, Buffer>(
  scrypt,
);
const label = "ENCRYPTED SIGSTORE PRIVATE KEY";
/** The label that cosign 1 and skopeo write. */
const olderLabel = "ENCRYPTED COSIGN PRIVATE KEY";
/** What cosign writes; about 64 MiB and a quarter of a second. */
const cost = { N: 65_536, r: 8, p: 1 } as const;

/**
 * Encrypts a P-256 private key as `cosign generate-key-pair` does: scrypt, then XSalsa20-Poly1305, as JSON in PEM.
 *
 * Source: cosign, and the `encrypted` package of secure-systems-lab's go-securesystemslib.
 */
export async function sealKey(key: KeyObject, passphrase: string): Promise<string> {
  const plain = key.export({ type: "pkcs8", format: "der" });
  const salt = randomBytes(32);
  const nonce = randomBytes(24);
  const secret = await deriveKey(passphrase, salt, 32, { ...cost, maxmem: memoryOf(cost) });
  const ciphertext = secretbox(secret, nonce).seal(plain);
  plain.fill(0);
  secret.fill(0);
  const sealed = {
    kdf: { name: "scrypt", params: cost, salt: salt.toString("base64") },
    cipher: { name: "nacl/secretbox", nonce: nonce.toString("base64") },
    ciphertext: Buffer.from(ciphertext).toString("base64"),
  };
  const lines =
    Buffer.from(JSON.stringify(sealed))
      .toString("base64")
      .match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join("\n")}\n-----END ${label}-----\n`;
}

/**
 * Decrypts a key file of ours, cosign or skopeo.
 *
 * @param path names the file in messages
 * @throws Failure `key_unusable` for another format, extreme scrypt parameters, or a wrong passphrase
 */
export async function unsealKey(text: string, passphrase: string, path: string): Promise<KeyObject> {
  const sealed = parse(text, path);
  const params = sealed.kdf.params;
  const salt = Buffer.from(sealed.kdf.salt, "base64");
  const nonce = Buffer.from(sealed.cipher.nonce, "base64");
  if (nonce.length !== 24) throw unusable(path, "its nonce is not 24 bytes");
  const secret = await deriveKey(passphrase, salt, 32, { ...params, maxmem: memoryOf(params) });
  let plain: Uint8Array;
  try {
    plain = secretbox(secret, nonce).open(Buffer.from(sealed.ciphertext, "base64"));
  } catch (error) {
    throw new Failure("key_unusable", `Cannot open the key "${path}": the passphrase is wrong or the file is damaged`, {
      hint: "Give the passphrase that the key was made with, or restore the key file from a backup",
      cause: error,
    });
  } finally {
    secret.fill(0);
  }
  return readPkcs8(plain, path);
}

function readPkcs8(plain: Uint8Array, path: string): KeyObject {
  try {
    const key = createPrivateKey({ key: Buffer.from(plain), format: "der", type: "pkcs8" });
    if (key.asymmetricKeyDetails?.namedCurve !== "prime256v1") throw unusable(path, "it is not an ECDSA P-256 key");
    return key;
  } catch (error) {
    throw error instanceof Failure ? error : unusable(path, "it does not hold a PKCS #8 key", error);
  } finally {
    plain.fill(0);
  }
}

const base64 = z.base64().min(1);
const sealedSchema = z.object({
  kdf: z.object({
    name: z.literal("scrypt"),
    params: z.object({ N: z.int(), r: z.int(), p: z.int() }),
    salt: base64,
  }),
  cipher: z.object({ name: z.literal("nacl/secretbox"), nonce: base64 }),
  ciphertext: base64,
});

function parse(text: string, path: string): z.infer<typeof sealedSchema> {
  const armour = /^-----BEGIN ([A-Z ]+)-----\s+([A-Za-z0-9+/=\s]+?)\s*-----END \1-----\s*$/.exec(text.trim());
  if (armour === null) throw unusable(path, "it is not a PEM file");
  if (armour[1] !== label && armour[1] !== olderLabel)
    throw unusable(
      path,
      `it holds "${armour[1]}" where "${label}" is expected; \`cosign import-key-pair\` converts it`,
    );
  let json: unknown;
  try {
    json = JSON.parse(Buffer.from(armour[2]!, "base64").toString("utf8"));
  } catch (error) {
    throw unusable(path, "its content is not JSON", error);
  }
  const sealed = sealedSchema.safeParse(json);
  if (!sealed.success) throw unusable(path, "it lacks the members of a cosign key", sealed.error);
  const { N, r, p } = sealed.data.kdf.params;
  const costFits = N >= bounds.scryptCost.least && N <= bounds.scryptCost.most && Number.isInteger(Math.log2(N));
  if (!costFits || r < 1 || r > bounds.scryptBlockSize || p < 1 || p > bounds.scryptParallelism)
    throw unusable(path, `its scrypt parameters N=${N} r=${r} p=${p} are out of bounds`);
  return sealed.data;
}

/** scrypt needs 128·N·r bytes and a little more; Node's default limit is below that. */
function memoryOf(params: { N: number; r: number; p: number }): number {
  return 128 * params.N * params.r + 128 * params.r * params.p + 1024 * 1024;
}

function unusable(path: string, state: string, cause?: unknown): Failure {
  return new Failure("key_unusable", `Cannot use the key "${path}": ${state}`, cause === undefined ? {} : { cause });
}
