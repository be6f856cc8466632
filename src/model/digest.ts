/** The digest of a blob as the OCI image spec writes it: `sha256:` and 64 hex digits, or `sha512:` and 128. */
export type Digest = `sha256:${string}` | `sha512:${string}`;

const digestForm = /^(?:sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$/;

/** Reads a digest; undefined where the text is none. Source: OCI image spec, descriptor.md "Digests". */
export function parseDigest(text: string): Digest | undefined {
  return digestForm.test(text) ? (text as Digest) : undefined;
}

/** Makes a digest of a SHA-256 in hex. */
export function sha256Digest(hex: string): Digest {
  return `sha256:${hex}`;
}

/** The hex digits of a digest, without its algorithm. */
export function digestHex(digest: Digest): string {
  return digest.slice(digest.indexOf(":") + 1);
}
