/** Every bound on what signing and verifying read; sizes in bytes. */
export const bounds = {
  /** A key file or a passphrase file. */
  keyFileBytes: 64 * 1024,
  /** A simple-signing payload: real ones stay under 1 KiB. */
  payloadBytes: 256 * 1024,
  /** A bundle, an envelope or a document: cosign itself stops at 128 MiB. */
  evidenceBytes: 128 * 1024 * 1024,
  /** An image configuration. */
  configBytes: 8 * 1024 * 1024,
  /** Signatures or attestations under one attachment tag. */
  attachmentLayers: 1000,
  /** Referrers of one image. */
  referrers: 1000,
  /** Children of one index. */
  children: 256,
  /** An `index.json` of an OCI layout. */
  layoutIndexBytes: 16 * 1024 * 1024,
  /** scrypt's cost N read from a key file: below is too weak, above only exhausts memory. */
  scryptCost: { least: 2 ** 14, most: 2 ** 18 },
  /** scrypt's block size r and parallelism p read from a key file; memory is 128·N·r bytes. */
  scryptBlockSize: 16,
  scryptParallelism: 4,
} as const;
