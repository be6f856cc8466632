import assert from "node:assert/strict";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import fc from "fast-check";
import { planBake, prepareBake, type BakeRequest } from "./bake.ts";
import { graphAsDot, readRecipeGraph, wavesOf, withVariants } from "./variants.ts";

let folder: string;
before(async () => void (folder = await mkdtemp(join(tmpdir(), "mintmark-variants-"))));
after(() => rm(folder, { recursive: true }));

async function recipes(name: string, files: Readonly<Record<string, string>>): Promise<string> {
  const root = join(folder, name);
  for (const [path, text] of Object.entries(files)) {
    await mkdir(join(root, path, ".."), { recursive: true });
    await writeFile(join(root, path), text);
  }
  return root;
}

const image = (name: string, more = ""): string =>
  `name: ${name}\ntitle: ${name}\ncontainerfile: Containerfile\n${more}`;

describe("the graph of recipes", () => {
  test("takes its edges from FROM, COPY and base", async () => {
    const root = await recipes("edges", {
      "base/image.yaml": "name: team/base\ntitle: x\ndistribution: debian:12\npackages: [git]\n",
      "java/image.yaml": image("team/java"),
      "java/Containerfile": "ARG V=12\nFROM team/base:${V}\nCOPY --from=docker.io/library/alpine:3 /a /a\n",
      "tool/image.yaml": image("team/tool", "base: java\n"),
      "tool/Containerfile": "FROM scratch\n",
      "all/image.yaml": image("team/all"),
      "all/Containerfile": "FROM team/tool:1 AS t\nFROM team/java:1\nCOPY --from=t /x /x\n",
      "notes/README.md": "no recipe",
    });
    const graph = await readRecipeGraph(root);
    assert.deepEqual(
      [...graph.nodes.values()].map(({ recipe, bases, images }) => [recipe, bases, images]),
      [
        ["all", ["java", "tool"], []],
        ["base", [], []],
        ["java", ["base"], ["docker.io/library/alpine:3"]],
        ["tool", ["java"], []],
      ],
    );
    assert.deepEqual(graph.waves, [["base"], ["java"], ["tool"], ["all"]]);
    assert.deepEqual(withVariants(graph, ["tool"]), [["tool"], ["all"]]);
    assert.deepEqual(withVariants(graph, ["base"]).flat(), ["base", "java", "tool", "all"]);
    assert.throws(() => withVariants(graph, ["none"]), { code: "not_found" });
    const dot = graphAsDot(graph, new Set(["java"]));
    assert.match(dot, /"base" -> "java";/);
    assert.match(dot, /"java" \[label="java\\nteam\/java", style=dashed\];/);
  });

  test("refuses circles and bases that are not there", async () => {
    const circle = await recipes("circle", {
      "a/image.yaml": image("a", "base: b\n"),
      "a/Containerfile": "FROM scratch\n",
      "b/image.yaml": image("b"),
      "b/Containerfile": "FROM a:1\n",
    });
    await assert.rejects(readRecipeGraph(circle), /in a circle/);
    const lost = await recipes("lost", {
      "a/image.yaml": image("a", "base: b\n"),
      "a/Containerfile": "FROM scratch\n",
    });
    await assert.rejects(readRecipeGraph(lost), /its base "b" is no recipe here/);
  });

  test("orders anything without a circle, each after its bases and as early as it can be", () => {
    const graphs = fc
      .array(fc.uniqueArray(fc.nat(30)), { maxLength: 30 })
      .map(
        (all) =>
          new Map(
            all.map((bases, at) => [String(at), { bases: bases.filter((base) => base < at).map(String) }] as const),
          ),
      );
    fc.assert(
      fc.property(graphs, (nodes) => {
        const waves = wavesOf(nodes);
        const waveOf = new Map(waves.flatMap((wave, at) => wave.map((name) => [name, at] as const)));
        assert.equal(waveOf.size, nodes.size);
        for (const [name, { bases }] of nodes)
          assert.equal(waveOf.get(name), Math.max(-1, ...bases.map((base) => waveOf.get(base)!)) + 1);
      }),
    );
  });
});

describe("bake", () => {
  test("makes a recipe of each target, in waves", async () => {
    const root = await recipes("bake", {
      "docker-bake.hcl": [
        'group "default" { targets = ["app"] }',
        'target "base" {',
        '  context = "base"',
        '  tags = ["registry.example.com/team/base:1"]',
        "}",
        'target "app" {',
        '  contexts = { base = "target:base", tool = "docker-image://team/tool:2", "team/x:1" = "docker-image://team/y:2" }',
        '  args = { A = "1" }',
        '  labels = { "org.example" = "x" }',
        '  tags = ["team/app:1", "team/app:latest", "elsewhere/app:1"]',
        '  platforms = ["linux/amd64", "linux/arm64"]',
        '  target = "final"',
        "}",
      ].join("\n"),
      "base/Dockerfile": "FROM debian:12\n",
      Containerfile:
        "ARG A\nFROM team/x:${A} AS x\nFROM base AS final\nCOPY --from=tool /t /t\nCOPY file /\nFROM final\n",
      file: "content",
    });
    const request: BakeRequest = { folder: root, files: [], targets: [], changes: [], environment: {} };
    const into = join(root, "data");
    const waves = await prepareBake(await planBake(request), request, into);
    assert.deepEqual(
      waves.map((wave) => wave.map(({ target, architectures }) => [target, architectures])),
      [[["base", []]], [["app", ["amd64", "arm64"]]]],
    );
    assert.equal(
      await readFile(join(into, "app/Containerfile"), "utf8"),
      "ARG A\nFROM team/y:2 AS x\nFROM team/base:1 AS final\nCOPY --from=team/tool:2 /t /t\nCOPY file /\nFROM final\n",
    );
    const graph = await readRecipeGraph(into);
    assert.deepEqual(graph.waves, [["base"], ["app"]]);
    const { recipe } = graph.nodes.get("app")!.loaded;
    assert.deepEqual(
      [recipe.name, recipe.tags, recipe.args, recipe.labels, recipe.target],
      ["team/app", ["1", "latest"], { A: "1" }, { "org.example": "x" }, "final"],
    );
    assert.equal(await readFile(join(into, "app/context/file"), "utf8"), "content");
  });

  test("refuses what a sealed build does not do", async () => {
    const refused: readonly (readonly [attribute: string, fault: RegExp])[] = [
      ['secret = ["id=a,src=b"]', /has secret/],
      ['platforms = ["windows/amd64"]', /not a known platform/],
      ['contexts = { a = "oci-layout://x" }', /import a layout/],
      ['tags = ["A B"]', /no reference/],
    ];
    for (const [attribute, fault] of refused) {
      const root = await recipes("refused", {
        "build.hcl": `target "default" {\n ${attribute}\n}`,
        Dockerfile: "FROM scratch\n",
      });
      const request: BakeRequest = { folder: root, files: [], targets: [], changes: [], environment: {} };
      await assert.rejects(prepareBake(await planBake(request), request, join(root, "data")), fault);
    }
  });
});
