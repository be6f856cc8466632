import assert from "node:assert/strict";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { plainEnvironment, run } from "../../src/base/child.ts";
import { putObjects, registrySource } from "../../src/pipeline/registry-source.ts";
import { signImage } from "../../src/sign/sign.ts";
import { mintmark, type Ran } from "./command-line.ts";
import { digestOf, pushImage, runServer, type RunningServer } from "./running-server.ts";

let home = "";
let near: RunningServer;
let far: RunningServer;

before(async () => {
  home = await mkdtemp(join(tmpdir(), "mintmark-movement-"));
  near = await runServer(join(home, "near"));
  far = await runServer(join(home, "far"), { MINTMARK_ANONYMOUS_READ: "false" });
  const secret = Buffer.from(far.administrator.slice("Basic ".length), "base64").toString().slice("admin:".length);
  await writeFile(join(home, "secret"), `${secret}\n`, { mode: 0o600 });
  await ok("peer", "add", "far", far.url, "--username", "admin", "--secret-file", join(home, "secret"));
});

after(async () => {
  await near.close();
  await far.close();
  await rm(home, { recursive: true, force: true });
});

/** Runs a command at the near server; it has to succeed. */
async function ok(...args: readonly string[]): Promise<Ran> {
  const ran = await mintmark(join(home, "near"), ...args);
  assert.equal(ran.code, 0, `${args.join(" ")}\n${ran.out}${ran.err}`);
  return ran;
}

async function read(server: RunningServer, path: string): Promise<Response> {
  return await fetch(`${server.url}/v2/${path}`, { headers: { authorization: server.administrator } });
}

/** Pushes a manifest that is attached to an image. */
async function attach(
  server: RunningServer,
  repository: string,
  image: { digest: string; manifest: string },
): Promise<string> {
  const mediaType = "application/vnd.oci.image.manifest.v1+json";
  const empty = { mediaType: "application/vnd.oci.empty.v1+json", digest: digestOf("{}"), size: 2 };
  const headers = { authorization: server.administrator };
  const upload = `${server.url}/v2/${repository}/blobs/uploads/?digest=${empty.digest}`;
  await fetch(upload, {
    method: "POST",
    headers: { ...headers, "content-type": "application/octet-stream" },
    body: "{}",
  });
  const subject = { mediaType, digest: image.digest, size: image.manifest.length };
  const body = JSON.stringify({
    schemaVersion: 2,
    mediaType,
    artifactType: "text/note",
    config: empty,
    layers: [],
    subject,
  });
  const target = `${server.url}/v2/${repository}/manifests/${digestOf(body)}`;
  const answer = await fetch(target, { method: "PUT", headers: { ...headers, "content-type": mediaType }, body });
  assert.equal(answer.status, 201);
  return digestOf(body);
}

async function until(what: string, isSo: () => Promise<boolean>): Promise<void> {
  for (let tries = 0; !(await isSo()); tries++) {
    assert.ok(tries < 200, what);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

test("peers are listed, checked and changed without ever telling their secret", async () => {
  assert.match((await ok("peer", "check", "far")).out, /lets us in/);
  const { out } = await ok("peer", "list", "--json");
  assert.ok(!out.includes((await readFile(join(home, "secret"), "utf8")).trim()));
  assert.equal((JSON.parse(out) as { peers: { hasSecret: boolean }[] }).peers[0]?.hasSecret, true);
  await writeFile(join(home, "wrong"), "not-the-secret\n");
  await ok("peer", "add", "other", far.url, "--username", "admin", "--secret-file", join(home, "wrong"));
  const check = await mintmark(join(home, "near"), "peer", "check", "other");
  assert.equal(check.code, 7, check.out);
  await ok("peer", "remove", "other");
});

test("a rule pushes what there is, then by itself what comes, and says what it did", async () => {
  const image = await pushImage(near, "team/app", "1", Buffer.alloc(200_000, "a"));
  const note = await attach(near, "team/app", image);
  await ok(
    "replication",
    "set",
    "out",
    "--to",
    "far",
    "--repository",
    "team/**",
    "--namespace",
    "copies",
    "--on",
    "event",
  );
  const started = await ok("replication", "start", "out");
  assert.match(started.out, /succeeded: 1 of 1 images/);
  assert.equal((await read(far, `copies/app/manifests/${note}`)).status, 200);
  assert.equal(await (await read(far, "copies/app/manifests/1")).text(), image.manifest);
  const referrers = (await (await read(far, `copies/app/referrers/${image.digest}`)).json()) as {
    manifests: unknown[];
  };
  assert.equal(referrers.manifests.length, 1);
  assert.match((await ok("replication", "start", "out")).out, /unchanged/);

  await pushImage(near, "team/app", "2", Buffer.alloc(100_000, "b"));
  await until("the push travels by itself", async () => (await read(far, "copies/app/manifests/2")).status === 200);
  assert.match((await ok("replication", "log", "out")).out, /event/);
  const metrics = await (await fetch(`${near.url}/metrics`)).text();
  assert.match(metrics, /mintmark_replication_tasks\{state="succeeded"\} [1-9]/);
  await ok("replication", "disable", "out");
  assert.equal((await mintmark(join(home, "near"), "replication", "start", "out")).code, 1);
  await ok("replication", "remove", "out");
});

test("a rule pulls, and a dead task says why and can be begun again", async () => {
  await pushImage(far, "base/debian", "12", Buffer.alloc(50_000, "d"));
  await ok("replication", "set", "in", "--from", "far", "--repository", "base/debian", "--namespace", "mirror");
  await ok("replication", "start", "in");
  assert.equal((await read(near, "mirror/debian/manifests/12")).status, 200);
  await ok("replication", "set", "in", "--from", "far", "--repository", "base/debian", "--signed");
  const { out } = await ok("replication", "start", "in", "--json");
  const { tasks } = JSON.parse(out) as { tasks: { outcome: string; note: string; id: string }[] };
  assert.deepEqual([tasks[0]?.outcome, tasks[0]?.note], ["skipped", "it has no signature"]);
  assert.match((await ok("replication", "retry", tasks[0]!.id)).out, /not dead/);
});

test("clients pull through a proxy cache, with the far registry away too", async (context) => {
  const image = await pushImage(far, "hub/tool", "1", Buffer.alloc(300_000, "t"));
  await ok("project", "create", "cache", "--public");
  await ok("project", "proxy", "set", "cache", "--peer", "far", "--namespace", "hub", "--fresh-seconds", "0");
  assert.match((await ok("project", "proxy", "list")).out, /cache/);
  const host = new URL(near.url).host;
  if (!(await hasSkopeo())) return context.skip("skopeo is not installed");
  const copied = await skopeo(
    `copy --src-tls-verify=false docker://${host}/cache/tool:1 oci:${join(home, "layout")}:1`,
  );
  assert.equal(copied.code, 0, copied.text);
  assert.equal(await (await read(near, "cache/tool/manifests/1")).text(), image.manifest);
  assert.equal((await read(near, "cache/tool/manifests/none")).status, 404);
  const push = await skopeo(
    `copy --dest-tls-verify=false oci:${join(home, "layout")}:1 docker://${host}/cache/tool:2`,
    near.administrator,
  );
  assert.notEqual(push.code, 0);
  await ok("peer", "change", "far", "--url", "http://127.0.0.1:1");
  const stale = await read(near, "cache/tool/manifests/1");
  assert.equal(stale.status, 200);
  assert.match(stale.headers.get("warning") ?? "", /^110 /);
  assert.equal((await read(near, "cache/tool/manifests/other")).status, 502);
  await ok("peer", "change", "far", "--url", far.url, "--username", "admin", "--secret-file", join(home, "secret"));
  const metrics = await (await fetch(`${near.url}/metrics`)).text();
  assert.match(metrics, /mintmark_proxy_requests_total\{outcome="stale"\} [1-9]/);
});

test("a first pull through a gated proxy cache brings what the gate judges by, and is held until it has", async () => {
  const signed = await pushImage(far, "hub/signed", "1", Buffer.alloc(10_000, "s"));
  await pushImage(far, "hub/unsigned", "1", Buffer.alloc(10_000, "u"));
  const { registry, store, keys } = far.factory;
  const about = { source: registrySource(registry, store.blobs), repository: "hub/signed", reference: signed.digest };
  const identities = ["far.example/hub/signed:1"];
  const objects = await signImage({ ...about, key: keys.release, identities, at: "2026-01-02T03:04:05Z" });
  await putObjects(objects, { registry, blobs: store.blobs, repository: "hub/signed", actor: "test" });
  await ok("project", "create", "gated");
  await ok("project", "proxy", "set", "gated", "--peer", "far", "--namespace", "hub");
  const gate = {
    requireVerdict: false,
    maxSeverity: undefined,
    allowUnfixed: true,
    requireSignature: true,
    trustedKeys: [keys.release.publicPem],
  };
  await near.factory.admission.setGate("gated", gate, "test");
  const pulled = await read(near, "gated/signed/manifests/1");
  assert.equal(pulled.status, 200, await pulled.clone().text());
  assert.equal(await pulled.text(), signed.manifest);
  const refused = await read(near, "gated/unsigned/manifests/1");
  assert.equal(refused.status, 412);
  assert.match(await refused.text(), /PROJECTPOLICYVIOLATION/);
});

test("images go by archive to a registry that no network reaches", async (context) => {
  const image = await pushImage(near, "carry/app", "1", Buffer.alloc(100_000, "c"));
  const note = await attach(near, "carry/app", image);
  const file = join(home, "images.tar.zst");
  const exported = await ok("export", "carry/app:1", "-o", file);
  assert.match(exported.out, /not signed/);
  assert.equal((await mintmark(join(home, "near"), "export", "carry/app:1", "-o", file)).code, 1, "it exists");
  const imported = await mintmark(join(home, "far"), "import", file);
  assert.equal(imported.code, 0, imported.err);
  assert.match(imported.out, /carry\/app:1 .* new/);
  assert.equal((await read(far, `carry/app/manifests/${note}`)).status, 200);
  assert.match((await mintmark(join(home, "far"), "import", file)).out, /was here/);
  await writeFile(join(home, "release.pub"), near.factory.keys.release.publicPem);
  const refused = await mintmark(
    join(home, "far"),
    "import",
    file,
    "--into",
    "strict/app:1",
    "--key",
    join(home, "release.pub"),
  );
  assert.equal(refused.code, 5, refused.err);
  assert.equal((await read(far, "strict/app/manifests/1")).status, 404);

  if (!(await hasSkopeo())) return context.skip("skopeo is not installed");
  const plain = join(home, "plain.tar");
  await ok("export", "carry/app:1", "-o", plain);
  const copied = await skopeo(
    `copy --preserve-digests oci-archive:${plain}:carry/app:1 oci-archive:${join(home, "theirs.tar")}:1`,
  );
  assert.equal(copied.code, 0, copied.text);
  await ok("import", join(home, "theirs.tar"), "--into", "carry/theirs");
  assert.equal(await (await read(near, "carry/theirs/manifests/1")).text(), image.manifest);
});

async function hasSkopeo(): Promise<boolean> {
  const found = await run("skopeo", ["--version"]).catch(() => undefined);
  if (found?.code !== 0) assert.equal(process.env["CI"], undefined, "CI needs skopeo");
  return found?.code === 0;
}

async function skopeo(line: string, authorization?: string): Promise<{ readonly code: number; readonly text: string }> {
  await mkdir(join(home, "skopeo"), { recursive: true });
  await writeFile(join(home, "policy.json"), '{"default":[{"type":"insecureAcceptAnything"}]}');
  const auth = authorization?.slice("Basic ".length);
  const auths = auth === undefined ? {} : { [new URL(near.url).host]: { auth } };
  await writeFile(join(home, "auth.json"), JSON.stringify({ auths }), { mode: 0o600 });
  const env = {
    ...plainEnvironment,
    HOME: join(home, "skopeo"),
    XDG_RUNTIME_DIR: join(home, "skopeo"),
    REGISTRY_AUTH_FILE: join(home, "auth.json"),
  };
  const { code, stdout, stderr } = await run("skopeo", ["--policy", join(home, "policy.json"), ...line.split(" ")], {
    env,
  });
  return { code, text: `${stdout}${stderr}` };
}
