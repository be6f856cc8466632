import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { readContainerfile } from "./containerfile.ts";
import { failedStep, stepIn } from "./failed-step.ts";

const { stages } = readContainerfile(
  "FROM a AS one\nRUN true\nFROM one\n# why\nRUN first && \\\n  # inside\n  second\nCOPY lost /x\n",
  {},
);
const own = stages.map(({ instructions }) => instructions);
const told = (step: string, lines: readonly string[]): string => {
  const { code, message, hint } = failedStep(stepIn(step), lines, own);
  assert.equal(code, "script_failed");
  return `${message}\n${hint}`;
};

describe("a failed instruction", () => {
  it("is named by its line and told with its last lines, without Buildah's own", () => {
    const printed = Array.from({ length: 20 }, (_, at) => `Error: the program's line ${at}`);
    assert.equal(
      told("[2/2] STEP 3/4: RUN first &&    second", [
        ...printed,
        "subprocess exited with status 7",
        'Error: building at STEP "RUN first &&    second": exit status 7',
      ]),
      [
        'Cannot run line 5 of the Containerfile, "RUN first && second": it ended with 7',
        printed.slice(8).join("\n       "),
      ].join("\n"),
    );
  });

  it("is counted from the end: arguments that we declare and what a base does ONBUILD come before", () => {
    assert.match(told("[2/2] STEP 8/8: COPY lost /x", []), /^Cannot run line 8 of the Containerfile, "COPY lost/);
    assert.match(told("[1/2] STEP 3/3: RUN true", []), /^Cannot run line 2 of/);
    assert.match(told("[2/2] STEP 5/8: RUN of the base", []), /^Cannot run "RUN of the base": /);
  });

  it("tells what Buildah says where there is no program to end, and the signal where there was one", () => {
    const missing =
      'Error: building at STEP "COPY lost /x": checking on sources under "/data/cache/work/s/work/context": copier: stat: "/lost": no such file or directory';
    assert.equal(
      told("[2/2] STEP 4/4: COPY lost /x", [missing]),
      'Cannot run line 8 of the Containerfile, "COPY lost /x": checking on sources under "": copier: stat: "/lost": no such file or directory\nIt printed nothing',
    );
    const killed = [
      "subprocess exited on killed",
      "subprocess exited with status 1",
      'Error: building at STEP "RUN true": exit status 1',
    ];
    assert.match(told("STEP 2/2: RUN true", killed), /it was ended by a signal: killed\nIt printed nothing$/);
    assert.match(failedStep(undefined, ["error building: no space"], own).message, /Cannot run the Containerfile: /);
  });

  it("is cut where it is long", () => {
    const long = readContainerfile(`FROM a\nRUN ${"x".repeat(500)}\n`, {}).stages.map(
      ({ instructions }) => instructions,
    );
    const { message } = failedStep(stepIn(`STEP 2/2: RUN ${"x".repeat(500)}`), [], long);
    assert.ok(message.length < 250, message);
  });
});
