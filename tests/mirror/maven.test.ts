import { strict as assert } from "node:assert";
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, before, describe, test, type TestContext } from "node:test";
import { plainEnvironment, run } from "../../src/base/child.ts";
import { machineMaven } from "./maven-client.ts";
import { startPassingUpstream, type PassingUpstream } from "./passing-upstream.ts";
import { runMirror, type RunningMirror } from "./running-mirror.ts";

/** Any plugin that has the dependencies of a project resolved would do; these bring few files of their own. */
const resolver = "org.apache.maven.plugins:maven-antrun-plugin:1.3:run";
const deployer = "org.apache.maven.plugins:maven-deploy-plugin:2.7:deploy-file";
const common = "org.apache.commons:commons-lang3:3.14.0";
const commonJar = "org/apache/commons/commons-lang3/3.14.0/commons-lang3-3.14.0.jar";

describe("mvn and its mirror", () => {
  let folder = "";
  let upstream: PassingUpstream;
  let site: RunningMirror;
  let missing = "";
  let homes = 0;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "mintmark-maven-mirror-"));
    const own = await machineMaven();
    if ("reason" in own) {
      missing = own.reason;
      return;
    }
    upstream = await startPassingUpstream(own.upstream);
    site = await runMirror([
      { name: "maven-far", format: "maven", kind: "proxy", upstream: upstream.url },
      { name: "maven-ours", format: "maven", kind: "hosted" },
      { name: "maven", format: "maven", kind: "group", members: ["maven-ours", "maven-far"] },
    ]);
  });

  after(async () => {
    await site?.close();
    await upstream?.close();
    await rm(folder, { recursive: true, force: true });
  });

  /** Runs mvn with an empty repository of its own, and the settings that the mirror gives out. */
  async function mvn(args: readonly string[]): Promise<{ code: number; output: string; local: string }> {
    const home = join(folder, `home-${(homes += 1)}`);
    const [setup] = site.mirror.formatOf("maven")!.clients({ base: site.base("maven"), isSealed: true });
    for (const { path, content } of setup!.files) {
      const file = join(home, path.slice(2));
      await mkdir(dirname(file), { recursive: true });
      await writeFile(file, withServer(content, site.credentials));
    }
    const local = join(home, "repository");
    const line = ["-B", "-ntp", `-Duser.home=${home}`, `-Dmaven.repo.local=${local}`, ...args];
    const env = { ...plainEnvironment, HOME: home, MAVEN_OPTS: "-XX:TieredStopAtLevel=1" };
    const { code, stdout, stderr } = await run("mvn", line, { cwd: home, env, timeoutMs: 120_000 });
    return { code, output: stdout + stderr, local };
  }

  /** Resolves an artifact for a project that names a repository of its own, over plain http, for snapshots too. */
  async function get(artifact: string): ReturnType<typeof mvn> {
    const [groupId, artifactId, version] = artifact.split(":");
    const project = join(folder, `project-${homes}.xml`);
    await writeFile(
      project,
      `<project><modelVersion>4.0.0</modelVersion><groupId>test</groupId><artifactId>test</artifactId><version>1</version>
      <packaging>pom</packaging><repositories><repository><id>other</id><url>http://other.invalid/</url></repository></repositories>
      <dependencies><dependency><groupId>${groupId}</groupId><artifactId>${artifactId}</artifactId><version>${version}</version>
      </dependency></dependencies></project>`,
    );
    return await mvn(["-f", project, resolver]);
  }

  function ready(context: TestContext): boolean {
    if (missing !== "") context.skip(missing);
    return missing === "";
  }

  test("an artifact and the plugin that asks for it come through the mirror, over plain http", async (context) => {
    if (!ready(context)) return;
    const { code, output, local } = await get(common);
    assert.equal(code, 0, output);
    assert.doesNotMatch(output, /http-blocker|checksum/i);
    assert.ok((await stat(join(local, commonJar))).size > 100_000);
    const jar = await fetch(`${site.base("maven")}/${commonJar}`);
    assert.equal(jar.status, 200);
    await jar.arrayBuffer();
    context.diagnostic(`${upstream.requests.length} requests upstream`);
  });

  test("the second time nobody upstream is asked", async (context) => {
    if (!ready(context)) return;
    const before = upstream.requests.length;
    const { code, output } = await get(common);
    assert.equal(code, 0, output);
    assert.deepEqual(upstream.requests.slice(before), []);
  });

  test("a wrong byte is refused, and mvn prints why", async (context) => {
    if (!ready(context)) return;
    upstream.spoil((path) => path.endsWith("commons-lang3-3.13.0.jar"));
    const { code, output } = await get("org.apache.commons:commons-lang3:3.13.0");
    upstream.spoil(() => false);
    assert.notEqual(code, 0, output);
    context.diagnostic(output.split("\n").find((line) => line.startsWith("[ERROR]")) ?? "");
    const again = await fetch(`${site.base("maven")}/${commonJar.replaceAll("3.14.0", "3.13.0")}`);
    assert.equal(again.status, 200, "nothing of it was kept");
    await again.arrayBuffer();
    // Small enough to be judged before the first byte is sent.
    upstream.spoil((path) => path.endsWith("commons-lang3-3.11.pom"));
    const pom = await fetch(`${site.base("maven-far")}/org/apache/commons/commons-lang3/3.11/commons-lang3-3.11.pom`);
    upstream.spoil(() => false);
    assert.equal(pom.status, 502);
    assert.match(pom.statusText, /has the (?:sha1|sha256) [0-9a-f]{40,}, but [0-9a-f]{40,} was promised/);
    await pom.text();
  });

  test("an artifact of one's own is deployed, and comes back through the group", async (context) => {
    if (!ready(context)) return;
    const file = join(folder, "lib.jar");
    await writeFile(file, "not really a jar");
    const deploy = async (version: string): ReturnType<typeof mvn> =>
      await mvn([
        deployer,
        `-Dfile=${file}`,
        "-DgroupId=corp.example",
        "-DartifactId=lib",
        `-Dversion=${version}`,
        "-Dpackaging=jar",
        "-DrepositoryId=ours",
        `-Durl=${site.base("maven-ours")}/`,
      ]);
    for (const version of ["1.0", "2.0-SNAPSHOT"]) {
      const { code, output } = await deploy(version);
      assert.equal(code, 0, output);
    }
    const asked = upstream.requests.length;
    const metadata = await (await fetch(`${site.base("maven")}/corp/example/lib/maven-metadata.xml`)).text();
    assert.match(metadata, /<version>1\.0<\/version>\s*<version>2\.0-SNAPSHOT<\/version>/);
    for (const version of ["[1.0,1.9]", "2.0-SNAPSHOT"]) {
      const { code, output, local } = await get(`corp.example:lib:${version}`);
      assert.equal(code, 0, output);
      const found = (await readdir(join(local, "corp/example/lib"), { recursive: true })).find((name) =>
        name.endsWith(".jar"),
      );
      assert.ok(found !== undefined, version);
      assert.equal(await readFile(join(local, "corp/example/lib", found), "utf8"), "not really a jar");
    }
    assert.deepEqual(
      upstream.requests.slice(asked).filter((line) => line.includes("corp")),
      [],
    );
    await writeFile(file, "something else");
    const second = await deploy("1.0");
    assert.notEqual(second.code, 0);
    assert.match(second.output, /409.*is here already with other bytes/, "mvn prints the mirror's reason");
  });

  test("without an upstream everything that came once comes again", async (context) => {
    if (!ready(context)) return;
    upstream.cut();
    await site.mirror.change("maven-far", { metadataSeconds: 0 }, "admin");
    const { code, output } = await get(common);
    assert.equal(code, 0, output);
    const never = await get("org.apache.commons:commons-lang3:3.1");
    assert.notEqual(never.code, 0);
    assert.match(never.output, /50[23] Cannot (?:fetch|reach)|reason phrase: Cannot (?:fetch|reach)/, never.output);
  });

  test("offline nobody is asked", async (context) => {
    if (!ready(context)) return;
    site = await site.restart({ MINTMARK_MIRROR_OFFLINE: "true" });
    const { code, output } = await get(common);
    assert.equal(code, 0, output);
    assert.equal(site.counts().upstreamRequests, 0);
  });
});

/** Adds the credentials of a deployment, as a user does. */
function withServer(settings: string, { username, password }: RunningMirror["credentials"]): string {
  const server = `<server><id>ours</id><username>${username}</username><password>${password}</password></server>`;
  return settings.replace("</settings>", `  <servers>${server}</servers>\n</settings>`);
}
