import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import fc from "fast-check";
import { bakeOrder, bakePlan, readBakeFiles, type BakeWish } from "./bake.ts";
import { evaluate } from "./hcl/evaluate.ts";
import { parseHcl } from "./hcl/parse.ts";
import type { Value } from "./hcl/syntax.ts";

function plan(text: string | readonly string[], wish: Partial<BakeWish> = {}) {
  const files = [text].flat().map((one, at) => ({ path: one.startsWith("{") ? `${at}.json` : `${at}.hcl`, text: one }));
  return bakePlan(files, { targets: [], environment: {}, changes: [], ...wish });
}

function value(expression: string): Value {
  const { attributes } = parseHcl(`x = ${expression}\n`, "x.hcl");
  const names: Readonly<Record<string, Value>> = {
    a: "A",
    n: 3,
    l: ["x", "y"],
    m: { k: "v", z: 1 },
    o: [{ p: 1 }, { p: 2 }],
  };
  return evaluate(attributes[0]!.value, { value: (name) => names[name], call: () => undefined });
}

const expressions: readonly (readonly [text: string, expected: unknown])[] = [
  ["1.5e2", 150],
  ['"a${a}-${n}"', "aA-3"],
  ['"${l}"', ["x", "y"]],
  ['"$${a} %%{ \\"q\\" \\u00e9\\n"', '${a} %{ "q" é\n'],
  ["true ? 1 : 2", 1],
  ['n == 3 ? "yes" : "no"', "yes"],
  ["n > 2 && n <= 3 || false", true],
  ["!(n != 3)", true],
  ["1 + 2 * 3 - -4 % 3", 8],
  ["[1, 2,\n 3,\n]", [1, 2, 3]],
  ['{ a = 1, "b" : 2\n c = "x"\n (a) = 4 }', { a: 1, b: 2, c: "x", A: 4 }],
  ["[for x in l : upper(x)]", ["X", "Y"]],
  ['[for i, x in l : "${i}${x}" if i > 0]', ["1y"]],
  ["{ for k, v in m : k => v }", { k: "v", z: 1 }],
  ["{ for x in l : length(x) => x... }", { 1: ["x", "y"] }],
  ["o[*].p", [1, 2]],
  ["o.*.p", [1, 2]],
  ["l[1]", "y"],
  ["l.0", "x"],
  ['m["k"]', "v"],
  ["m.k", "v"],
  ["<<EOT\nline ${a}\nEOT", "line A\n"],
  ["<<-EOT\n    a\n      b\n    EOT", "a\n  b\n"],
  ["/* c */ 1 # c", 1],
  ["max(l...)", "fails"],
  ["concat(l, [a])", ["x", "y", "A"]],
  ['join("-", l)', "x-y"],
  ['split(",", "a,b")', ["a", "b"]],
  ['format("%s:%03d %v %q", a, n, true, "x")', 'A:003 true "x"'],
  ['regex_replace("v1.2", "[^0-9]", "_")', "_1_2"],
  ['replace("a.b.c", ".", "-")', "a-b-c"],
  ['substr("hello", 1, 3)', "ell"],
  ['substr("hello", -3, -1)', "llo"],
  ['lookup(m, "none", "d")', "d"],
  ["merge(m, { k = 2 })", { k: 2, z: 1 }],
  ["distinct(flatten([[1, 2], [2, [3]]]))", [1, 2, 3]],
  ['coalesce("", null, "x")', "x"],
  ["keys(m)", ["k", "z"]],
  ["zipmap(l, [1, 2])", { x: 1, y: 2 }],
  ["range(3)", [0, 1, 2]],
  ['title("a bc")', "A Bc"],
  ['trimsuffix(trimprefix("v1.0", "v"), ".0")', "1"],
  ['sha256("")', "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"],
  ['jsondecode("{\\"a\\":[1]}").a[0]', 1],
  ['sanitize("a/b:c")', "a_b_c"],
  ["equal(l, l)", true],
  ["none", "fails"],
  ["l[7]", "fails"],
  ['n + "x"', "fails"],
  ["1 / 0", "fails"],
  ["timestamp()", "fails"],
  ["nothing()", "fails"],
  ['"${"', "fails"],
  ['"%{ if a }"', "fails"],
  ["[1", "fails"],
  ["{ a }", "fails"],
  ["1 2", "fails"],
  ["range(100000000)", "fails"],
];

describe("expressions", () => {
  for (const [text, expected] of expressions)
    test(`${text.replaceAll("\n", "\\n")} ${expected === "fails" ? "fails" : "is worked out"}`, () => {
      if (expected === "fails") assert.throws(() => value(text), { code: "recipe_invalid" });
      else assert.equal(JSON.stringify(value(text)), JSON.stringify(expected));
    });

  test("that lie too deep are refused", () => {
    assert.throws(() => value("(".repeat(5000)), /too deep/);
    assert.throws(() => value("!".repeat(5000)), /too deep/);
    assert.throws(() => parseHcl("a {".repeat(5000), "x.hcl"), /too deep/);
  });

  test("any text is read or refused, never more", () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(...'ab ="${}[]()\n<-EOT?:.,%!#/*1'.split("")) }), (text) => {
        try {
          parseHcl(text, "x.hcl");
        } catch (error) {
          assert.equal((error as { code?: string }).code, "recipe_invalid");
        }
      }),
    );
  });

  test("any text survives its quotes", () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        const quoted = JSON.stringify(text)
          .replaceAll("${", () => "$${")
          .replaceAll("%{", "%%{")
          .replaceAll(/\\[bf]/g, (found) => `\\u00${found === "\\b" ? "08" : "0c"}`);
        assert.equal(value(quoted), text);
      }),
    );
  });
});

const sample = `
variable "TAG" { default = "latest" }
variable "PUSH" { default = false }
variable "COUNT" { default = 2 }
registry = "registry.example.com"
function "name" {
  params = [image]
  variadic_params = rest
  result = "\${registry}/\${image}:\${TAG}\${join("", rest)}"
}
group "default" { targets = ["app", "tools"] }
group "tools" { targets = ["lint"] }
target "_common" {
  args = { A = "1", B = null, C = "c" }
  labels = { "org.example" = "x" }
  cache-from = ["type=gha"]
}
target "base" { dockerfile = "base.Dockerfile" }
target "app" {
  inherits = ["_common"]
  contexts = { base = "target:base", alpine = "docker-image://alpine:3.22" }
  args = { A = COUNT, D = PUSH ? "yes" : "no" }
  tags = [name("app"), name("app", "-slim")]
  platforms = ["linux/amd64", "linux/arm64"]
  output = ["type=image,push=true"]
}
target "lint" {
  context = "./lint"
  dockerfile-inline = <<EOT
FROM scratch
EOT
  no-cache = true
}
`;

describe("plans", () => {
  test("hold the targets of the default group, and those that they build on", () => {
    assert.deepEqual(JSON.parse(JSON.stringify(plan(sample))), {
      group: { default: { targets: ["app", "tools"] }, tools: { targets: ["lint"] } },
      target: {
        app: {
          context: ".",
          contexts: { alpine: "docker-image://alpine:3.22", base: "target:base" },
          dockerfile: "Dockerfile",
          args: { A: "2", C: "c", D: "no" },
          labels: { "org.example": "x" },
          tags: ["registry.example.com/app:latest", "registry.example.com/app:latest-slim"],
          "cache-from": [{ type: "gha" }],
          platforms: ["linux/amd64", "linux/arm64"],
          output: [{ push: "true", type: "image" }],
        },
        base: { context: ".", dockerfile: "base.Dockerfile", output: [{ type: "cacheonly" }] },
        lint: { context: "./lint", dockerfile: "Dockerfile", "dockerfile-inline": "FROM scratch\n", "no-cache": true },
      },
    });
  });

  test("come in waves", () => assert.deepEqual(bakeOrder(plan(sample)), [["base", "lint"], ["app"]]));

  test("take variables from the environment, in the type of their default", () => {
    const { target } = plan(sample, { targets: ["app"], environment: { TAG: "1.2", PUSH: "true", COUNT: "7" } });
    assert.deepEqual(target["app"]!.tags, ["registry.example.com/app:1.2", "registry.example.com/app:1.2-slim"]);
    assert.deepEqual(target["app"]!.args, { A: "7", C: "c", D: "yes" });
    const list = 'variable "P" { default = ["a"] }\ntarget "default" { platforms = P }';
    assert.deepEqual(plan(list, { environment: { P: "x, y" } }).target["default"]!.platforms, ["x", "y"]);
  });

  test("name what was asked for as their default group", () => {
    assert.deepEqual(plan(sample, { targets: ["lint"] }).group, { default: { targets: ["lint"] } });
    assert.deepEqual(plan(sample, { targets: ["tools"] }).group, {
      default: { targets: ["tools"] },
      tools: { targets: ["lint"] },
    });
  });

  test("make a target of each combination of a matrix", () => {
    const { group, target } = plan(`
target "app" {
  name = "app-\${item.os}-\${replace(v, ".", "-")}"
  matrix = { item = [{ os = "a" }, { os = "b" }], v = ["1.0", "2.0"] }
  args = { V = v, OS = item.os }
}
target "more" { inherits = ["app-a-1-0"] }
group "default" { targets = ["app", "more"] }`);
    assert.deepEqual(group["app"]!.targets, ["app-a-1-0", "app-a-2-0", "app-b-1-0", "app-b-2-0"]);
    assert.deepEqual(Object.keys(target), ["app-a-1-0", "app-a-2-0", "app-b-1-0", "app-b-2-0", "more"]);
    assert.deepEqual(target["app-b-2-0"]!.args, { OS: "b", V: "2.0" });
    assert.deepEqual(target["more"]!.args, { OS: "a", V: "1.0" });
  });

  test("lay override files and --set on top", () => {
    const override = '{"target":{"app":{"args":{"A":"${COUNT}0"},"tags":["x"]}},"variable":{"COUNT":{"default":5}}}';
    const changes = ["app.args.E=5", "*.platform=linux/arm64", "app.output=type=tar,dest=-"];
    const { target } = plan([sample, override], { targets: ["app"], changes });
    assert.deepEqual(target["app"]!.args, { A: "50", C: "c", D: "no", E: "5" });
    assert.deepEqual(target["app"]!.tags, ["x"]);
    assert.deepEqual(target["base"]!.platforms, ["linux/arm64"]);
    assert.deepEqual(target["app"]!.output, [{ dest: "-", type: "tar" }]);
  });

  test("take the JSON form, with functions and names of other blocks", () => {
    const { target } = plan(
      '{"function":{"f":{"params":["x"],"result":"${x}!"}},"target":{"default":{"args":{"A":"${f(1)}"},"tags":"${target.other.tags}","cache-from":["me/app:cache",{"type":"local","src":"x"}],"secret":["id=a,src=b"]},"other":{"tags":["t"]}}}',
    );
    assert.deepEqual(JSON.parse(JSON.stringify(target["default"])), {
      context: ".",
      dockerfile: "Dockerfile",
      args: { A: "1!" },
      tags: ["t"],
      "cache-from": [
        { ref: "me/app:cache", type: "registry" },
        { src: "x", type: "local" },
      ],
      secret: [{ id: "a", src: "b" }],
    });
  });
});

const refused: readonly (readonly [name: string, text: string, fault: RegExp])[] = [
  ["an unknown target", 'group "default" { targets = ["none"] }', /Cannot find the target "none"/],
  [
    "a target that inherits from itself",
    'target "default" { inherits = ["b"] }\ntarget "b" { inherits = ["default"] }',
    /inherits from itself/,
  ],
  [
    "a group that is part of itself",
    'group "default" { targets = ["a"] }\ngroup "a" { targets = ["default"] }',
    /part of itself/,
  ],
  [
    "a variable made from itself",
    'variable "A" { default = B }\nvariable "B" { default = A }\ntarget "default" { tags = [A] }',
    /made from itself/,
  ],
  [
    "a function without an end",
    'function "f" {\n params = []\n result = f()\n}\ntarget "default" { tags = [f()] }',
    /without an end/,
  ],
  ["an unknown attribute", 'target "default" { tag = ["x"] }', /"tag" is no attribute/],
  ["an attribute of another form", 'target "default" { tags = [[1]] }', /it has another form/],
  ["an unknown block", 'targets "default" { }', /is no kind of block/],
  ["a matrix without a name", 'target "default" { matrix = { a = [1] } }', /no name/],
  [
    "a bad name in a matrix",
    'target "default" {\n name = "a.${a}"\n matrix = { a = [1] }\n}',
    /is no name of a target/,
  ],
  [
    "a value that is not valid",
    'variable "A" {\n default = "x"\n validation {\n condition = A == "y"\n error_message = "A is y"\n }\n}\ntarget "default" { tags = [A] }',
    /A is y/,
  ],
];

describe("refused", () => {
  for (const [name, text, fault] of refused) test(name, () => assert.throws(() => plan(text), fault));
  test("targets that build on each other", () => {
    const text =
      'target "default" { contexts = { b = "target:b" } }\ntarget "b" { contexts = { a = "target:default" } }';
    assert.throws(() => bakeOrder(plan(text)), /in a circle/);
  });
});

test("files are found by bake's names, or build.hcl", async () => {
  const folder = await mkdtemp(join(tmpdir(), "mintmark-bake-"));
  try {
    await assert.rejects(readBakeFiles(folder, []), { code: "not_found" });
    await writeFile(join(folder, "build.hcl"), 'target "default" {}');
    assert.deepEqual(
      (await readBakeFiles(folder, [])).map(({ path }) => path),
      ["build.hcl"],
    );
    await writeFile(join(folder, "docker-bake.override.hcl"), "");
    await writeFile(join(folder, "docker-bake.json"), "{}");
    const names = (await readBakeFiles(folder, [])).map(({ path }) => path);
    assert.deepEqual(names, ["docker-bake.json", "docker-bake.override.hcl"]);
    await assert.rejects(readBakeFiles(folder, ["build.hcl", "none.hcl"]), { code: "not_found" });
  } finally {
    await rm(folder, { recursive: true });
  }
});
