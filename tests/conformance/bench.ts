import { strict as assert } from "node:assert";
import { createHash } from "node:crypto";
import { after, before, describe } from "node:test";
import { basic, type Client, openClient, type Told } from "./client.ts";
import { type ServedRegistry, serveRegistry } from "./served-registry.ts";

/** A digest algorithm of the spec. */
export type Algorithm = "sha256" | "sha512";

/** What a version of the spec demands beyond the common part, as the official program groups it. */
export interface Mode {
  readonly name: "1.1" | "dev";
  /** `Docker-Content-Digest` wherever content is stored or served. */
  readonly hasDigestHeaders: boolean;
  /** DELETE of an upload. */
  readonly hasUploadCancel: boolean;
  /** PUT of a manifest by digest with `?tag=`. */
  readonly hasTagParameters: boolean;
}

const modes: readonly Mode[] = [
  { name: "1.1", hasDigestHeaders: false, hasUploadCancel: false, hasTagParameters: false },
  { name: "dev", hasDigestHeaders: true, hasUploadCancel: true, hasTagParameters: true },
];

const algorithms: readonly Algorithm[] = ["sha256", "sha512"];

/** Where a row is tried: a server, a mode, an algorithm and two repositories that nothing else uses. */
export interface Bench {
  readonly client: Client;
  readonly mode: Mode;
  readonly algorithm: Algorithm;
  readonly repository: string;
  /** The repository that blobs are mounted from. */
  readonly source: string;
}

/** What is known of a bench before its server runs. */
export type Setting = Pick<Bench, "mode" | "algorithm">;

/** Declares tests once for each mode and algorithm; the bench is there when they run. */
export function describeOnBenches(name: string, declare: (bench: () => Bench, setting: Setting) => void): void {
  describe(name, () => {
    let served: ServedRegistry;
    let client: Client;
    before(async () => {
      served = await serveRegistry();
      client = openClient(served.url, basic(served.user, served.password));
    });
    after(async () => {
      client.close();
      await served.close();
    });
    for (const mode of modes)
      for (const algorithm of algorithms)
        describe(`mode ${mode.name}, ${algorithm}`, () => {
          const stem = `conformance/${mode.name.replace(".", "-")}/${algorithm}`;
          const setting = { mode, algorithm };
          declare(() => ({ ...setting, client, repository: `${stem}/one`, source: `${stem}/two` }), setting);
        });
  });
}

/** The digest of bytes. */
export function digestOf(algorithm: Algorithm, bytes: string | Buffer): string {
  return `${algorithm}:${createHash(algorithm).update(bytes).digest("hex")}`;
}

/** Asserts the digest header: where it is demanded it must be there, and where it is there it must be right. */
export function assertDigest({ mode }: Bench, told: Told, digest: string): void {
  const header = told.headers["docker-content-digest"];
  if (mode.hasDigestHeaders || header !== undefined) assert.equal(header, digest);
}
