import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { newId } from "../../base/clock.ts";
import type { ImageConfig } from "../../model/oci.ts";
import type { ChamberMessage, CommandRun } from "../chamber/job.ts";
import { removeFolder } from "../chamber/remove-folder.ts";
import { runChamber } from "../chamber/run-chamber.ts";
import {
  checkContent,
  checkExistence,
  checkLicenses,
  checkMetadata,
  expand,
  isEmptyMetadata,
  licenseFiles,
  type TestedConfig,
} from "./checks.ts";
import { readFiles, readTree, resolvePath, type ImageTree, type TreeNode } from "./image-tree.ts";
import { isMatch } from "./regular-expression.ts";
import type { CommandTest, TestFile, Variable } from "./test-file.ts";

/** An image as tests see it. */
export interface TestedImage {
  readonly config: ImageConfig;
  /** Files of its layers, the lowest first. */
  readonly layers: readonly string[];
}

/** The result of one test. */
export interface TestResult {
  readonly name: string;
  readonly isPass: boolean;
  readonly errors: readonly string[];
  readonly stdout: string;
  readonly stderr: string;
  readonly durationMs: number;
}

interface TestOptions {
  /** Where images are unpacked for commands; a folder of its own is made and removed. */
  readonly workFolder: string;
  readonly signal: AbortSignal;
}

/** One command may take this long. */
const commandMs = 10 * 60_000;

/**
 * Runs structure tests on an image: the same files with the same result as container-structure-test gives.
 *
 * Files and configuration are read from the layers; nothing is started for them. Commands run in fresh namespaces
 * without network. Results come in the order of the original: per file commands, contents, existence, licenses,
 * metadata.
 *
 * Source: container-structure-test v1.19, README and pkg/types/v2.
 *
 * @throws Failure `archive_hostile`, `too_large`; `sandbox_unavailable` where commands are to run and cannot
 */
export async function runStructureTests(
  image: TestedImage,
  files: readonly TestFile[],
  options: TestOptions,
): Promise<TestResult[]> {
  const tree = await readTree(image.layers);
  const config = testedConfig(image.config);
  const outcomes = await runCommandTests(image, files, options);
  const bytes = await readWanted(image, tree, files);
  return files.flatMap((file, at) => [
    ...file.commandTests.map((test, index) => commandResult(test, outcomes.get(`${at}:${index}`))),
    ...file.fileContentTests.map((test) =>
      named("File Content Test", test, () => checkContent(bytes.get(test.path), test)),
    ),
    ...file.fileExistenceTests.map((test) =>
      named("File Existence Test", test, () => checkExistence(tree, test, withGlobals(config, file))),
    ),
    ...file.licenseTests.map((test) =>
      result("License Test", checkLicenses(licenseFiles(tree, test).map((path) => [path, bytes.get(path)]))),
    ),
    ...(isEmptyMetadata(file.metadataTest) ? [] : [metadataResult(config, file)]),
  ]);
}

function testedConfig({ config }: ImageConfig): TestedConfig {
  const {
    Env = [],
    Labels,
    Entrypoint,
    Cmd,
    WorkingDir = "",
    User = "",
    ExposedPorts,
    Volumes,
  } = config as typeof config & {
    readonly Volumes?: Readonly<Record<string, unknown>> | null;
  };
  return {
    variables: new Map((Env ?? []).map((entry) => [entry.split("=", 1)[0]!, entry.slice(entry.indexOf("=") + 1)])),
    labels: Labels ?? {},
    entrypoint: Entrypoint ?? [],
    command: Cmd ?? [],
    workdir: WorkingDir,
    user: User,
    ports: Object.keys(ExposedPorts ?? {}).map((port) => port.split("/")[0]!),
    volumes: Object.keys(Volumes ?? {}),
  };
}

/** The image's variables with those that a file sets for all its tests. */
function withGlobals({ variables }: TestedConfig, { globalEnvVars }: TestFile): Map<string, string> {
  const all = new Map(variables);
  for (const { key, value } of globalEnvVars) all.set(key, expand(value, variables));
  return all;
}

function result(name: string, errors: readonly string[]): TestResult {
  return { name, isPass: errors.length === 0, errors, stdout: "", stderr: "", durationMs: 0 };
}

/** A test without a name or a path fails, whatever is in the image. */
function named(
  kind: string,
  { name, path }: { readonly name: string; readonly path: string },
  check: () => readonly string[],
): TestResult {
  const faults = [
    ...(name === "" ? ["Please provide a valid name for every test"] : []),
    ...(path === "" ? [`Please provide a valid file path for test ${name}`] : []),
  ];
  return faults.length > 0 ? result(name, faults) : result(`${kind}: ${name}`, check());
}

function metadataResult(config: TestedConfig, { metadataTest }: TestFile): TestResult {
  const faults = [
    ...metadataTest.envVars.filter(({ key }) => key === "").map(() => "Environment variable key cannot be empty"),
    ...metadataTest.labels.filter(({ key }) => key === "").map(() => "Label key cannot be empty"),
    ...metadataTest.exposedPorts.filter((port) => port === "").map(() => "Port cannot be empty"),
    ...metadataTest.volumes.filter((volume) => volume === "").map(() => "Volume cannot be empty"),
  ];
  return result("Metadata Test", faults.length > 0 ? faults : checkMetadata(config, metadataTest));
}

/** The bytes of every file that a test reads, by the path that it names. */
async function readWanted(
  { layers }: TestedImage,
  tree: ImageTree,
  files: readonly TestFile[],
): Promise<Map<string, Buffer>> {
  const paths = files.flatMap(({ fileContentTests, licenseTests }) => [
    ...fileContentTests.map(({ path }) => path),
    ...licenseTests.flatMap((test) => licenseFiles(tree, test)),
  ]);
  const nodes = new Map<string, TreeNode>();
  for (const path of paths) {
    const node = tree.get(resolvePath(tree, path, true) ?? "");
    if (node !== undefined) nodes.set(path, node);
  }
  return await readFiles(layers, nodes);
}

type CommandMessage = Extract<ChamberMessage, { kind: "command" }>;

/** Runs the commands of all files in one chamber; outcomes by `file:test`. */
async function runCommandTests(
  image: TestedImage,
  files: readonly TestFile[],
  { workFolder, signal }: TestOptions,
): Promise<Map<string, CommandMessage>> {
  const wanted = files.flatMap((file, at) =>
    file.commandTests.flatMap((test, index) =>
      commandFaults(test).length > 0 ? [] : [{ key: `${at}:${index}`, run: commandRun(image, file, test) }],
    ),
  );
  const outcomes = new Map<string, CommandMessage>();
  if (wanted.length === 0) return outcomes;
  const folder = join(workFolder, `structure-${newId()}`);
  await mkdir(folder, { recursive: true });
  try {
    await runChamber(
      {
        kind: "commands",
        architecture: image.config.architecture,
        workFolder: folder,
        layers: image.layers,
        runs: wanted.map(({ run }) => run),
        timeoutMs: commandMs,
      },
      { signal, onCommand: (message) => void outcomes.set(wanted[message.index]!.key, message) },
    );
  } finally {
    await removeFolder(folder);
  }
  return outcomes;
}

/** Variables of a test reach its command as they are written, its setup with the image's variables put in. */
function commandRun({ config }: TestedImage, file: TestFile, test: CommandTest): CommandRun {
  const tested = testedConfig(config);
  const base = withGlobals(tested, file);
  const fill = (variables: readonly Variable[]): Record<string, string> =>
    Object.fromEntries(variables.map(({ key, value }) => [key, expand(value, base)]));
  const plain = Object.fromEntries(test.envVars.map(({ key, value }) => [key, value]));
  const own = Object.fromEntries(base);
  return {
    commands: [
      ...test.setup.map((argv) => ({ argv, variables: { ...own, ...fill(test.envVars) } })),
      {
        argv: [test.command, ...test.args].map((word) => expand(word, base)),
        variables: { ...own, ...(test.setup.length > 0 ? fill(test.envVars) : {}), ...plain },
      },
    ],
    user: file.user === "" ? tested.user : file.user,
    workdir: tested.workdir === "" ? "/" : tested.workdir,
  };
}

function commandFaults({ name, command, setup, teardown, envVars }: CommandTest): string[] {
  return [
    ...(name === "" ? ["Please provide a valid name for every test"] : []),
    ...(command === "" ? [`Please provide a valid command to run for test ${name}`] : []),
    ...setup.filter((words) => words.length === 0).map(() => "An empty setup command"),
    ...teardown.filter((words) => words.length === 0).map(() => "An empty teardown command"),
    ...(envVars.some(({ key, value }) => key === "" || value === "")
      ? ["Please provide non-empty keys and values for all specified env vars"]
      : []),
  ];
}

/** Teardown commands are never run: the system that they would tidy up is gone by then, as with the original. */
function commandResult(test: CommandTest, outcome: CommandMessage | undefined): TestResult {
  const faults = commandFaults(test);
  if (faults.length > 0) return result(test.name, faults);
  if (outcome === undefined) return result(`Command Test: ${test.name}`, ["the command was not run"]);
  const { stdout, stderr, exitCode, durationMs, fault } = outcome;
  const errors = fault === undefined ? outputFaults(test, outcome) : [fault];
  if (fault === undefined && exitCode !== test.exitCode)
    errors.push(
      `Test '${test.name}' exited with incorrect error code. Expected: ${test.exitCode}, Actual: ${exitCode}`,
    );
  return { ...result(`Command Test: ${test.name}`, errors), stdout, stderr, durationMs };
}

function outputFaults(test: CommandTest, { stdout, stderr }: CommandMessage): string[] {
  const rows = [
    ["Expected", "error", test.expectedError, stderr],
    ["Excluded", "error", test.excludedError, stderr],
    ["Expected", "output", test.expectedOutput, stdout],
    ["Excluded", "output", test.excludedOutput, stdout],
  ] as const;
  return rows.flatMap(([what, where, expressions, text]) =>
    expressions
      .filter((expression) => !isMatch(expression, text, what === "Expected"))
      .map(
        (expression) =>
          `${what} string '${expression}' ${what === "Expected" ? "not " : ""}found in ${where} '${text}'`,
      ),
  );
}
