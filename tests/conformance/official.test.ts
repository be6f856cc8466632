import { strict as assert } from "node:assert";
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { parse } from "yaml";
import { run } from "../../src/base/child.ts";
import { Failure } from "../../src/base/errors.ts";
import { type ServedRegistry, serveRegistry } from "./served-registry.ts";

/** The conformance program of the spec's main branch, at a commit of 2026-07-16. */
const program = {
  module: "github.com/opencontainers/distribution-spec/conformance",
  version: "v0.0.0-20260716174315-967efdc079b9",
};

/** Everything that the program can be told to try; its own defaults leave some of it out. */
const everyApi = [
  "PING",
  "PULL",
  "PUSH",
  "REFERRER",
  ...["ATOMIC", "DELETE", "DIGEST_HEADER", "MOUNT_ANONYMOUS", "UPLOAD_CANCEL"].map((name) => `BLOBS_${name}`),
  ...["ATOMIC", "DELETE", "DIGEST_HEADER", "TAG_PARAM"].map((name) => `MANIFESTS_${name}`),
  ...["ATOMIC", "DELETE", "LIST"].map((name) => `TAGS_${name}`),
];

/** Rows that nobody asked for; the README says why. */
const disabledRows = ["Sparse Manifests"];

describe("the official conformance program", () => {
  let served: ServedRegistry;
  let folder: string;
  let found: { readonly path: string } | { readonly reason: string };
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "mintmark-official-"));
    found = await obtainProgram();
    served = await serveRegistry();
  });
  after(async () => {
    await served.close();
    await rm(folder, { recursive: true, force: true });
  });

  for (const version of ["1.1", "dev"])
    test(`mode ${version}: nothing fails and nothing is skipped`, async (context) => {
      if ("reason" in found) return context.skip(found.reason);
      const env = {
        ...Object.fromEntries(everyApi.map((name) => [`OCI_API_${name}`, "true"])),
        OCI_REGISTRY: new URL(served.url).host,
        OCI_TLS: "disabled",
        OCI_USERNAME: served.user,
        OCI_PASSWORD: served.password,
        OCI_REPO1: `conformance/${version.replace(".", "-")}/one`,
        OCI_REPO2: `conformance/${version.replace(".", "-")}/two`,
        OCI_VERSION: version,
        OCI_RESULTS_DIR: join(folder, version),
      };
      const { code, stdout, stderr } = await run(found.path, [], { cwd: folder, env, timeoutMs: 10 * 60_000 });
      const summary = stdout.slice(stdout.indexOf("OCI Conformance Result"));
      assert.equal(code, 0, `${summary}\n${stderr}`);
      for (const word of ["Skip", "FAIL", "Error"])
        assert.match(summary, new RegExp(`^ +${word}\\.+: +0$`, "m"), summary);
      const results = parse(await readFile(join(folder, version, "results.yaml"), "utf8")) as Results;
      assert.equal(Object.keys(results.apis).length, 28);
      assert.equal(Object.keys(results.data).length, 24);
      for (const [row, status] of Object.entries({ ...results.apis, ...results.data }))
        assert.equal(status, disabledRows.includes(row) ? "Disabled" : "Pass", row);
      context.diagnostic(summary.match(/^ +Pass\.+: +\d+$/m)?.[0] ?? "");
    });
});

/** What the test reads of `results.yaml`. */
interface Results {
  readonly apis: Readonly<Record<string, string>>;
  readonly data: Readonly<Record<string, string>>;
}

/** The program that the environment names, or one built from the module that Go's proxy gives. */
async function obtainProgram(): Promise<{ readonly path: string } | { readonly reason: string }> {
  const given = process.env["MINTMARK_TEST_CONFORMANCE_PROGRAM"];
  if (given !== undefined) return { path: given };
  const cache = join(process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"), "mintmark-tests/conformance");
  const folder = join(cache, program.version);
  const path = join(folder, "conformance");
  if (existsSync(path)) return { path };
  const env = { ...machineEnvironment(), GOBIN: folder };
  const line = ["install", `${program.module}@${program.version}`];
  try {
    const { code, stderr } = await run("go", line, { env, timeoutMs: 10 * 60_000 });
    if (code === 0) return { path };
    if (/\b(?:403|404|410) /.test(stderr)) return { reason: "the Go module proxy does not offer it" };
    if (/dial tcp|lookup|timeout|connection refused/.test(stderr))
      return { reason: "no Go module proxy can be reached" };
    throw new Error(`go ${line.join(" ")}\n${stderr}`);
  } catch (error) {
    if (error instanceof Failure && error.code === "program_missing") return { reason: "Go is not installed" };
    throw error;
  }
}

/** Go needs the machine's home, path and proxy settings. */
function machineEnvironment(): Readonly<Record<string, string>> {
  const known = Object.entries(process.env).filter((entry): entry is [string, string] => entry[1] !== undefined);
  return Object.fromEntries(known);
}
