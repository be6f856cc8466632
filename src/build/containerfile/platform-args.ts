/**
 * Arguments that every Containerfile has.
 *
 * All stages are built for the image's own architecture, whatever machine builds: so it is the build's, too.
 *
 * Source: Dockerfile reference, "Automatic platform ARGs in the global scope".
 */
export function platformArgs(architecture: string): Record<string, string> {
  return {
    TARGETPLATFORM: `linux/${architecture}`,
    TARGETOS: "linux",
    TARGETARCH: architecture,
    TARGETVARIANT: "",
    BUILDPLATFORM: `linux/${architecture}`,
    BUILDOS: "linux",
    BUILDARCH: architecture,
    BUILDVARIANT: "",
  };
}
