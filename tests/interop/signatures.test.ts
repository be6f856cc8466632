import { strict as assert } from "node:assert";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { mediaTypes, type Index } from "../../src/model/oci.ts";
import { attachmentTag } from "../../src/sign/attachment.ts";
import { bundleType } from "../../src/sign/bundle.ts";
import { parseManifest } from "../../src/sign/manifest-form.ts";
import { describe as descriptorOf, newBlob, newManifest } from "../../src/sign/objects.ts";
import {
  attestImage,
  attestIndex,
  cosignVerifyLine,
  openKey,
  podmanPolicy,
  predicateTypes,
  registriesConfig,
  signImage,
  verifyImage,
  type NewObjects,
  type SigningKey,
} from "../../src/sign/sign.ts";
import { testImage, testIndex, testKey } from "../../src/sign/test-image.ts";
import { obtainClients, type Clients, type Suite } from "../clients/clients.ts";
import { startRegistry, type LocalRegistry } from "./local-registry.ts";

const passphrase = "between us";
const at = "2026-01-02T03:04:05Z";
const bom = { bomFormat: "CycloneDX", specVersion: "1.6", components: [] };
const statements = [
  {
    predicateType: predicateTypes.slsaprovenance1,
    predicate: { buildDefinition: { buildType: "urn:x" }, runDetails: { builder: { id: "urn:y" } } },
  },
  {
    predicateType: predicateTypes.cyclonedx,
    predicate: bom,
    document: { artifactType: mediaTypes.cyclonedx, bytes: Buffer.from(JSON.stringify(bom)) },
  },
  { predicateType: predicateTypes.spdxjson, predicate: { spdxVersion: "SPDX-2.3" } },
  { predicateType: predicateTypes.vuln, predicate: { scanner: { result: {} }, metadata: {} } },
];
const cosignTypes = ["slsaprovenance1", "cyclonedx", "spdxjson", "vuln"] as const;

let folder = "";
let registry: LocalRegistry;
let release: SigningKey;
let evidence: SigningKey;

describe("signatures", () => {
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "mintmark-signatures-"));
    registry = await startRegistry(folder);
    release = await openKey({ folder: join(folder, "keys"), name: "release", passphrase });
    evidence = await openKey({ folder: join(folder, "keys"), name: "evidence", passphrase });
    await mkdir(join(folder, "registries.d"));
    await writeFile(join(folder, "registries.d/mintmark.yaml"), registriesConfig(registry.host));
    const keyPaths: [string] = [publicPath("release")];
    for (const form of ["keyPath", "keyPaths"] as const)
      await writeFile(
        join(folder, `${form}.json`),
        podmanPolicy({ scope: registry.host, keyPaths, form, otherwise: "reject" }),
      );
    await publishAll();
  });

  after(async () => {
    await registry.close();
    await rm(folder, { recursive: true });
  });

  // sid moves, so what it says is worth knowing but may not stop a change: it is asked for by name.
  for (const suite of process.env["MINTMARK_TEST_SID"] === undefined
    ? (["trixie"] as const)
    : (["trixie", "sid"] as const))
    describe(`clients of Debian ${suite}`, () => suiteOf(suite));
});

function suiteOf(suite: Suite): void {
  clientTest(suite, "cosign accepts the released image and index", async (clients) => {
    for (const repository of ["golden/base", "golden/multi"]) accepted(await cosignVerify(clients, repository));
  });

  clientTest(
    suite,
    "cosign accepts each attestation by the evidence key and none by the release key",
    async (clients) => {
      for (const type of cosignTypes) {
        for (const repository of ["golden/base", "golden/multi"])
          accepted(await cosignVerify(clients, repository, { predicateType: type, key: "evidence" }));
        refused(
          await cosignVerify(clients, "golden/base", { predicateType: type }),
          /no matching attestations|none of the attestations matched/,
        );
      }
    },
  );

  clientTest(
    suite,
    "skopeo accepts the released image and index, by tag and by digest, with both forms of policy",
    async (clients) => {
      for (const policy of ["keyPath", "keyPaths"]) {
        accepted(await skopeoCopy(clients, "golden/base:1.0", { policy }));
        const { digest } = (await registry.source.getManifest("golden/base", "1.0"))!;
        accepted(await skopeoCopy(clients, `golden/base@${digest}`, { policy }));
      }
      accepted(await skopeoCopy(clients, "golden/multi:1.0"));
      accepted(await skopeoCopy(clients, "golden/multi:1.0", { flags: ["--all"] }));
    },
  );

  for (const [repository, cosignSays, skopeoSays] of [
    ["golden/unsigned", /no signatures found/, /no signature exists/],
    ["golden/tampered", /invalid signature|failed to verify/, /invalid signature/],
    ["golden/foreign", /invalid signature|failed to verify/, /invalid signature/],
    ["golden/moved", /invalid or missing digest in claim|does not match|digest mismatch/i, /does not match/],
    [
      "golden/evidence-only",
      /no signatures found|no matching|invalid signature|failed to verify/,
      /no signature exists/,
    ],
  ] as const)
    clientTest(suite, `cosign, skopeo and we refuse ${repository}`, async (clients) => {
      refused(await cosignVerify(clients, repository), cosignSays);
      refused(await skopeoCopy(clients, `${repository}:1.0`), skopeoSays);
      assert.equal((await verify(repository)).result, "fail");
    });

  clientTest(suite, "skopeo refuses a released image under another tag and in another repository", async (clients) => {
    refused(await skopeoCopy(clients, "golden/base:latest"), /is not accepted/);
    refused(await skopeoCopy(clients, "elsewhere/base:1.0"), /is not accepted/);
  });

  clientTest(suite, "what cosign signs and attests with our key files passes our verification", async (clients) => {
    const repository = `by-cosign/${suite}`;
    const image = testImage("1.0");
    await registry.put(repository, image);
    await writeFile(join(folder, "predicate.json"), "{}");
    const target = `${registry.host}/${repository}@${image.digest}`;
    const offline = suite === "trixie" ? ["--tlog-upload=false"] : ["--signing-config", await emptySigningConfig()];
    accepted(await cosign(clients, ["sign", "--yes", ...offline, "--key", keyPath("release"), target]));
    const predicate = ["--type", "openvex", "--predicate", join(folder, "predicate.json")];
    accepted(
      await cosign(clients, ["attest", "--yes", ...offline, ...predicate, "--key", keyPath("evidence"), target]),
    );
    const report = await verify(repository, [predicateTypes.openvex]);
    assert.equal(report.result, "pass", JSON.stringify(report.checks));
    assert.deepEqual(
      report.signatures.map(({ format }) => format),
      [suite === "trixie" ? "simple-signing" : "bundle"],
    );
  });

  clientTest(suite, "what skopeo signs with our key file passes, and our signature joins it", async (clients) => {
    const repository = `by-skopeo/${suite}`;
    await writeFile(join(folder, "passphrase.txt"), passphrase);
    const signing = [
      "--sign-by-sigstore-private-key",
      keyPath("release"),
      "--sign-passphrase-file",
      join(folder, "passphrase.txt"),
    ];
    const from = `docker://${registry.host}/golden/unsigned:1.0`;
    const to = `docker://${registry.host}/${repository}:1.0`;
    const flags = ["--src-tls-verify=false", "--dest-tls-verify=false"];
    accepted(await skopeo(clients, ["--insecure-policy", "copy", ...flags, ...signing, from, to]));
    assert.deepEqual(
      (await verify(repository)).signatures.map(({ identity }) => identity),
      [`${registry.host}/${repository}:1.0`],
    );
    await registry.put(repository, await signed(repository, release, [`${registry.host}/${repository}:1.0`]));
    assert.equal((await verify(repository)).signatures.length, 3);
    accepted(await skopeoCopy(clients, `${repository}:1.0`));
    accepted(await cosignVerify(clients, repository));
  });
}

/** Puts every image that the tests judge into the registry, good ones and bad ones. */
async function publishAll(): Promise<void> {
  const base = testImage("1.0");
  for (const repository of ["golden/base", "elsewhere/base"]) await registry.put(repository, base);
  await registry.put("golden/multi", testIndex("1.0"));
  for (const name of ["unsigned", "tampered", "foreign", "moved", "evidence-only"])
    await registry.put(`golden/${name}`, testImage("1.0"));
  for (const name of ["base", "multi", "tampered"])
    await registry.put(`golden/${name}`, await signed(`golden/${name}`, release));
  for (const name of ["base", "evidence-only"]) await attested(`golden/${name}`);
  const { bytes } = (await registry.source.getManifest("golden/multi", "1.0"))!;
  for (const { digest } of (JSON.parse(Buffer.from(bytes).toString("utf8")) as Index).manifests)
    await attested("golden/multi", digest);
  await registry.put("golden/multi", await attestIndex({ ...placeOf("golden/multi"), ...attestor("golden/multi") }));
  await registry.put("golden/foreign", await signed("golden/foreign", testKey()));
  // As an attacker copies an image with its signatures to another repository.
  await registry.put("elsewhere/base", await signed("elsewhere/base", release, [`${registry.host}/golden/base:1.0`]));
  const latest = base.manifests[0]!;
  await registry.put("golden/base", { blobs: [], manifests: [{ ...latest, tag: "latest" }] });
  await tamper("golden/tampered");
  await move("golden/base", "golden/moved");
}

const attestor = (repository: string) => ({
  key: evidence,
  name: `${registry.host}/${repository}`,
  attestationTag: true,
});

async function attested(repository: string, reference = "1.0"): Promise<void> {
  const wish = { ...placeOf(repository), ...attestor(repository), reference, evidence: statements };
  await registry.put(repository, await attestImage(wish));
}

async function signed(
  repository: string,
  key: SigningKey,
  identities = [`${registry.host}/${repository}:1.0`],
): Promise<NewObjects> {
  return signImage({ ...placeOf(repository), key, identities });
}

/** Alters one byte of what was signed in both formats, with every digest made right again. */
async function tamper(repository: string): Promise<void> {
  await rewrite(repository, repository, (bytes) => {
    const text = bytes.toString("utf8");
    // A bundle holds its payload in base64: another statement with the old signature.
    const envelope = text.includes("dsseEnvelope")
      ? (JSON.parse(text) as { dsseEnvelope: { payload: string } })
      : undefined;
    if (envelope === undefined) return Buffer.from(text.replace("mintmark", "Mintmark"));
    const statement = Buffer.from(envelope.dsseEnvelope.payload, "base64").toString("utf8");
    envelope.dsseEnvelope.payload = Buffer.from(statement.replace('"predicate":{}', '"predicate":{"a":1}')).toString(
      "base64",
    );
    return Buffer.from(JSON.stringify(envelope));
  });
}

/** Moves the intact release signatures of one image to another digest. */
async function move(from: string, to: string): Promise<void> {
  await rewrite(from, to, (bytes) => bytes);
}

async function rewrite(from: string, to: string, change: (bytes: Buffer) => Buffer): Promise<void> {
  const { source } = registry;
  const origin = (await source.getManifest(from, "1.0"))!;
  const target = (await source.getManifest(to, "1.0"))!;
  const subject = { mediaType: target.mediaType, digest: target.digest, size: target.bytes.byteLength };
  const bundles = (await source.referrers(from, origin.digest)).filter(
    ({ artifactType }) => artifactType === bundleType,
  );
  for (const reference of [attachmentTag(origin.digest, "sig"), ...bundles.map(({ digest }) => digest)]) {
    const found = (await source.getManifest(from, reference))!;
    const manifest = parseManifest(found.bytes, found.mediaType)!;
    const isRelease =
      (manifest.annotations?.["dev.sigstore.bundle.predicateType"] ?? predicateTypes.sign) === predicateTypes.sign;
    if (!isRelease) continue;
    const blobs = await Promise.all(
      manifest.layers.map(async ({ digest }) => newBlob(change(await bytesOf(from, digest)))),
    );
    const layers = manifest.layers.map((layer, index) =>
      descriptorOf(blobs[index]!, layer.mediaType, layer.annotations),
    );
    const isTag = manifest.subject === undefined;
    const made = newManifest(
      { ...manifest, mediaType: mediaTypes.manifest, layers, ...(isTag ? {} : { subject }) },
      isTag ? attachmentTag(target.digest, "sig") : undefined,
    );
    const config = newBlob(await bytesOf(from, manifest.config.digest));
    if (!isTag && from === to) await registry.remove(from, found.digest);
    await registry.put(to, { blobs: [...blobs, config], manifests: [made] });
  }
}

async function bytesOf(repository: string, digest: Parameters<LocalRegistry["source"]["getBlob"]>[1]): Promise<Buffer> {
  return Buffer.concat(await Array.fromAsync((await registry.source.getBlob(repository, digest))!));
}

function placeOf(repository: string) {
  return { source: registry.source, repository, reference: "1.0", at };
}

async function verify(repository: string, require: readonly string[] = []) {
  const keys = { release: [release.publicPem], evidence: [evidence.publicPem] };
  return verifyImage({ ...placeOf(repository), identity: `${registry.host}/${repository}`, keys, require, deep: true });
}

const keyPath = (name: string): string => join(folder, `keys/${name}.key`);
const publicPath = (name: string): string => join(folder, `keys/${name}.pub`);

/** Runs the very command line that a summary shows. */
function cosignVerify(clients: Clients, repository: string, options: { predicateType?: string; key?: string } = {}) {
  const { key = "release", ...rest } = options;
  const line = cosignVerifyLine({
    reference: `${registry.host}/${repository}:1.0`,
    keyPath: publicPath(key),
    plainHttp: true,
    ...rest,
  });
  return cosign(clients, line.split(" ").slice(1));
}

function cosign(clients: Clients, args: readonly string[]) {
  return clients.run("cosign", args, { env: { HOME: folder, COSIGN_PASSWORD: passphrase }, timeoutMs: 60_000 });
}

async function skopeoCopy(
  clients: Clients,
  name: string,
  { policy = "keyPaths", flags = [] }: { policy?: string; flags?: readonly string[] } = {},
) {
  const target = await mkdtemp(join(folder, "copy-"));
  const source = ["--src-tls-verify=false", `docker://${registry.host}/${name}`];
  // The destination keeps no signatures; without the flag skopeo would want to write them there.
  return skopeo(clients, [
    "--policy",
    join(folder, `${policy}.json`),
    "copy",
    "--remove-signatures",
    ...flags,
    ...source,
    `dir:${target}`,
  ]);
}

function skopeo(clients: Clients, args: readonly string[]) {
  return clients.run("skopeo", ["--registries.d", join(folder, "registries.d"), ...args], {
    env: { HOME: folder },
    timeoutMs: 60_000,
  });
}

async function emptySigningConfig(): Promise<string> {
  const path = join(folder, "signing-config.json");
  const mediaType = "application/vnd.dev.sigstore.signingconfig.v0.2+json";
  await writeFile(path, JSON.stringify({ mediaType, rekorTlogConfig: {}, tsaConfig: {} }));
  return path;
}

/** A test with client programs; where there are none it is skipped with the reason, which fails it under CI. */
function clientTest(suite: Suite, name: string, work: (clients: Clients) => Promise<void>): void {
  test(name, async (t) => {
    const obtained = await obtainClients({ suite });
    if ("clients" in obtained) await work(obtained.clients);
    else t.skip(`missing: ${obtained.reason}`);
  });
}

type Outcome = Awaited<ReturnType<Clients["run"]>>;

function accepted(outcome: Outcome): void {
  assert.equal(outcome.code, 0, outcome.stderr);
}

function refused(outcome: Outcome, reason: RegExp): void {
  assert.notEqual(outcome.code, 0, outcome.stdout);
  assert.match(outcome.stderr, reason);
}
