import { strict as assert } from "node:assert";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test, type TestContext } from "node:test";
import { run } from "../../src/base/child.ts";
import { obtainClients, type Clients, type Suite } from "../clients/clients.ts";
import { obtainGoProgram } from "../clients/go-programs.ts";
import { digestOf, pushImage } from "../registry/running-server.ts";
import { startHttpsSite, type HttpsSite } from "./https-site.ts";

let site: HttpsSite;
const debian = new Map<Suite, ReturnType<typeof obtainClients>>();

/** What of which Debian release: sid alone has crane, notation and cosign 3. */
const debianPrograms = {
  trixie: ["cosign", "oras", "podman", "skopeo"],
  sid: ["cosign", "crane", "notation", "oras"],
} as const;

/** The newest of their makers. */
const goPrograms = {
  crane: { module: "github.com/google/go-containerregistry/cmd/crane", version: "v0.22.1" },
  regctl: { module: "github.com/regclient/regclient/cmd/regctl", version: "v0.11.7" },
} as const;

/** Runs a program with the site's credentials; the secrets are in files, none in its arguments. */
type Client = (args: string, input?: string) => Promise<{ readonly code: number; readonly text: string }>;

/**
 * The clients that people use, over HTTPS with a private authority and accounts: push, pull, copy, mount, list,
 * delete, attach and discover.
 */
describe("clients over HTTPS", () => {
  before(async () => {
    site = await startHttpsSite();
    for (const [suite, programs] of Object.entries(debianPrograms))
      debian.set(suite as Suite, obtainClients({ suite: suite as Suite, programs }));
  });
  after(async () => await site.close());

  clientTest("trixie", "skopeo", async (skopeo) => {
    const image = await pushImage(site.server, "team/app", "1", Buffer.alloc(70_000, "s"));
    const policy = `--policy ${join(site.folder, "policy.json")}`;
    const layout = `oci:${join(site.folder, "layout")}:1`;
    await must(skopeo, `${policy} copy --preserve-digests ${at("team/app:1")} ${layout}`);
    await must(skopeo, `${policy} copy --preserve-digests ${layout} ${at("far/app:1")}`);
    await must(skopeo, `${policy} copy --preserve-digests ${at("far/app:1")} ${at("mounted/app:1")}`);
    const seen = await must(skopeo, `inspect ${at("mounted/app:1")}`);
    assert.ok(seen.includes(image.digest));
    assert.match(await must(skopeo, `list-tags ${at("mounted/app")}`), /"1"/);
    await must(skopeo, `delete ${at("mounted/app:1")}`);
    refused(await skopeo(`inspect ${at("mounted/app:1")}`));
    refused(await skopeo(`inspect --creds admin:wrong ${at("team/app:1")}`));
  });

  machineTest("buildah", async (buildah) => {
    const context = join(site.folder, "context");
    await mkdir(context);
    await writeFile(join(context, "hello.txt"), "hello\n");
    await writeFile(join(context, "Containerfile"), "FROM scratch\nCOPY hello.txt /\n");
    await must(buildah, `build --isolation chroot --quiet --tag hello:1 ${context}`);
    await must(buildah, `push hello:1 ${at("built/hello:1")}`);
    await must(buildah, `push --format v2s2 hello:1 ${at("built/hello:docker")}`);
    await must(buildah, `push --compression-format zstd hello:1 ${at("built/hello:zstd")}`);
    await must(buildah, "rmi --all");
    for (const tag of ["1", "docker", "zstd"]) await must(buildah, `pull --quiet ${at(`built/hello:${tag}`)}`);
  });

  machineTest("podman", async (podman) => {
    const image = await pushImage(site.server, "team/pod", "1", podLayer());
    await must(podman, `pull --quiet ${site.host}/team/pod@${image.digest}`);
    await must(podman, `tag ${site.host}/team/pod@${image.digest} ${site.host}/other/pod:2`);
    await must(podman, `push --quiet ${site.host}/other/pod:2`);
    await must(podman, `search --list-tags ${site.host}/other/pod`);
    await must(podman, `logout ${site.host} --authfile ${await copyOfAuth("podman.json")}`);
    await must(podman, "rmi --all --force");
    refused(await podman(`pull --quiet --authfile ${await emptyAuth()} ${site.host}/other/pod:2`));
  });

  for (const suite of ["trixie", "sid"] as const)
    clientTest(suite, "oras", async (oras) => {
      const repository = `${site.host}/oras-${suite}/thing`;
      await writeFile(join(site.folder, "thing.txt"), `a thing of ${suite}\n`);
      await writeFile(join(site.folder, "note.json"), "{}");
      const pushed = await must(oras, `push ${repository}:1 --artifact-type application/x.thing thing.txt:text/plain`);
      const digest = /sha256:[0-9a-f]{64}/.exec(pushed)?.[0] ?? "";
      await must(oras, `attach ${repository}:1 --artifact-type application/x.note note.json:application/json`);
      await must(oras, `attach ${repository}@${digest} --artifact-type application/x.other note.json:application/json`);
      const found = await must(oras, `discover ${repository}:1 --artifact-type application/x.note --format json`);
      assert.match(found, /application\/x\.note/);
      assert.doesNotMatch(found, /application\/x\.other/);
      await must(oras, `cp -r ${repository}:1 ${site.host}/oras-${suite}/copy:1`);
      const copied = await must(oras, `discover ${site.host}/oras-${suite}/copy:1 --format json`);
      assert.match(copied, /application\/x\.other/);
      await must(oras, `tag ${repository}:1 2 3`);
      assert.equal((await must(oras, `repo tags ${repository}`)).trim(), "1\n2\n3");
      assert.match(await must(oras, `repo ls ${site.host}`), new RegExp(`oras-${suite}/thing`));
      await must(oras, `pull ${repository}:2 -o ${join(site.folder, `pulled-${suite}`)}`);
      assert.equal(await readFile(join(site.folder, `pulled-${suite}`, "thing.txt"), "utf8"), `a thing of ${suite}\n`);
      await must(oras, `blob push ${repository} note.json`);
      await must(oras, `manifest delete --force ${repository}@${digest}`);
      refused(await oras(`manifest fetch ${repository}:3`));
    });

  for (const source of ["sid", "go"] as const)
    clientTest(source, "crane", async (crane) => {
      const repository = `${site.host}/crane-${source}/app`;
      await writeFile(join(site.folder, "layer.tar"), podLayer());
      await must(crane, `append --oci-empty-base --new_layer layer.tar --new_tag ${repository}:1`);
      const manifest = await must(crane, `manifest ${repository}:1`);
      assert.equal((await must(crane, `digest ${repository}:1`)).trim(), digestOf(manifest));
      await must(crane, `validate --remote ${repository}:1`);
      await must(crane, `copy ${repository}:1 ${site.host}/crane-${source}/mounted:1`);
      await must(crane, `mutate ${repository}:1 --label made=here --tag ${repository}:2`);
      await must(crane, `index append --manifest ${repository}:1 --manifest ${repository}:2 --tag ${repository}:both`);
      await must(crane, `validate --remote ${repository}:both`);
      await must(crane, `tag ${repository}:2 3`);
      assert.equal((await must(crane, `ls ${repository}`)).trim(), "1\n2\n3\nboth");
      assert.match(await must(crane, `catalog ${site.host}`), new RegExp(`crane-${source}/mounted`));
      const tarball = join(site.folder, `crane-${source}.tar`);
      await must(crane, `pull ${repository}:2 ${tarball}`);
      await must(crane, `push ${tarball} ${site.host}/crane-${source}/again:1`);
      await must(crane, `delete ${site.host}/crane-${source}/again:1`);
      refused(await crane(`digest ${site.host}/crane-${source}/again:1`));
    });

  clientTest("go", "regctl", async (regctl) => {
    const repository = `${site.host}/regctl/app`;
    await pushImage(site.server, "regctl/app", "1", podLayer());
    await must(regctl, `artifact put --subject ${repository}:1 --artifact-type application/x.note`, "a note");
    assert.match(await must(regctl, `artifact tree ${repository}:1`), /application\/x\.note/);
    await must(regctl, `image copy --referrers --digest-tags ${repository}:1 ${site.host}/regctl/copy:1`);
    assert.match(await must(regctl, `artifact list ${site.host}/regctl/copy:1`), /application\/x\.note/);
    await must(regctl, `image mod ${repository}:1 --create ${repository}:2 --label made=here`);
    assert.equal((await must(regctl, `tag ls ${repository}`)).trim(), "1\n2");
    assert.match(await must(regctl, `repo ls ${site.host}`), /regctl\/copy/);
    await must(regctl, `blob put ${repository} --digest sha512:${sha512OfNote}`, "a note");
    assert.equal(await must(regctl, `blob get ${repository} sha512:${sha512OfNote}`), "a note");
    await must(regctl, `tag delete ${repository}:2`);
    assert.equal((await must(regctl, `tag ls ${repository}`)).trim(), "1");
    await must(regctl, `image check-base ${repository}:1 --base ${site.host}/regctl/copy:1`).catch(() => undefined);
    await must(
      regctl,
      `manifest delete --referrers ${site.host}/regctl/copy@${await digestOfTag(regctl, "regctl/copy:1")}`,
    );
    refused(await regctl(`manifest get ${site.host}/regctl/copy:1`));
  });

  for (const suite of ["trixie", "sid"] as const)
    clientTest(suite, "cosign", async (cosign) => {
      const image = await pushImage(site.server, `cosign-${suite}/app`, "1", podLayer());
      const target = `${site.host}/cosign-${suite}/app@${image.digest}`;
      const key = join(site.folder, `cosign-${suite}`);
      await must(cosign, `generate-key-pair --output-key-prefix ${key}`);
      await writeFile(join(site.folder, "predicate.json"), "{}");
      const offline = suite === "trixie" ? "--tlog-upload=false" : `--signing-config ${await emptySigningConfig()}`;
      await must(cosign, `sign --yes ${offline} --key ${key}.key ${target}`);
      const attest = `attest --yes ${offline} --key ${key}.key --type custom --predicate predicate.json ${target}`;
      await must(cosign, attest);
      await must(cosign, `verify --insecure-ignore-tlog=true --key ${key}.pub ${target}`);
      await must(cosign, `verify-attestation --insecure-ignore-tlog=true --type custom --key ${key}.pub ${target}`);
      await must(cosign, `copy ${site.host}/cosign-${suite}/app:1 ${site.host}/cosign-${suite}/copy:1`);
      // Cosign 3 copies the image and leaves what refers to it behind.
      if (suite === "trixie")
        await must(cosign, `verify --insecure-ignore-tlog=true --key ${key}.pub ${site.host}/cosign-trixie/copy:1`);
      await must(cosign, `tree ${target}`);
    });

  clientTest("sid", "notation", async (notation) => {
    const image = await pushImage(site.server, "notation/app", "1", podLayer());
    const target = `${site.host}/notation/app@${image.digest}`;
    await must(notation, "cert generate-test --default mintmark.test");
    await must(notation, `sign ${target}`);
    const policy = {
      version: "1.0",
      trustPolicies: [
        {
          name: "all",
          registryScopes: ["*"],
          signatureVerification: { level: "strict" },
          trustStores: ["ca:mintmark.test"],
          trustedIdentities: ["*"],
        },
      ],
    };
    await writeFile(join(site.folder, "trust.json"), JSON.stringify(policy));
    await must(notation, `policy import --force ${join(site.folder, "trust.json")}`);
    await must(notation, `verify ${target}`);
    assert.match(await must(notation, `list ${target}`), /application\/vnd\.cncf\.notary\.signature/);
    assert.match(await must(notation, `inspect ${target}`), /mintmark\.test/);
    const unsigned = await pushImage(site.server, "notation/app", "2", Buffer.alloc(99, "u"));
    refused(await notation(`verify ${site.host}/notation/app@${unsigned.digest}`));
  });
});

const sha512OfNote =
  "d0f21880dbf3ee274d1a2324d0da310800cb6e7cfc95080ec93a7436cf958fbc11a05e4cde11300ae137bc9f43241c61c83accb13d2f9776371d94d5a296be97";

/** `docker://HOST/NAME`. */
function at(name: string): string {
  return `docker://${site.host}/${name}`;
}

/** A tar of one empty block pair: a layer that clients can unpack. */
function podLayer(): Buffer {
  return Buffer.alloc(10_240);
}

async function emptyAuth(): Promise<string> {
  const path = join(site.folder, "none.json");
  await writeFile(path, "{}");
  return path;
}

async function copyOfAuth(name: string): Promise<string> {
  const path = join(site.folder, name);
  await writeFile(path, await readFile(join(site.folder, "docker", "config.json")), { mode: 0o600 });
  return path;
}

/** Cosign 3 takes the services that it talks to from a file; this one names none. */
async function emptySigningConfig(): Promise<string> {
  const path = join(site.folder, "signing-config.json");
  await writeFile(path, JSON.stringify({ mediaType: "application/vnd.dev.sigstore.signingconfig.v0.2+json" }));
  return path;
}

async function digestOfTag(regctl: Client, name: string): Promise<string> {
  return (await must(regctl, `image digest ${site.host}/${name}`)).trim();
}

async function must(client: Client, ...[args, input]: readonly [string, string?]): Promise<string> {
  const { code, text } = await client(args, input);
  assert.equal(code, 0, `${args}\n${text}`);
  return text;
}

function refused({ code, text }: Awaited<ReturnType<Client>>): void {
  assert.notEqual(code, 0, text);
  assert.match(text, /not found|unknown|unauthorized|denied|authentication|invalid username|no signature|403|401|404/i);
}

/** A test with a program of a Debian release, or of Go's module proxy; skipped with the reason where it cannot be had. */
function clientTest(source: Suite | "go", program: string, body: (client: Client) => Promise<void>): void {
  test(`${program} (${source})`, async (context) => {
    const client = source === "go" ? await goClient(context, program) : await debianClient(context, source, program);
    if (client !== undefined) await body(client);
  });
}

async function debianClient(context: TestContext, suite: Suite, program: string): Promise<Client | undefined> {
  const obtained = await debian.get(suite)!;
  if ("clients" in obtained) return debianRunner(obtained.clients, program);
  context.skip(obtained.reason);
  return undefined;
}

function debianRunner(clients: Clients, program: string): Client {
  return async (args, input) => {
    const options = { env: environment(), cwd: site.folder, ...(input === undefined ? {} : { input }) };
    return joined(await clients.run(program, args.split(" "), options));
  };
}

async function goClient(context: TestContext, program: string): Promise<Client | undefined> {
  const obtained = await obtainGoProgram(goPrograms[program as keyof typeof goPrograms]);
  if ("path" in obtained)
    return async (args, input) =>
      joined(
        await run(obtained.path, args.split(" "), {
          env: environment(),
          cwd: site.folder,
          timeoutMs: 120_000,
          ...(input === undefined ? {} : { input }),
        }),
      );
  context.skip(`${program}: ${obtained.reason}`);
  return undefined;
}

/** A test with a program that the set-up of the tests installs. */
function machineTest(program: "buildah" | "podman", body: (client: Client) => Promise<void>): void {
  test(`${program} (machine)`, async (context) => {
    if ((await run(program, ["--version"]).catch(() => undefined))?.code !== 0)
      return context.skip(`missing: ${program}`);
    const storage = `--root ${join(site.folder, program)} --runroot ${join(site.folder, "run", program)} --storage-driver vfs`;
    const own = program === "podman" ? `${storage} --cgroup-manager cgroupfs --events-backend none` : storage;
    // These would look for credentials there too, and find them when they are to have none.
    const { DOCKER_CONFIG: _, ...env } = site.environment;
    await body(async (args) =>
      joined(
        await run(program, [...own.split(" "), ...args.split(" ")], {
          env,
          cwd: site.folder,
          timeoutMs: 120_000,
        }),
      ),
    );
    return undefined;
  });
}

function environment(): Readonly<Record<string, string>> {
  return { ...site.environment, COSIGN_PASSWORD: "between us" };
}

function joined({ code, stdout, stderr }: Awaited<ReturnType<typeof run>>): Awaited<ReturnType<Client>> {
  return { code, text: code === 0 ? stdout : `${stdout}\n${stderr}` };
}
