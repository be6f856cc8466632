/** The version of this program, as provenance, SBOMs and `--version` give it. */
export const version = "0.1.0";
