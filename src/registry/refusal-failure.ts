import { Failure } from "../base/errors.ts";
import { type Refusal } from "./refusal.ts";

const failureCodes: Partial<Record<Refusal["refusal"], "forbidden" | "not_found" | "digest_mismatch" | "too_large">> = {
  DENIED: "forbidden",
  MANIFEST_BLOB_UNKNOWN: "not_found",
  DIGEST_INVALID: "digest_mismatch",
  SIZE_INVALID: "too_large",
};

/** A refusal as a failure, for those who ask in process. */
export function failureOf({ refusal, message, detail }: Refusal): Failure {
  return new Failure(failureCodes[refusal] ?? "usage", message, { details: { refusal, detail } });
}
