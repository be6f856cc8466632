import { z } from "zod";

const hex256 = z.string().regex(/^[0-9a-f]{64}$/);

const lockedIndex = z.strictObject({
  /** `bookworm-security` … */
  suite: z.string(),
  codename: z.string(),
  origin: z.string(),
  label: z.string(),
  /** SHA-256 of the InRelease file whose signature was verified. */
  inReleaseSha256: hex256,
  /** Fingerprints of the keys that signed it. */
  signedBy: z.array(z.string()).min(1),
  /** Seconds since 1970 that the archive wrote into `Date`. */
  dateSeconds: z.int(),
  validUntilSeconds: z.int().optional(),
  /** The package lists that were used, as the InRelease names them. */
  lists: z.array(z.strictObject({ component: z.string(), path: z.string(), sha256: hex256 })),
});

const lockedPackage = z.strictObject({
  name: z.string(),
  version: z.string(),
  architecture: z.string(),
  source: z.string(),
  sourceVersion: z.string(),
  /** Path inside the archive; an address is never recorded. */
  path: z.string(),
  sizeBytes: z.int().positive(),
  sha256: hex256,
  /** Position in `indexes` of the suite that vouches for it. */
  index: z.int().nonnegative(),
  /** Whether the recipe asked for it by name. */
  requested: z.boolean(),
  essential: z.boolean(),
  /** Position of its layer in the image; kept over updates so that one changed package changes one layer. */
  layer: z.int().nonnegative(),
});

/** The exact inputs of a package recipe, from signed index to each archive. */
export const lockSchema = z.strictObject({
  schemaVersion: z.literal(1),
  recipe: z.strictObject({ name: z.string(), sha256: hex256 }),
  distribution: z.strictObject({ id: z.string(), version: z.string(), codename: z.string() }),
  architecture: z.string(),
  /** Newest signed `Date` of the indexes in seconds since 1970: later file times are clamped to it. */
  epochSeconds: z.int(),
  resolver: z.strictObject({ name: z.literal("apt"), version: z.string() }),
  indexes: z.array(lockedIndex).min(1),
  packages: z.array(lockedPackage).min(1),
});

/** A lock as it is read. */
export type Lock = z.infer<typeof lockSchema>;
/** One package of a lock. */
export type LockedPackage = z.infer<typeof lockedPackage>;
/** One signed index of a lock. */
export type LockedIndex = z.infer<typeof lockedIndex>;
