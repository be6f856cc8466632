import { strict as assert } from "node:assert";
import { existsSync } from "node:fs";
import { mkdir, readFile, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { run } from "../../src/base/child.ts";
import { podmanPolicy, registriesConfig } from "../../src/sign/sign.ts";
import { obtainClients } from "../clients/clients.ts";
import { openEngine, type ContainerEngine, type InsideOptions } from "./container-engine.ts";
import { buildElsewhere, importAdvisories, ordinaryUser, prepareElsewhere } from "./elsewhere.ts";
import {
  machineEnvironment,
  mintmarkPath,
  missingReason,
  startStarter,
  type StarterFactory,
} from "./starter-factory.ts";

let starter: StarterFactory;
let engine: ContainerEngine;

const nameOf = (): string => `${starter.host}/${starter.repository}@${starter.digest}`;

/** The starter image, minted and served by `mintmark up`, in the hands of programs that are not ours. */
describe("the starter image", { concurrency: false }, () => {
  before(async () => {
    starter = await startStarter();
    engine = await openEngine(join(starter.folder, "engine"));
  });

  after(async () => {
    await engine?.close();
    await starter?.close();
  });

  describe("as other programs fetch it", fetching);
  describe("as other programs verify it", verifying);
  describe("in a container", inContainer);
  describe("programs in a container", programs);
  describe("built again", builtAgain);
  describe("one data folder", oneDataFolder);
});

function fetching(): void {
  test("the API tells the digest that the summary printed", async () => {
    const answer = await fetch(`${starter.url}/images/${starter.digest}`);
    assert.equal(answer.status, 200);
    const image = (await answer.json()) as { digest: string; tags: string[]; verdict: string; signed: boolean };
    assert.equal(image.digest, starter.digest);
    assert.ok(image.tags.includes("latest"));
    assert.deepEqual([image.verdict, image.signed], ["pass", true]);
  });

  peerTest("podman pulls it with the line of the summary", ["podman", "runc"], async () => {
    await podman(starter.line("podman"));
    const digest = await podman(["image", "inspect", "--format", "{{.Digest}}", nameOf()]);
    assert.equal(digest.trim(), starter.digest);
  });

  peerTest("buildah starts from it by tag", ["buildah"], async () => {
    const tagged = `${starter.host}/${starter.repository}:latest`;
    const name = (await engineRun("buildah", ["from", "--tls-verify=false", "--pull-always", tagged])).trim();
    const digest = await engineRun("buildah", ["inspect", "--format", "{{.FromImageDigest}}", name]);
    assert.equal(digest.trim(), starter.digest);
    await engineRun("buildah", ["rm", name]);
  });

  peerTest("skopeo looks into it with the line of the summary", ["skopeo"], async () => {
    const told = JSON.parse(await succeed("skopeo", starter.line("skopeo"))) as { Digest: string; Os: string };
    assert.deepEqual([told.Digest, told.Os], [starter.digest, "linux"]);
  });

  peerTest("skopeo copies it into an OCI layout, unchanged", ["skopeo"], async () => {
    const index = JSON.parse(await readFile(join(await layout(), "index.json"), "utf8")) as {
      manifests: { digest: string }[];
    };
    assert.deepEqual(
      index.manifests.map(({ digest }) => digest),
      [starter.digest],
    );
  });

  peerTest("its layers hold nothing of the machine that built it", ["skopeo", "tar", "zstd"], async () => {
    const paths = (await layerEntries()).map(({ path }) => path);
    assert.ok(paths.length > 10_000, `${paths.length} paths`);
    const leaked = paths.filter((path) =>
      /^(?:etc\/(?:resolv\.conf|hostname|hosts|ssh\/ssh_host_.*|apt\/(?:sources\.list|auth\.conf.*\/.+))|var\/lib\/dbus\/machine-id|var\/lib\/apt\/lists\/(?!partial$).+|(?:dev|proc|sys|tmp)\/.+|.*\/\.wh\..*)$/.test(
        path,
      ),
    );
    assert.deepEqual(leaked, []);
  });
}

function verifying(): void {
  test("cosign of Debian 13 verifies it with the line of the summary", async (t) => {
    const obtained = await obtainClients();
    if ("reason" in obtained) return t.skip(`missing: ${obtained.reason}`);
    const { clients } = obtained;
    const options = { env: { HOME: starter.folder } };
    const good = await clients.run("cosign", starter.line("cosign"), options);
    assert.equal(good.code, 0, good.stderr);
    const payloads = JSON.parse(good.stdout) as { critical: { image: Record<string, string> } }[];
    assert.ok(payloads.length > 0);
    for (const { critical } of payloads)
      assert.equal(critical.image["docker-manifest-digest"], starter.digest, good.stdout);
    const inspected = await clients.run("skopeo", starter.line("skopeo"), options);
    assert.equal(inspected.code, 0, inspected.stderr);
  });

  test("skopeo of Debian 13 takes it under a policy that wants our key, and refuses an unsigned copy", async (t) => {
    const obtained = await obtainClients();
    if ("reason" in obtained) return t.skip(`missing: ${obtained.reason}`);
    await writePolicies();
    await publishUnsigned((args) => obtained.clients.run("skopeo", args, { env: { HOME: starter.folder } }));
    const copy = (name: string, to: string) =>
      obtained.clients.run("skopeo", [
        "--policy",
        policyPath("keyPaths"),
        "--registries.d",
        join(engine.home, ".config/containers/registries.d"),
        "copy",
        "--remove-signatures",
        "--src-tls-verify=false",
        `docker://${starter.host}/${name}@${starter.digest}`,
        `dir:${join(starter.folder, to)}`,
      ]);
    const good = await copy(starter.repository, "signed-copy");
    assert.equal(good.code, 0, good.stderr);
    refused(await copy(unsigned, "unsigned-copy"));
  });

  peerTest("podman takes it under such a policy, and refuses the unsigned copy", ["podman", "skopeo"], async (t) => {
    await writePolicies();
    await publishUnsigned((args) => run("skopeo", args, { env: machineEnvironment, timeoutMs: 300_000 }));
    const pull = (name: string) =>
      engine.run("podman", [
        "pull",
        "--tls-verify=false",
        "--signature-policy",
        policyPath("keyPath"),
        `${starter.host}/${name}@${starter.digest}`,
      ]);
    const good = await pull(starter.repository);
    // Debian 12 ships a podman that refuses everything under such a policy.
    if (good.stderr.includes("sigstore disabled")) return t.skip("this podman is built without sigstore signatures");
    assert.equal(good.code, 0, good.stderr);
    refused(await pull(unsigned));
  });

  test("mintmark verify agrees", async () => {
    const { code, stdout, stderr } = await starter.mintmark(["verify", `${starter.repository}@${starter.digest}`]);
    assert.equal(code, 0, stdout + stderr);
  });
}

function inContainer(): void {
  containerTest("its user, folder, environment and directories are the recipe's", async () => {
    const script = "id -un; id -u; id -g; pwd; echo $LANG; stat -c '%n %a %U' /etc/aibox /opt/toolpacks /workspace";
    const lines = (await inside(script)).trim().split("\n");
    assert.deepEqual(lines, [
      "dev",
      "1000",
      "1000",
      "/workspace",
      "C.UTF-8",
      "/etc/aibox 755 root",
      "/opt/toolpacks 755 root",
      "/workspace 755 dev",
    ]);
    assert.equal(await inside("id -u dev; touch /workspace/mine ~/mine"), "1000\n");
  });

  containerTest("it has no identity and no secret yet", async () => {
    const script = "compgen -G '/etc/ssh/ssh_host_*' || true; cat /etc/machine-id 2>/dev/null || true; cat /etc/shadow";
    const lines = (await inside(script, { user: "0" })).trim().split("\n");
    for (const line of lines) assert.match(line, /^[\w-]+:[!*]+:\d+:/);
  });

  containerTest("its folders have the modes and owners that the layers tell", async (t) => {
    const reason = await missingReason(["skopeo", "zstd"]);
    if (reason !== undefined) return t.skip(reason);
    const told = new Map((await layerEntries()).map(({ path, mode, owner }) => [path, `${mode} ${owner}`]));
    const listed = (await inside("find / -xdev -type d -printf '%M %U/%G %P\\n'", { user: "0" })).split("\n");
    const wrong = listed.filter((line) => {
      const [, shown = "", path = ""] = /^(\S+ \S+) (.+)$/.exec(line) ?? [];
      // What the engine mounts has modes of its own.
      return !["dev", "proc", "sys"].includes(path) && told.has(path) && told.get(path) !== shown;
    });
    assert.deepEqual(wrong, []);
  });

  containerTest("dpkg finds nothing wrong", async () => {
    assert.equal(await inside("dpkg --audit", { user: "0" }), "");
    const replaced = [
      ...(await readFile(join(starter.recipe, "image.yaml"), "utf8")).matchAll(/path: (\/[^,\s]+), source:/g),
    ];
    const differences = (await inside("dpkg -V || true", { user: "0" }))
      .split("\n")
      .filter((line) => line !== "" && !replaced.some(([, path]) => line.endsWith(` c ${path}`)));
    assert.deepEqual(differences, []);
  });

  containerTest("dpkg has no trigger left to run", async () => {
    assert.equal(await inside("dpkg --triggers-only --pending 2>&1", { user: "0" }), "");
  });

  containerTest("dpkg-query tells exactly what both SBOMs tell", async () => {
    const format = "${Package} ${Version} ${Architecture}\\n";
    const installed = (await inside(`dpkg-query -W -f='${format}'`)).trim().split("\n").toSorted();
    const { components } = await sbom<{ components: { purl?: string }[] }>("cyclonedx");
    assert.deepEqual(packagesOf(components.map(({ purl }) => purl)), installed);
    const { packages } = await sbom<{
      packages: { externalRefs?: { referenceType: string; referenceLocator: string }[] }[];
    }>("spdx");
    const locators = packages.map(
      ({ externalRefs = [] }) => externalRefs.find(({ referenceType }) => referenceType === "purl")?.referenceLocator,
    );
    assert.deepEqual(packagesOf(locators), installed);
  });
}

function programs(): void {
  containerTest("sshd starts, and lets dev in with a key and root not", async () => {
    assert.equal(await inside(sshScript, { user: "0" }), "dev /home/dev /bin/bash\nroot is refused\n");
  });

  containerTest("compilers, Python, editors and shells work", async () => {
    const lines = (await inside(toolScript)).trim().split("\n");
    assert.deepEqual(
      lines.filter((line) => !line.endsWith(" 42")),
      [],
    );
    assert.equal(lines.length, 13);
  });

  containerTest("its trust store holds the public authorities", async () => {
    const script = `python3 -c 'import ssl; print(ssl.create_default_context().cert_store_stats()["x509_ca"])'
      ls /etc/ssl/certs/*.0 | wc -l
      openssl verify -no-CAfile -no-CAstore -CApath /etc/ssl/certs /etc/ssl/certs/ISRG_Root_X1.pem >/dev/null`;
    const counts = (await inside(script)).trim().split("\n").map(Number);
    assert.equal(counts.length, 2);
    for (const count of counts) assert.ok(count > 100, `${count} authorities`);
  });

  containerTest("apt installs a package", async (t) => {
    const sources = await machineSources();
    if (sources === undefined) return t.skip("missing: apt sources of this machine's kind of distribution");
    const script = `apt-get update >&2
      DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends hello
      hello; dpkg --audit; dpkg -V hello`;
    const said = await inside(script, { user: "0", network: "host", files: sources });
    assert.match(said, /^Setting up hello /m);
    assert.match(said, /^Hello, world!$/m);
  });
}

function builtAgain(): void {
  peerTest(
    "an ordinary user with other surroundings gets the same digest",
    ["useradd", "userdel", "newuidmap", "setpriv", "chown"],
    async (t) => {
      if (process.getuid?.() !== 0) return t.skip("only root can make a user for the test");
      const place = await prepareElsewhere(starter, "of-a-user");
      const { become, remove } = await ordinaryUser(place);
      try {
        const readable = await run("setpriv", [...become.slice(1), "test", "-x", mintmarkPath]);
        if (readable.code !== 0) return t.skip("the checkout is in a folder that other users may not enter");
        assert.equal(await buildElsewhere(place, { through: become }), starter.digest);
      } finally {
        await remove();
      }
    },
  );

  peerTest("without network, from the lock, it is the same digest", ["unshare"], async (t) => {
    if (process.getuid?.() !== 0) return t.skip("only root can take the network away here");
    const place = await prepareElsewhere(starter, "offline");
    // What is not known to be without advisories is refused, and the suites cannot be asked.
    await importAdvisories(place);
    const digest = await buildElsewhere(place, { through: ["unshare", "--net", "--uts"], flags: ["--locked"] });
    assert.equal(digest, starter.digest);
  });
}

function oneDataFolder(): void {
  for (const command of ["up", "serve"])
    test(`a second \`${command}\` is told who has it`, async () => {
      const { code, stdout, stderr } = await starter.mintmark([command, "--json", "--listen", "127.0.0.1:0"]);
      assert.equal(code, 1, stdout + stderr);
      const { error } = JSON.parse(stderr) as { error: { code: string; message: string; hint: string } };
      assert.equal(error.code, "data_locked");
      assert.match(error.message, /process \d+/);
    });

  test("the first goes on unharmed, and stops when asked", async () => {
    assert.equal((await fetch(`${starter.url}/images/${starter.digest}`)).status, 200);
    assert.ok([0, 130].includes(await starter.stop()));
  });
}

const unsigned = "elsewhere/unsigned";
const policyPath = (form: string): string => join(engine.home, `${form}.json`);

/** Policies that take from our registry only what the release key signed, and the file that says where signatures are. */
async function writePolicies(): Promise<void> {
  const folder = join(engine.home, ".config/containers/registries.d");
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, "mintmark.yaml"), registriesConfig(starter.host));
  const keyPaths: [string] = [join(starter.dataDir, "keys/release.pub")];
  for (const form of ["keyPath", "keyPaths"] as const)
    await writeFile(policyPath(form), podmanPolicy({ scope: starter.host, keyPaths, form, otherwise: "reject" }));
}

/** Pushes the same image without its signatures to another repository, as the administrator. */
async function publishUnsigned(skopeo: (args: readonly string[]) => ReturnType<typeof run>): Promise<void> {
  const password = (await readFile(join(starter.dataDir, "admin-password"), "utf8")).trim();
  const auth = Buffer.from(`admin:${password}`).toString("base64");
  const authFile = join(starter.folder, "auth.json");
  await writeFile(authFile, JSON.stringify({ auths: { [starter.host]: { auth } } }), { mode: 0o600 });
  const flags = ["--remove-signatures", "--authfile", authFile, "--src-tls-verify=false", "--dest-tls-verify=false"];
  const places = [`docker://${nameOf()}`, `docker://${starter.host}/${unsigned}:latest`];
  const { code, stderr } = await skopeo(["--insecure-policy", "copy", ...flags, ...places]);
  assert.equal(code, 0, stderr);
}

function refused({ code, stdout, stderr }: { code: number; stdout: string; stderr: string }): void {
  assert.notEqual(code, 0, stdout);
  assert.match(stderr, /signature was required, but no signature exists/i);
}

/** The image as skopeo writes it into a folder; made once. */
async function layout(): Promise<string> {
  const path = join(starter.folder, "layout");
  if (existsSync(join(path, "index.json"))) return path;
  const flags = ["--insecure-policy", "copy", "--src-tls-verify=false"];
  await succeed("skopeo", [...flags, `docker://${nameOf()}`, `oci:${path}:starter`]);
  return path;
}

/** Every entry of every layer from the lowest up, as GNU tar tells: `drwxr-xr-x`, `0/0`, a path without outer slashes. */
async function layerEntries(): Promise<{ path: string; mode: string; owner: string }[]> {
  const folder = await layout();
  const blob = (digest: string): string => join(folder, "blobs", digest.replace(":", "/"));
  const manifest = JSON.parse(await readFile(blob(starter.digest), "utf8")) as { layers: { digest: string }[] };
  const entries: { path: string; mode: string; owner: string }[] = [];
  for (const { digest } of manifest.layers) {
    const listed = await succeed("tar", ["--list", "--verbose", "--numeric-owner", "--file", blob(digest)]);
    for (const line of listed.split("\n")) {
      const match = /^(\S+) +(\d+\/\d+) +\S+ \S+ \S+ (?:\.?\/)?(.*?)(?: -> .*| link to .*)?$/.exec(line);
      if (match !== null) entries.push({ mode: match[1]!, owner: match[2]!, path: match[3]!.replace(/\/$/, "") });
    }
  }
  return entries;
}

async function sbom<Document>(format: string): Promise<Document> {
  const reference = `${starter.repository}@${starter.digest}`;
  const { code, stdout, stderr } = await starter.mintmark(["sbom", reference, "-o", format]);
  assert.equal(code, 0, stderr);
  return JSON.parse(stdout) as Document;
}

/** `NAME VERSION ARCHITECTURE` of package URLs. Source: the purl specification, type deb. */
function packagesOf(purls: readonly (string | undefined)[]): string[] {
  return purls
    .flatMap((purl) => {
      const match = /^pkg:deb\/[^/]+\/([^@]+)@([^?]+)\?(.+)$/.exec(purl ?? "");
      if (match === null) return [];
      const [name, version] = [match[1]!, match[2]!].map(decodeURIComponent);
      return [`${name} ${version} ${new URLSearchParams(match[3]).get("arch")}`];
    })
    .toSorted();
}

/** This machine's sources of the distribution's own archive with their keys, by their path in the container. */
async function machineSources(): Promise<Record<string, string> | undefined> {
  const inner = await inside(". /etc/os-release; echo $ID $VERSION_CODENAME");
  const outer = await succeed("sh", ["-c", ". /etc/os-release; echo $ID $VERSION_CODENAME"]);
  if (inner !== outer) return undefined;
  const folder = "/etc/apt/sources.list.d";
  const paths = ["/etc/apt/sources.list", ...(await readdir(folder)).map((name) => join(folder, name))];
  const [id = ""] = inner.split(" ");
  const own: Record<string, string> = {};
  for (const path of paths) {
    const text = await readFile(path, "utf8").catch(() => "");
    // Sources of others need keys that the image does not have.
    if (/\.(?:list|sources)$/.test(path) && new RegExp(`/${id}(?:-security)?/?\\s`).test(text)) own[path] = path;
  }
  return Object.keys(own).length === 0 ? undefined : own;
}

/** A server and a client in one container; the key is made for the occasion. */
const sshScript = String.raw`
mkdir -p /run/sshd
ssh-keygen -A >&2
/usr/sbin/sshd -t
/usr/sbin/sshd -o ListenAddress=127.0.0.1 -E /tmp/sshd.log
trap 'cat /tmp/sshd.log >&2' EXIT
ssh-keygen -q -t ed25519 -N "" -f /tmp/key
for user in dev root; do
  home=$(getent passwd $user | cut -d: -f6)
  install -d -m 700 -o $user -g $user $home/.ssh
  install -m 600 -o $user -g $user /tmp/key.pub $home/.ssh/authorized_keys
done
ssh-keyscan -T 10 -t ed25519 127.0.0.1 >/tmp/known 2>/dev/null
cmp <(cut -d' ' -f2,3 /tmp/known) <(cut -d' ' -f1,2 /etc/ssh/ssh_host_ed25519_key.pub)
login() { ssh -n -o BatchMode=yes -o UserKnownHostsFile=/tmp/known -i /tmp/key "$@"; }
login dev@127.0.0.1 'echo $(id -un) $(pwd) $SHELL'
login root@127.0.0.1 true 2>/dev/null || echo root is refused
`;

/** Prints a line that ends in 42 for each tool that works. */
const toolScript = String.raw`
cd "$(mktemp -d)"
printf '#include <math.h>\n#include <stdio.h>\nint main(int n, char **v) { printf("gcc %%.0f\\n", sqrt(1763.0 + n)); }' > a.c
gcc -Wall -o a a.c -lm
./a
printf '#include <iostream>\nint main() { std::cout << "g++ " << 42 << std::endl; }' > b.cc
g++ -o b b.cc
./b
printf 'all:\n\t@echo make 42\n' > Makefile
make --silent
python3 -c 'import ctypes, hashlib, json, sqlite3, ssl, zlib; print("python3", 6 * 7)'
pip --version | grep -q '^pip .*python 3' && pip list >/dev/null 2>&1 && echo pip 42
echo 40 2 | awk '{ print "awk", $1 + $2 }'
vim --version | grep -q '^VIM - Vi IMproved' && vim -es -c 'call writefile(["vim " . 6 * 7], "v")' -c q! </dev/null; cat v
nano --version | grep -q 'GNU nano' && echo nano 42
echo '{"a":[40,2]}' | jq -r '"jq \(.a | add)"'
git init -q . && git -c user.name=dev -c user.email=dev@localhost commit -q --allow-empty -m one
echo git $(($(git rev-list --count HEAD) + 41))
tmux -V | grep -q '^tmux ' && tmux -L test new-session -d 'sleep 60' && tmux -L test list-sessions >/dev/null && echo tmux 42
zsh -c 'print zsh $((6 * 7))'
curl --version >/dev/null && wget --version >/dev/null && echo curl and wget 42
`;

const podman = (args: readonly string[]): Promise<string> => engineRun("podman", args);
const inside = (script: string, options?: InsideOptions): Promise<string> => engine.inside(nameOf(), script, options);

async function engineRun(program: "podman" | "buildah", args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await engine.run(program, args);
  assert.equal(code, 0, stderr);
  return stdout;
}

async function succeed(program: string, args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await run(program, args, { env: machineEnvironment, timeoutMs: 300_000 });
  assert.equal(code, 0, stderr);
  return stdout;
}

interface Skippable {
  skip(reason: string): void;
}

/** A test with programs of the machine; where one is absent it is skipped with the reason, which fails it under CI. */
function peerTest(name: string, programs: readonly string[], work: (t: Skippable) => Promise<void>): void {
  test(name, async (t) => {
    const reason = await missingReason(programs);
    if (reason === undefined) await work(t);
    else t.skip(reason);
  });
}

/** A test inside containers of the image, which is pulled unless it is there. */
function containerTest(name: string, work: (t: Skippable) => Promise<void>): void {
  peerTest(name, ["podman", "runc"], async (t) => {
    if ((await engine.run("podman", ["image", "exists", nameOf()])).code !== 0) await podman(starter.line("podman"));
    await work(t);
  });
}
