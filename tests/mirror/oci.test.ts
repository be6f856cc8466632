import { strict as assert } from "node:assert";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { gzipSync } from "node:zlib";
import { plainEnvironment, run } from "../../src/base/child.ts";
import { tarBytes } from "../fixtures/tar-bytes.ts";
import { mintmark } from "../registry/command-line.ts";
import { digestOf, pushImage, type PushedImage, runServer, type RunningServer } from "../registry/running-server.ts";

/** The host in the names that clients ask for; nobody answers there: what they get came through the mirror. */
const host = "far.example";

/** Container clients pull images of another registry by its own names, through the proxy cache that stands for it. */
describe("container clients and their mirrors", () => {
  let folder = "";
  let far: RunningServer;
  let near: RunningServer;
  let image: PushedImage;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "mintmark-oci-mirror-"));
    far = await runServer(join(folder, "far"));
    near = await runServer(join(folder, "near"));
    const layer = gzipSync(tarBytes([{ path: "hello.txt", content: "hello\n" }]));
    image = await pushImage(far, "team/app", "1", layer);
    for (const line of [
      `peer add far ${far.url} --username admin --insecure`,
      "project create cache --public",
      `project proxy set cache --peer far --namespace team --mirror-of ${host}`,
    ])
      await ok(...line.split(" "));
    for (const name of ["home", "run"]) await mkdir(join(folder, name), { mode: 0o700 });
    await writeFile(join(folder, "policy.json"), '{"default":[{"type":"insecureAcceptAnything"}]}');
    await writeFile(join(folder, "auth.json"), "{}");
  });

  after(async () => {
    await near.close();
    await far.close();
    await rm(folder, { recursive: true, force: true });
  });

  async function ok(...args: readonly string[]): Promise<string> {
    const ran = await mintmark(join(folder, "near"), ...args);
    assert.equal(ran.code, 0, `${args.join(" ")}\n${ran.out}${ran.err}`);
    return ran.out;
  }

  test("containerd and BuildKit ask with ?ns= for tags, digests and blobs", async () => {
    const ask = async (path: string, method = "GET"): Promise<Response> =>
      await fetch(`${near.url}/v2/${path}`, { method });
    const head = await ask(`team/app/manifests/1?ns=${host}`, "HEAD");
    assert.equal(head.headers.get("docker-content-digest"), digestOf(image.manifest));
    assert.equal(head.headers.get("oci-namespace"), host);
    const manifest = await ask(`team/app/manifests/${digestOf(image.manifest)}?ns=${host}`);
    assert.equal(await manifest.text(), image.manifest);
    const blob = await ask(`team/app/blobs/${digestOf(image.layer)}?ns=${host}`);
    assert.deepEqual(Buffer.from(await blob.arrayBuffer()), image.layer);
    assert.equal((await ask("cache/app/manifests/1")).status, 200, "the path form stays");
    assert.equal((await ask("team/app/manifests/1?ns=other.example")).status, 404);
  });

  for (const program of ["skopeo", "podman"] as const)
    test(`${program} finds it by the file that is made for it`, async (context) => {
      if (!(await isInstalled(program))) return context.skip(`${program} is not installed`);
      const { files } = JSON.parse(await ok("project", "proxy", "clients", "cache", "--json")) as {
        files: { client: string; content: string }[];
      };
      const configuration = join(folder, "registries.conf");
      await writeFile(configuration, files.find(({ client }) => client === "podman")!.content);
      const env = {
        ...plainEnvironment,
        HOME: join(folder, "home"),
        XDG_RUNTIME_DIR: join(folder, "run"),
        CONTAINERS_REGISTRIES_CONF: configuration,
        REGISTRY_AUTH_FILE: join(folder, "auth.json"),
      };
      const policy = join(folder, "policy.json");
      const storage = ["--root", join(folder, "storage"), "--runroot", join(folder, "run"), "--storage-driver", "vfs"];
      const copy = ["copy", "--quiet", `docker://${host}/team/app:1`, `oci:${join(folder, "layout")}:1`];
      const args = {
        // It looks at the variable only since later versions.
        skopeo: ["--policy", policy, "--registries-conf", configuration, ...copy],
        podman: [...storage, "pull", "--quiet", "--signature-policy", policy, `${host}/team/app:1`],
      }[program];
      const { code, stdout, stderr } = await run(program, args, { env, timeoutMs: 60_000 });
      assert.equal(code, 0, `${stdout}${stderr}`);
    });
});

async function isInstalled(program: string): Promise<boolean> {
  return (await run(program, ["--version"]).catch(() => undefined))?.code === 0;
}
