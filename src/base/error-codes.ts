/** How one class of failure is shown to its readers: an HTTP client, a script, a person. */
interface ErrorCode {
  /** HTTP status of the answer under `/api` and `/v2`. */
  readonly status: number;
  /** Process exit code of the command line. */
  readonly exit: number;
  /** What went wrong in general, for the reference page. */
  readonly about: string;
}

/**
 * Every failure that a user or operator can meet, in one table.
 *
 * Exit codes: 1 failure, 2 wrong usage, 3 input refused, 4 denied by policy, 5 verification failed,
 * 6 the machine lacks something, 7 upstream unreachable.
 */
export const errorCodes = {
  usage: { status: 400, exit: 2, about: "The command or request is not formed as it should be" },
  config_invalid: { status: 500, exit: 2, about: "A configuration value is missing or wrong" },
  not_found: { status: 404, exit: 1, about: "The named thing does not exist" },
  conflict: { status: 409, exit: 1, about: "The thing exists already or is in another state" },
  unauthorized: { status: 401, exit: 4, about: "No valid credentials came with the request" },
  forbidden: { status: 403, exit: 4, about: "The account may not do this" },
  too_large: { status: 413, exit: 3, about: "The input is larger than its limit" },
  rate_limited: { status: 429, exit: 1, about: "Too many requests in a short time" },
  recipe_invalid: { status: 422, exit: 3, about: "image.yaml does not follow its schema" },
  lock_missing: { status: 422, exit: 3, about: "A locked build was asked for, but there is no lock" },
  lock_stale: { status: 422, exit: 3, about: "The lock was made from another version of the recipe" },
  lock_invalid: { status: 422, exit: 3, about: "The lock cannot be read" },
  request_unlocked: { status: 422, exit: 3, about: "A locked build asked for something that its lock does not name" },
  index_untrusted: { status: 502, exit: 5, about: "A package index is unsigned, tampered with or expired" },
  package_missing: { status: 422, exit: 3, about: "No source offers the package" },
  unsatisfiable: { status: 422, exit: 3, about: "The packages cannot be installed together" },
  digest_mismatch: { status: 502, exit: 5, about: "Bytes do not have the digest that was promised" },
  archive_hostile: { status: 422, exit: 3, about: "An archive holds something that it must not" },
  script_failed: { status: 500, exit: 1, about: "A maintainer script, or an instruction of a Containerfile, failed" },
  upstream_unreachable: { status: 502, exit: 7, about: "An upstream could not be reached" },
  disk_full: { status: 507, exit: 6, about: "The disk is full" },
  data_locked: { status: 409, exit: 1, about: "Another server owns the data folder" },
  data_newer: { status: 500, exit: 6, about: "The data folder was written by a newer version" },
  program_missing: { status: 500, exit: 6, about: "A program that this needs is not installed" },
  sandbox_unavailable: { status: 500, exit: 6, about: "The kernel does not offer the namespaces that a build needs" },
  gate_denied: { status: 412, exit: 4, about: "The policy refuses the image" },
  verification_failed: { status: 422, exit: 5, about: "A signature or attestation did not verify" },
  advisory_invalid: { status: 422, exit: 3, about: "An advisory record cannot be read" },
  exception_invalid: { status: 422, exit: 3, about: "An exception lacks its scope, reason, author or end date" },
  key_unusable: { status: 500, exit: 6, about: "A key file cannot be read or its passphrase is wrong" },
  deadline_exceeded: { status: 504, exit: 1, about: "The work took longer than its limit" },
  cancelled: { status: 409, exit: 1, about: "The work was stopped on request" },
  internal: { status: 500, exit: 1, about: "A bug: please report it" },
} as const satisfies Record<string, ErrorCode>;

/** The name of one failure in {@link errorCodes}. */
export type ErrorCodeName = keyof typeof errorCodes;
