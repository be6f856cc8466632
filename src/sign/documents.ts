import { mediaTypes } from "../model/oci.ts";
import { knownPredicates } from "./predicate-types.ts";

/** Artifact type of a plain scan report beside an image. */
export const scanDocumentType = "application/vnd.mintmark.scan-report.v1+json";

/** The artifact types of plain documents (format E), each with the predicate type that attests it. */
export const documentTypes: Readonly<Record<string, string>> = {
  [mediaTypes.cyclonedx]: knownPredicates.cyclonedx,
  [mediaTypes.spdx]: knownPredicates.spdxjson,
  [scanDocumentType]: knownPredicates.vuln,
};

/** The document that a predicate holds: the predicate itself for an SBOM, the scanner's result for a scan. */
export function documentWithin(predicateType: string, predicate: unknown): unknown {
  if (predicateType === knownPredicates.cyclonedx || predicateType === knownPredicates.spdxjson) return predicate;
  return predicateType === knownPredicates.vuln ? memberOf(memberOf(predicate, "scanner"), "result") : undefined;
}

function memberOf(value: unknown, name: string): unknown {
  return value !== null && typeof value === "object" && name in value
    ? (value as Record<string, unknown>)[name]
    : undefined;
}
