/** Which images a client trusts, and by which keys. */
export interface PolicyRequest {
  /** `host`, `host/project` or `host/repository` that must be signed. */
  readonly scope: string;
  /** Paths of the release keys on the client's machine, one key a file, the current one first. */
  readonly keyPaths: readonly [string, ...string[]];
  /**
   * `keyPaths` accepts any of several keys, but needs containers/image 5.33 (podman 5.3); an older client refuses
   * the whole file over it. `keyPath` holds only the current key and works from podman 4.2 on.
   */
  readonly form: "keyPath" | "keyPaths";
  /** What happens to images outside the scope. */
  readonly otherwise: "accept" | "reject";
}

/** A `policy.json` with which podman, skopeo and CRI-O pull from the scope only what a release key signed. */
export function policyText(request: PolicyRequest): string {
  const keys = request.form === "keyPath" ? { keyPath: request.keyPaths[0] } : { keyPaths: request.keyPaths };
  const requirement = { type: "sigstoreSigned", ...keys, signedIdentity: { type: "matchRepoDigestOrExact" } };
  const policy = {
    default: [{ type: request.otherwise === "reject" ? "reject" : "insecureAcceptAnything" }],
    transports: { docker: { [request.scope]: [requirement] } },
  };
  return `${JSON.stringify(policy, null, 2)}\n`;
}

/**
 * A file for `registries.d` that makes podman, skopeo and CRI-O look for sigstore signatures.
 *
 * Without it they answer "no signature exists" about signed images.
 */
export function registriesText(scope: string): string {
  return `docker:\n  ${JSON.stringify(scope)}:\n    use-sigstore-attachments: true\n`;
}

/** What the command line verifies. */
export interface CosignRequest {
  readonly reference: string;
  /** Path of the release key, or of the evidence key where a predicate type is given. */
  readonly keyPath: string;
  /** Verifies this attestation instead of the release signature. */
  readonly predicateType?: string;
  /** The registry speaks HTTP. */
  readonly plainHttp?: boolean;
}

/**
 * The `cosign` command that verifies an image with a key and without any outside service, for a shell.
 */
export function cosignLine(request: CosignRequest): string {
  const attestation =
    request.predicateType === undefined ? ["verify"] : ["verify-attestation", "--type", request.predicateType];
  // `--offline` still fetches the public trust root; only this flag stays off the network.
  const words = ["cosign", ...attestation, "--key", request.keyPath, "--insecure-ignore-tlog=true"];
  if (request.plainHttp === true) words.push("--allow-http-registry=true");
  return [...words, request.reference].map(quoted).join(" ");
}

function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
