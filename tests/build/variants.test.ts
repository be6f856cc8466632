import assert from "node:assert/strict";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import type { Manifest } from "../../src/model/oci.ts";
import { mintmark, type Said } from "./sealed-program.ts";
import { sealedObstacle } from "./sealed-site.ts";

const obstacle = await sealedObstacle();

const base = (more = ""): string =>
  `name: test/base\ntitle: Base\ndistribution: [debian:13, debian:12]\npackages: [apt]\n${more}`;
const variant = (name: string): string => `name: test/${name}\ntitle: ${name}\ncontainerfile: Containerfile\n`;

const recipes: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  base: { "image.yaml": base() },
  // The base names no sources of apt: what the mirror has of its release is shown to RUN.
  middle: {
    "image.yaml": variant("middle"),
    Containerfile:
      "FROM test/base:latest\nRUN apt-get update && apt-get install --yes --no-install-recommends jq && rm -rf /var/lib/apt/lists/*\n",
  },
  leaf: { "image.yaml": variant("leaf"), Containerfile: "FROM test/middle\nRUN jq -n 6*7 > /answer\n" },
  // Stands on the base, too, so that a wave has two.
  twin: { "image.yaml": variant("twin"), Containerfile: "FROM test/base\nRUN echo twin > /twin\n" },
  // Stands on none of them.
  other: { "image.yaml": `name: test/other\ntitle: Other\ndistribution: [debian:13, debian:12]\npackages: [mawk]\n` },
};

const bakeFile = `
variable "WORDS" { default = ["one", "two"] }
target "_all" { dockerfile-inline = "FROM start\\nARG WORD\\nRUN echo $WORD > /word\\n" }
target "word" {
  name     = "word-\${item}"
  inherits = ["_all"]
  matrix   = { item = WORDS }
  args     = { WORD = upper(item) }
  contexts = { start = "docker-image://test/base" }
  tags     = ["test/word:\${item}"]
  labels   = { word = item }
}
target "after" {
  dockerfile-inline = "FROM start\\nRUN cat /word /word > /words\\n"
  contexts = { start = "target:word-two" }
  tags     = ["test/after"]
}
`;

describe("variants", { skip: obstacle ?? false }, () => {
  let folder = "";
  const digests = async (): Promise<Record<string, string>> => {
    const { stdout } = await mintmark(folder, ["--json", "image", "list"]);
    const { images } = JSON.parse(stdout) as {
      readonly images: readonly {
        readonly digest: string;
        readonly tags: readonly string[];
        readonly repository: string;
      }[];
    };
    return Object.fromEntries(
      images.flatMap(({ repository, tags, digest }) => tags.map((tag) => [`${repository}:${tag}`, digest])),
    );
  };
  const built = async (args: readonly string[], cwd?: string): Promise<Said> => {
    const said = await mintmark(folder, args, cwd === undefined ? {} : { cwd });
    assert.equal(said.code, 0, said.stderr.slice(-3000));
    return said;
  };
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "mintmark-variants-"));
    for (const [name, files] of Object.entries(recipes)) {
      await mkdir(join(folder, "recipes", name), { recursive: true });
      for (const [file, text] of Object.entries(files)) await writeFile(join(folder, "recipes", name, file), text);
    }
    await built(["mirror", "detect", "--apply"]);
  });
  after(async () => await rm(folder, { recursive: true, force: true }));

  let first: Record<string, string> = {};

  it("are built in order, each on what was built before", async () => {
    const { stderr } = await built(["build", "base", "--with-variants"]);
    const order = [...stderr.matchAll(/^(base|middle|twin|leaf|other): (?!\w+: )/gm)].map(([, name]) => name);
    assert.deepEqual(order, ["base", "middle", "twin", "leaf"]);
    first = await digests();
    assert.equal(first["test/other:latest"], undefined);
    await built(["build", "other"]);
    first = await digests();
    assert.equal(Object.keys(first).filter((name) => name.endsWith(":latest")).length, 5);
  });

  it("are not built again where nothing changed", async () => {
    const { stderr } = await built(["build", "base", "--with-variants"]);
    for (const name of ["middle", "twin", "leaf"]) assert.match(stderr, new RegExp(`^${name}: up to date$`, "m"));
    assert.deepEqual(await digests(), first);
    const { stdout } = await built(["graph"]);
    assert.equal(stdout.match(/up to date/g)?.length, 5, stdout);
  });

  it("follow a change of their base, and what stands on none of it stays", async () => {
    await writeFile(join(folder, "recipes/base/image.yaml"), base("environment: { CHANGED: yes }\n"));
    const graph = (await built(["graph"])).stdout;
    assert.match(graph, /^1 +base .*the recipe changed/m);
    assert.match(graph, /^2 +middle .*its base "base" is due/m);
    assert.match(graph, /^3 +leaf .*its base "middle" is due/m);
    assert.match(graph, /^1 +other .*up to date/m);
    const { stderr } = await built(["build", "base", "--with-variants"]);
    assert.match(stderr, /^middle: its base "test\/base:latest" has moved$/m);
    const now = await digests();
    for (const name of ["base", "middle", "twin", "leaf"])
      assert.notEqual(now[`test/${name}:latest`], first[`test/${name}:latest`], name);
    assert.equal(now["test/other:latest"], first["test/other:latest"]);
    const layers = async (name: string): Promise<string[]> => {
      const blob = join(folder, "data/blobs/sha256", now[name]!.slice(7, 9), now[name]!.slice(7));
      return (JSON.parse(await readFile(blob, "utf8")) as Manifest).layers.map(({ digest }) => digest);
    };
    const [below, middle, leaf] = [
      await layers("test/base:latest"),
      await layers("test/middle:latest"),
      await layers("test/leaf:latest"),
    ];
    assert.deepEqual(middle.slice(0, below.length), below);
    assert.deepEqual(leaf.slice(0, middle.length), middle);
  });

  it("come from a bake file with a matrix, too", async () => {
    const place = join(folder, "bake");
    await mkdir(place);
    await writeFile(join(place, "docker-bake.hcl"), bakeFile);
    await built(["bake", "word", "after"], place);
    const tests = join(folder, "tests.yaml");
    await writeFile(
      tests,
      `schemaVersion: 2.0.0
commandTests: [{ name: words, command: cat, args: [/words], expectedOutput: ['^TWO\\nTWO\\n$'] }]
`,
    );
    assert.match((await built(["test", "test/after", "--tests", tests])).stdout, /^pass/m);
    const now = await digests();
    assert.notEqual(now["test/word:one"], now["test/word:two"]);
    assert.deepEqual((await readdir(join(folder, "data/bake"))).sort(), ["after", "word-one", "word-two"]);
  });

  it("are proven at once where that is asked for, and what differs is named", async () => {
    const { stdout } = await built(["build", "other", "--prove"]);
    assert.match(stdout, /^rebuilt equal +yes$/m);
    const clock = join(folder, "recipes/clock");
    await mkdir(clock);
    await writeFile(join(clock, "image.yaml"), variant("clock"));
    await writeFile(join(clock, "Containerfile"), "FROM test/base\nRUN date +%N%s > /stamp && echo 1 > /fine\n");
    const said = await mintmark(folder, ["build", clock, "--prove"]);
    await rm(clock, { recursive: true });
    assert.equal(said.code, 5, said.stderr.slice(-3000));
    assert.match(said.stdout, /^rebuilt equal +no: .*what differs: changed \/stamp: content/m);
    assert.doesNotMatch(said.stdout, /fine/);
    assert.match(said.stderr, /"test\/clock" is not the same twice/);
  });
});
