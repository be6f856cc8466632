/** Every bound on input, memory and time in one place; sizes in bytes, times in milliseconds. */
export const limits = {
  /** Manifests above this are refused with 413, as the distribution spec allows. */
  manifestBytes: 4 * 1024 * 1024,
  /** JSON request bodies under `/api`. */
  requestBytes: 1024 * 1024,
  /** Chunk size of blob reads and writes. */
  chunkBytes: 1024 * 1024,
  /** One package archive. */
  debBytes: 4 * 1024 * 1024 * 1024,
  /** The control member of a package, unpacked. */
  debControlBytes: 64 * 1024 * 1024,
  /** The unpacked data of one package. */
  debUnpackedBytes: 16 * 1024 * 1024 * 1024,
  /** Unpacked bytes per packed byte, above the first 64 MiB: real packages stay under 30. */
  debExpansionRatio: 200,
  /** Entries in one archive. */
  archiveEntries: 1_000_000,
  /** A path inside an archive. */
  pathBytes: 4096,
  /** An image.yaml or a lock. */
  recipeBytes: 16 * 1024 * 1024,
  /** One file named by a recipe. */
  recipeFileBytes: 64 * 1024 * 1024,
  /** Layers of an image: overlayfs of container hosts takes 128. */
  imageLayers: 120,
  /** One advisory record. */
  advisoryBytes: 16 * 1024 * 1024,
  /** What is kept of a child's output for messages. */
  childOutputBytes: 16 * 1024 * 1024,
  /** One HTTP request to an upstream, without its body. */
  upstreamHeadersMs: 30_000,
  /** No byte for this long ends a download. */
  upstreamIdleMs: 60_000,
  /** Parallel downloads. */
  downloads: 8,
  /** Maintainer scripts of one image. */
  configureMs: 30 * 60_000,
  /** All instructions of one Containerfile. */
  sealedBuildMs: 6 * 60 * 60_000,
  /** What a Containerfile must leave free on the data folder's disk. */
  diskReserveBytes: 1024 * 1024 * 1024,
} as const;
