import { run } from "../../base/child.ts";
import { Failure } from "../../base/errors.ts";
import { mapParallel } from "../../base/pool.ts";
import { probeMs, type Capability } from "./capability.ts";

interface Program {
  readonly name: string;
  /** The Debian package that brings it. */
  readonly from: string;
  readonly need: "build" | "client";
  readonly versionArgs?: readonly string[];
  readonly why: string;
}

const programs: readonly Program[] = [
  { name: "apt-get", from: "apt", need: "build", why: "resolves packages and verifies their indexes" },
  { name: "dpkg", from: "dpkg", need: "build", why: "installs packages" },
  { name: "gpgv", from: "gpgv", need: "build", why: "checks the signatures of package indexes" },
  { name: "xz", from: "xz-utils", need: "build", why: "unpacks packages" },
  { name: "zstd", from: "zstd", need: "build", why: "packs layers and unpacks packages" },
  { name: "unshare", from: "util-linux", need: "build", why: "makes the namespaces of a build" },
  { name: "podman", from: "podman", need: "client", why: "pulls and runs images" },
  {
    name: "buildah",
    from: "buildah",
    need: "client",
    why: "carries out Containerfiles in sealed builds; 1.28 or newer",
  },
  { name: "ip", from: "iproute2", need: "client", versionArgs: ["-V"], why: "raises the loopback of sealed builds" },
  { name: "skopeo", from: "skopeo", need: "client", why: "copies and inspects images" },
  {
    name: "cosign",
    from: "cosign",
    need: "client",
    versionArgs: ["version"],
    why: "verifies signatures on other machines; `mintmark verify` does without",
  },
];

/** Whether the programs that we call are there, and which version. */
export async function checkPrograms(): Promise<Capability[]> {
  return await mapParallel(programs, 4, checkProgram);
}

async function checkProgram({ name, from, need, versionArgs, why }: Program): Promise<Capability> {
  try {
    const result = await run(name, versionArgs ?? ["--version"], { timeoutMs: probeMs });
    const version = /\d+(?:\.\d+)+[\w.+~-]*/.exec(`${result.stdout}\n${result.stderr}`)?.[0] ?? "version unknown";
    if (result.code !== 0 && version === "version unknown")
      return {
        name,
        state: need === "build" ? "degraded" : "optional",
        about: `ends with code ${result.code} when asked for its version`,
        fix: `Reinstall the package ${from}`,
      };
    return name === "cosign"
      ? cosign(version, `${result.stdout}${result.stderr}`)
      : { name, state: "ok", about: version };
  } catch (error) {
    if (!(error instanceof Failure) || error.code !== "program_missing") throw error;
    return {
      name,
      state: need === "build" ? "missing" : "optional",
      about: `not installed: ${why}`,
      fix:
        name === "cosign"
          ? "apt-get install cosign, from Debian 13 or Ubuntu 24.10 on; before that, install a release of the Sigstore project"
          : `apt-get install ${from}`,
    };
  }
}

/** Debian builds cosign without Sigstore's public services: with a key it works, keyless it cannot. */
function cosign(version: string, text: string): Capability {
  const isDebian = /debian|\+ds|~deb|-\d+(?:\+b\d+)?$/i.test(version) || /debian/i.test(text);
  return {
    name: "cosign",
    state: "ok",
    about: isDebian
      ? `${version}, Debian's build: Sigstore's public services are disabled, verifying with --key works`
      : version,
  };
}
