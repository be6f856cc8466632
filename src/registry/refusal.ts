/**
 * The error codes that clients know, with their usual status. Source: OCI distribution spec, "Error Codes".
 *
 * The spec has none for failures of the server itself; UNKNOWN is distribution's. PROJECTPOLICYVIOLATION is Harbor's.
 */
const codes = {
  BLOB_UNKNOWN: 404,
  BLOB_UPLOAD_INVALID: 400,
  BLOB_UPLOAD_UNKNOWN: 404,
  DIGEST_INVALID: 400,
  MANIFEST_BLOB_UNKNOWN: 400,
  MANIFEST_INVALID: 400,
  MANIFEST_UNKNOWN: 404,
  NAME_INVALID: 400,
  NAME_UNKNOWN: 404,
  SIZE_INVALID: 400,
  UNAUTHORIZED: 401,
  DENIED: 403,
  PROJECTPOLICYVIOLATION: 412,
  UNSUPPORTED: 405,
  TOOMANYREQUESTS: 429,
  UNKNOWN: 500,
} as const;

/** Why a request is not done; a value, since clients meet it all day. */
export interface Refusal {
  readonly refusal: keyof typeof codes;
  readonly message: string;
  readonly status: number;
  readonly detail: unknown;
  readonly headers: Readonly<Record<string, string>>;
}

interface RefusalOptions {
  /** Where the spec wants another status than the code's usual one. */
  readonly status?: number;
  readonly detail?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Makes a refusal. */
export function refuse(refusal: keyof typeof codes, message: string, options: RefusalOptions = {}): Refusal {
  const { status = codes[refusal], detail, headers = {} } = options;
  return { refusal, message, status, detail, headers };
}

/** Whether a result is a refusal. */
export function isRefusal(result: unknown): result is Refusal {
  return typeof result === "object" && result !== null && "refusal" in result;
}

/** The body of a refusal. Source: OCI distribution spec, "Error Codes". */
export function refusalBody({ refusal, message, detail }: Pick<Refusal, "refusal" | "message" | "detail">): Buffer {
  const text = JSON.stringify({ errors: [{ code: refusal, message, ...(detail === undefined ? {} : { detail }) }] });
  return Buffer.from(text);
}
