import { strict as assert } from "node:assert";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test, type TestContext } from "node:test";
import { fastify, type FastifyInstance } from "fastify";
import { plainEnvironment, run } from "../../src/base/child.ts";
import { silentLog } from "../../src/base/log.ts";
import { loadConfig } from "../../src/config/config.ts";
import { openApiAccounts } from "../../src/server/accounts.ts";
import type { Factory } from "../../src/pipeline/factory.ts";
import { openFactory } from "../../src/pipeline/pipeline.ts";

/**
 * The clients that people use, against our registry with its accounts and tokens, over plain HTTP on loopback.
 *
 * Each has its own storage and home in the test's folder: nothing of the machine's own images is touched.
 */
describe("registry clients", () => {
  let folder = "";
  let factory: Factory;
  let app: FastifyInstance;
  let host = "";
  let password = "";

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "mintmark-clients-"));
    for (const name of ["home", "run", "context"]) await mkdir(join(folder, name), { mode: 0o700 });
    const dataDir = join(folder, "data");
    const config = await loadConfig({ flags: { data: dataDir }, environment: {} });
    factory = await openFactory(config, silentLog, { isStanding: false });
    const accounts = await openApiAccounts({ factory, config, log: silentLog });
    app = fastify({ forceCloseConnections: true });
    accounts.addDistribution(app);
    host = new URL(await app.listen({ host: "127.0.0.1", port: 0 })).host;
    password = (await readFile(join(dataDir, "admin-password"), "utf8")).trim();
    await writeFile(join(folder, "context", "hello.txt"), "hello\n");
    await writeFile(
      join(folder, "context", "Containerfile"),
      "FROM scratch\nCOPY hello.txt /hello.txt\nLABEL made=here\n",
    );
    await writeFile(join(folder, "policy.json"), '{"default":[{"type":"insecureAcceptAnything"}]}');
    await writeFile(join(folder, "registries.conf"), `[[registry]]\nlocation = "${host}"\ninsecure = true\n`);
    await signIn("auth.json", password);
    await signIn("wrong.json", "wrong");
  });

  after(async () => {
    await app.close();
    await factory.close();
    await rm(folder, { recursive: true, force: true });
  });

  async function signIn(file: string, secret: string): Promise<void> {
    const auth = Buffer.from(`admin:${secret}`).toString("base64");
    await writeFile(join(folder, file), JSON.stringify({ auths: { [host]: { auth } } }), { mode: 0o600 });
  }

  /** Runs a client with the secrets in a file: none of them in its arguments. */
  async function client(
    line: string,
    authFile = "auth.json",
  ): Promise<{ readonly code: number; readonly text: string }> {
    const [program = "", ...args] = line.split(" ");
    const storage = [
      "--root",
      join(folder, program),
      "--runroot",
      join(folder, "run", program),
      "--storage-driver",
      "vfs",
    ];
    const cgroups = program === "podman" ? ["--cgroup-manager", "cgroupfs", "--events-backend", "none"] : [];
    const own = program === "skopeo" ? ["--policy", join(folder, "policy.json")] : [...storage, ...cgroups];
    const env = {
      ...plainEnvironment,
      HOME: join(folder, "home"),
      XDG_RUNTIME_DIR: join(folder, "run"),
      REGISTRY_AUTH_FILE: join(folder, authFile),
      CONTAINERS_REGISTRIES_CONF: join(folder, "registries.conf"),
    };
    const { code, stdout, stderr } = await run(program, [...own, ...args], { env, cwd: folder, timeoutMs: 120_000 });
    return { code, text: `${stdout}\n${stderr}` };
  }

  async function must(line: string): Promise<string> {
    const { code, text } = await client(line);
    assert.equal(code, 0, `${line}\n${text}`);
    return text;
  }

  function clientTest(name: string, programs: readonly string[], body: () => Promise<void>): void {
    test(name, async (context) => {
      if (await hasPrograms(context, programs)) await body();
    });
  }

  clientTest("buildah builds an image and pushes it", ["buildah"], async () => {
    await must(`buildah build --isolation chroot --quiet --tag hello:1 ${join(folder, "context")}`);
    await must(`buildah push --tls-verify=false hello:1 docker://${host}/team/hello:1`);
    await must(`buildah push --tls-verify=false --format v2s2 hello:1 docker://${host}/team/docker:1`);
    await must("buildah rmi --all");
    await must(`buildah pull --tls-verify=false docker://${host}/team/hello:1`);
  });

  clientTest(
    "skopeo looks, copies between repositories, out and back in, and deletes",
    ["buildah", "skopeo"],
    async () => {
      const seen = JSON.parse(await must(`skopeo inspect --tls-verify=false docker://${host}/team/hello:1`)) as {
        Labels: Record<string, string>;
      };
      assert.equal(seen.Labels["made"], "here");
      const both = "--src-tls-verify=false --dest-tls-verify=false";
      await must(`skopeo copy ${both} docker://${host}/team/hello:1 docker://${host}/other/hello:2`);
      await must(`skopeo copy --src-tls-verify=false docker://${host}/other/hello:2 oci:${join(folder, "layout")}:2`);
      await must(`skopeo copy --dest-tls-verify=false oci:${join(folder, "layout")}:2 docker://${host}/third/hello:3`);
      const tags = JSON.parse(await must(`skopeo list-tags --tls-verify=false docker://${host}/third/hello`)) as {
        Tags: string[];
      };
      assert.deepEqual(tags.Tags, ["3"]);
      await must(`skopeo delete --tls-verify=false docker://${host}/third/hello:3`);
      const after = await client(`skopeo inspect --tls-verify=false docker://${host}/third/hello:3`);
      assert.notEqual(after.code, 0);
      assert.match(after.text, /manifest unknown|not found|Cannot find/i);
    },
  );

  clientTest("podman pulls what was pushed, and pushes it elsewhere", ["buildah", "podman"], async () => {
    await must(`podman pull --quiet --tls-verify=false ${host}/team/hello:1`);
    await must(`podman tag ${host}/team/hello:1 ${host}/pod/hello:4`);
    await must(`podman push --quiet --tls-verify=false ${host}/pod/hello:4`);
    await must(`podman rmi --all --force`);
    await must(`podman pull --quiet --tls-verify=false ${host}/pod/hello:4`);
    await must(`podman pull --quiet --tls-verify=false ${host}/team/docker:1`);
  });

  clientTest(
    "who has no account pulls but does not push; a wrong password does neither",
    ["buildah", "skopeo"],
    async () => {
      const pull = `skopeo inspect --tls-verify=false docker://${host}/team/hello:1`;
      const push = `skopeo copy --dest-tls-verify=false oci:${join(folder, "layout")}:2 docker://${host}/team/hello:5`;
      await writeFile(join(folder, "none.json"), "{}");
      const open = await client(pull, "none.json");
      assert.equal(open.code, 0, open.text);
      for (const [line, authFile] of [
        [push, "none.json"],
        [pull, "wrong.json"],
        [push, "wrong.json"],
      ] as const) {
        const told = await client(line, authFile);
        assert.notEqual(told.code, 0);
        assert.match(told.text, /unauthorized|authentication required|invalid username\/password|denied/i);
      }
    },
  );
});

/** Skips with a reason where a program is missing, except in CI, where all of them have to be there. */
async function hasPrograms(context: TestContext, programs: readonly string[]): Promise<boolean> {
  for (const program of programs) {
    const found = await run(program, ["--version"]).catch(() => undefined);
    if (found?.code === 0) continue;
    assert.equal(process.env["CI"], undefined, `CI needs ${program}`);
    context.skip(`${program} is not installed`);
    return false;
  }
  return true;
}
