import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Failure } from "../../base/errors.ts";
import { readContainerfile, stageChain } from "./containerfile.ts";

const rewrite = {
  nameOf: (reference: string) => `local/${reference}`,
  args: ["A B"],
  addressOf: (url: string) => `http://exit/${url}`,
};

describe("a Containerfile", () => {
  it("names its images with arguments filled in, and its stages", () => {
    const read = readContainerfile(
      "ARG V=1\nARG N=team/base\nFROM ${N}:$V AS build\nRUN make\nFROM build\nCOPY --from=build /a /b\nCOPY --from=tools:2 /c /d\nFROM scratch\nCOPY --from=1 /b /b\n",
      { V: "2" },
    );
    assert.deepEqual(read.images, ["team/base:2", "tools:2"]);
    assert.deepEqual(
      read.stages.map(({ from }) => from),
      [{ kind: "image", reference: "team/base:2" }, { kind: "stage", index: 0 }, { kind: "scratch" }],
    );
    assert.equal(stageChain(read, "1").length, 2);
    assert.equal(stageChain(read, undefined).length, 1);
  });

  it("gives Buildah local names, no platform and the arguments, and nothing else that is new", () => {
    const text =
      "FROM --platform=$BUILDPLATFORM base:1 AS one\nRUN echo \\\n  # inside\n  hi\nADD https://a.example/x.tar /x\nFROM one\nRUN --mount=type=bind,from=base:1,target=/b ls\n";
    assert.equal(
      readContainerfile(text, { BUILDPLATFORM: "linux/amd64" }).rewritten(rewrite),
      "FROM local/base:1 AS one\nARG A B\nRUN echo \\\n  # inside\n  hi\nADD http://exit/https://a.example/x.tar /x\nFROM one\nARG A B\nRUN --mount=type=bind,from=local/base:1,target=/b ls\n",
    );
  });

  it("refuses a stage for another platform than the image's", () => {
    const values = { TARGETPLATFORM: "linux/arm64", BUILDPLATFORM: "linux/arm64" };
    for (const platform of ["linux/arm64", "linux/arm64/v8", "$BUILDPLATFORM"])
      assert.equal(readContainerfile(`FROM --platform=${platform} a\n`, values).stages.length, 1);
    assert.throws(
      () => readContainerfile("FROM --platform=linux/amd64 a\n", values),
      /line 1: FROM wants linux\/amd64, but every stage is built for .* linux\/arm64/,
    );
  });

  it("tells each instruction on one line without comments", () => {
    const [stage] = readContainerfile('FROM a\nRUN one && \\\n    # why\n    two\nCMD ["x"]\n', {}).stages;
    assert.deepEqual(
      stage!.instructions.map(({ text }) => text),
      ["RUN one && two", 'CMD ["x"]'],
    );
  });

  for (const [name, text] of [
    ["no FROM", "ARG A=1\n"],
    ["an instruction before FROM", "RUN x\nFROM a\n"],
    ["an argument without a value", "FROM ${NOPE}\n"],
  ] as const)
    it(`refuses ${name}`, () => {
      assert.throws(
        () => readContainerfile(text, {}),
        (error) => error instanceof Failure && error.code === "recipe_invalid",
      );
    });
});
