/** The predicate types that we write or require. The keys are cosign's `--type` names where it has one. */
export const knownPredicates = {
  /** cosign's release signature as a bundle. */
  sign: "https://sigstore.dev/cosign/sign/v1",
  slsaprovenance1: "https://slsa.dev/provenance/v1",
  cyclonedx: "https://cyclonedx.org/bom",
  spdxjson: "https://spdx.dev/Document",
  vuln: "https://cosign.sigstore.dev/attestation/vuln/v1",
  openvex: "https://openvex.dev/ns",
  /** SLSA verification summary: the gate's verdict. */
  summary: "https://slsa.dev/verification_summary/v1",
} as const;
