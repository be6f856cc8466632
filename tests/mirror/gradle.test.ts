import { strict as assert } from "node:assert";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { obtainGradle } from "../clients/gradle-program.ts";
import { machineMaven } from "./maven-client.ts";
import { startPassingUpstream } from "./passing-upstream.ts";
import { runMirror } from "./running-mirror.ts";

const script = `repositories { mavenCentral(); maven { url 'http://other.invalid/' } }
configurations { wanted }
dependencies { wanted 'commons-codec:commons-codec:1.15' }
task fetch { doLast { configurations.wanted.files.each { println it.name } } }
`;

test("gradle resolves through the mirror: cold, warm without an upstream request, and with the upstream cut off", async (context) => {
  const own = await machineMaven();
  if ("reason" in own) return context.skip(own.reason);
  const got = await obtainGradle();
  if ("reason" in got) return context.skip(got.reason);
  const folder = await mkdtemp(join(tmpdir(), "mintmark-gradle-mirror-"));
  const upstream = await startPassingUpstream(own.upstream);
  let site = await runMirror([
    { name: "maven", format: "maven", kind: "proxy", upstream: upstream.url, isPublic: true },
  ]);
  /** Each has what Gradle makes of itself, and nothing that it fetched. */
  const fetchAll = async (): Promise<void> => {
    const home = join(folder, "home");
    const cwd = join(folder, "project");
    await rm(join(home, ".gradle/caches/modules-2"), { recursive: true, force: true });
    await mkdir(cwd, { recursive: true });
    const setups = site.mirror.formatOf("maven")!.clients({ base: site.base("maven"), isSealed: false });
    const { path, content } = setups.find(({ client }) => client === "gradle")!.files[0]!;
    await mkdir(dirname(join(home, path.slice(2))), { recursive: true });
    await writeFile(join(home, path.slice(2)), content);
    await writeFile(join(cwd, "build.gradle"), script);
    await writeFile(join(cwd, "settings.gradle"), "");
    const { code, stdout, stderr } = await got.gradle(["fetch"], { cwd, home });
    assert.equal(code, 0, stdout + stderr);
    assert.match(stdout, /commons-codec-1\.15\.jar/);
    assert.ok(stdout.includes(`${site.base("maven")}/commons-codec/commons-codec/1.15/commons-codec-1.15.jar`), stdout);
  };
  try {
    await fetchAll();
    const asked = upstream.requests.length;
    assert.ok(asked > 0);
    await fetchAll();
    assert.equal(upstream.requests.length, asked);
    upstream.cut();
    site = await site.restart({ MINTMARK_MIRROR_OFFLINE: "true" });
    await fetchAll();
  } finally {
    await site.close();
    await upstream.close();
    await rm(folder, { recursive: true, force: true });
  }
});
