import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, it } from "node:test";
import { openAptRepository, type AptRepository } from "../fixtures/apt-repository.ts";
import { debWithChangelog } from "../fixtures/changed-deb.ts";
import { makeDeb } from "../fixtures/deb.ts";
import { hostileDebs } from "../fixtures/hostile-debs.ts";
import { troubledDebs } from "../fixtures/troubled-debs.ts";
import { tinyDistribution } from "../fixtures/tiny-distribution.ts";
import { build, makeSite, sourcesOf, type TestSite } from "./site.ts";

const yaml =
  "name: test/tiny\ntitle: Tiny\ndistribution: debian:12\nflavour: runtime\npackages: [hello, ca-certificates]\n";

describe("a build in trouble", () => {
  let site: TestSite;
  let repository: AptRepository;

  beforeEach(async () => {
    site = await makeSite();
    repository = await openAptRepository({ distribution: "debian:12", suites: ["bookworm", "bookworm-security"] });
    await tinyDistribution(repository);
    await repository.add(
      [debWithChangelog({ name: "other", version: "1.0" }, [{ version: "1.0", changes: ["First."] }])],
      "bookworm-security",
    );
    await repository.publish();
  });
  afterEach(async () => {
    await repository.close();
    await site.close();
  });

  it("refuses an archive whose bytes are not those of the signed index, and keeps none of them", async () => {
    await repository.alterDeb("hello");
    const factory = await site.open(repository);
    const { run } = await build(factory, { recipe: await site.recipe("tiny", yaml) });
    await factory.close();
    assert.equal(run.failure?.code, "digest_mismatch");
    assert.match(run.failure.message, /hello/);
  });

  it("keeps what was fetched when the network dies, and goes on from there", async () => {
    const factory = await site.open(repository);
    const recipe = await site.recipe("tiny", yaml);
    const mend = repository.server.fault({ path: /hello_/, cutAfterBytes: 100 });
    const { run } = await build(factory, { recipe });
    assert.equal(run.failure?.code, "upstream_unreachable");
    mend();
    repository.server.reset();
    const again = await build(factory, { recipe });
    assert.equal(again.run.failure, undefined);
    assert.deepEqual(
      [...repository.server.requests.keys()].filter((path) => path.endsWith(".deb") && !path.includes("hello_")),
      [],
    );
    await factory.close();
  });

  it("names the hostile package and leaves no tree of it", async () => {
    const { bytes } = hostileDebs({ outside: join(site.folder, "outside") }).find(({ name }) => name === "traversal")!;
    await repository.add([{ ...makeDeb({ name: "hostile", version: "1.0" }), bytes }]);
    await repository.publish();
    const factory = await site.open(repository);
    const { run } = await build(factory, {
      recipe: await site.recipe("tiny", yaml.replace("hello,", "hello, hostile,")),
    });
    await factory.close();
    assert.equal(run.failure?.code, "archive_hostile");
    assert.match(run.failure.message, /"hostile"/);
    assert.deepEqual(await readdir(join(site.dataDir, "cache/work")), []);
  });

  it("names what an offline build lacks, and asks nobody for it", async () => {
    const factory = await site.open(repository);
    const recipe = await site.recipe("tiny", yaml);
    const mend = repository.server.fault({ path: /hello_/, status: 503 });
    assert.equal((await build(factory, { recipe })).run.failure?.code, "upstream_unreachable");
    mend();
    repository.server.reset();
    const { run } = await build(factory, { recipe, mode: "locked" });
    await factory.close();
    assert.equal(run.failure?.code, "not_found");
    assert.match(run.failure.message, /^Cannot build offline: the store lacks "hello" \S+$/);
    assert.deepEqual([...repository.server.requests.keys()], []);
  });

  it("tells why packages cannot be installed together", async () => {
    const { conflictA, conflictB, unsatisfiable } = troubledDebs();
    await repository.add([conflictA, conflictB, unsatisfiable]);
    await repository.publish();
    const factory = await site.open(repository);
    const failed = async (name: string, packages: string) => {
      const recipe = await site.recipe(name, yaml.replace("hello,", `hello, ${packages},`));
      return (await build(factory, { recipe })).run.failure;
    };
    const conflict = await failed("conflict", "conflict-a, conflict-b");
    const lacking = await failed("lacking", "unsatisfiable");
    await factory.close();
    assert.deepEqual([conflict?.code, lacking?.code], ["unsatisfiable", "unsatisfiable"]);
    assert.match(conflict!.message, /conflict-a.*Conflicts.*conflict-b|conflict-b.*Conflicts.*conflict-a/);
    assert.match(lacking!.message, /unsatisfiable.*Depends.*no-such-package/);
  });

  it("says what is wrong with a recipe, and where", async () => {
    const factory = await site.open(repository);
    const wrong = await build(factory, {
      recipe: await site.recipe("wrong", `${yaml}users: [{ name: Root, uid: 0 }]\nextra: 1\n`),
    });
    const absent = await build(factory, { recipe: join(site.folder, "nowhere") });
    const unlocked = await build(factory, { recipe: await site.recipe("unlocked", yaml), mode: "locked" });
    await factory.close();
    assert.equal(wrong.run.failure?.code, "recipe_invalid");
    assert.match(wrong.run.failure.message, /extra/);
    assert.equal(absent.run.failure?.code, "not_found");
    assert.equal(unlocked.run.failure?.code, "lock_missing");
  });

  it(
    "says that the disk is full, and goes on once there is room",
    { skip: process.getuid?.() === 0 ? false : "needs root to mount a small disk" },
    async () => {
      const minter = fileURLToPath(new URL("./minter.ts", import.meta.url));
      await repository.add([
        makeDeb({
          name: "large",
          version: "1.0",
          compression: "none",
          entries: [{ path: "usr/share/large", content: Buffer.alloc(24_000_000, 7) }],
        }),
      ]);
      await repository.publish();
      const recipe = await site.recipe("tiny", yaml.replace("hello,", "hello, large,"));
      const script = 'mkdir -p "$1" && mount -t tmpfs -o size=16m tmpfs "$1" && shift && exec "$@"';
      const command = [
        process.execPath,
        "--disable-warning=ExperimentalWarning",
        minter,
        site.dataDir,
        JSON.stringify(sourcesOf(repository)),
        recipe,
      ];
      const { stdout } = await new Promise<{ stdout: string }>((resolve) => {
        // The repository is served by this very process, so it must not be blocked.
        execFile(
          "unshare",
          ["--mount", "sh", "-c", script, "sh", site.dataDir, ...command],
          { maxBuffer: 1e8 },
          (_error, out) => resolve({ stdout: out }),
        );
      });
      assert.match(stdout, /"code":"disk_full"/);
      const factory = await site.open(repository);
      const { run } = await build(factory, { recipe });
      await factory.close();
      assert.equal(run.failure, undefined);
    },
  );
});
