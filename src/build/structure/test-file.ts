import { parse as parseYaml } from "yaml";
import { z } from "zod";
import { Failure, messageOf } from "../../base/errors.ts";

/** A variable of a test. */
export interface Variable {
  readonly key: string;
  readonly value: string;
}

/** A value of the image's configuration that a test expects. */
interface ExpectedValue extends Variable {
  readonly isRegex: boolean;
}

/** Runs a program in the image. */
export interface CommandTest {
  readonly name: string;
  readonly setup: readonly (readonly string[])[];
  readonly teardown: readonly (readonly string[])[];
  readonly command: string;
  readonly args: readonly string[];
  readonly envVars: readonly Variable[];
  readonly expectedOutput: readonly string[];
  readonly excludedOutput: readonly string[];
  readonly expectedError: readonly string[];
  readonly excludedError: readonly string[];
  readonly exitCode: number;
}

/** Looks whether a path is there, and what it is. */
export interface FileExistenceTest {
  readonly name: string;
  readonly path: string;
  readonly shouldExist: boolean;
  /** As `ls -l` shows them, such as `-rw-r--r--`; Go's letters for what is neither file nor folder. */
  readonly permissions: string;
  /** -1 for any. */
  readonly uid: number;
  readonly gid: number;
  readonly isExecutableBy: string;
}

/** Looks into a file. */
export interface FileContentTest {
  readonly name: string;
  readonly path: string;
  readonly expectedContents: readonly string[];
  readonly excludedContents: readonly string[];
}

/** Looks at the image's configuration. */
export interface MetadataTest {
  readonly envVars: readonly ExpectedValue[];
  readonly unboundEnvVars: readonly { readonly key: string }[];
  readonly labels: readonly ExpectedValue[];
  readonly exposedPorts: readonly string[];
  readonly unexposedPorts: readonly string[];
  readonly volumes: readonly string[];
  readonly unmountedVolumes: readonly string[];
  readonly entrypoint: readonly string[] | undefined;
  readonly cmd: readonly string[] | undefined;
  readonly workdir: string;
  readonly user: string;
}

/** Looks for licenses that are not wanted. */
export interface LicenseTest {
  readonly debian: boolean;
  readonly files: readonly string[];
}

/** A file of structure tests, as container-structure-test reads it. */
export interface TestFile {
  readonly path: string;
  readonly globalEnvVars: readonly Variable[];
  readonly commandTests: readonly CommandTest[];
  readonly fileExistenceTests: readonly FileExistenceTest[];
  readonly fileContentTests: readonly FileContentTest[];
  readonly metadataTest: MetadataTest;
  readonly licenseTests: readonly LicenseTest[];
  /** What of `containerRunOptions` means something here: the account that commands run as. */
  readonly user: string;
}

/**
 * Reads a file of structure tests, version 2.0.0, in YAML or JSON.
 *
 * Every plain value may stand where a text is expected, as for the original. In YAML an unknown key is refused, in
 * JSON it is not looked at, as there.
 *
 * @throws Failure `recipe_invalid` with each fault and its place
 */
export function parseTestFile(text: string, path: string): TestFile {
  const form = /\.(ya?ml|json)$/.exec(path)?.[1];
  if (form === undefined) throw invalid(path, "its name ends neither with .yaml nor with .json");
  let value: unknown;
  try {
    // Without a schema every value stays the text that was written.
    value = parseYaml(text, { schema: "failsafe", merge: true, maxAliasCount: 100 });
  } catch (error) {
    throw invalid(path, `it is not ${form === "json" ? "JSON" : "YAML"}`, messageOf(error));
  }
  const version = (value as { schemaVersion?: unknown } | null)?.schemaVersion;
  if (version !== "2.0.0")
    throw invalid(
      path,
      version === undefined ? "it has no schemaVersion" : `its version is ${JSON.stringify(version)}`,
    );
  const parsed = schemas[form === "json" ? "open" : "strict"].safeParse(value);
  if (!parsed.success) throw invalid(path, z.prettifyError(parsed.error));
  const { containerRunOptions, ...tests } = parsed.data;
  return { path, ...tests, user: containerRunOptions.user };
}

function invalid(path: string, state: string, hint?: string): Failure {
  return new Failure("recipe_invalid", `Cannot use the tests "${path}": ${state}`, {
    hint: hint ?? "The form is that of container-structure-test with `schemaVersion: 2.0.0`",
  });
}

const text = z.string().default("");
const words = z.preprocess((value) => (value === "" ? [] : value), z.array(z.string()).default([]));
const isTrue = (fallback: boolean) =>
  z
    .string()
    .regex(/^(?:y|yes|true|on|n|no|false|off|)$/i, "must be true or false")
    .transform((value) => (value === "" ? fallback : /^(?:y|yes|true|on)$/i.test(value)))
    .default(fallback);
const whole = (fallback: number) =>
  z
    .string()
    .regex(/^-?\d*$/, "must be a whole number")
    .transform((value) => (value === "" ? fallback : Number(value)))
    .default(fallback);

/** Of these only the account means something here: the rest is for a container engine. */
function runOptions(makeObject: typeof z.strictObject) {
  return z.preprocess(
    (value) => (value === "" || value === undefined ? {} : value),
    makeObject({
      user: text,
      privileged: isTrue(false),
      allocateTty: isTrue(false),
      envFile: text,
      envVars: words,
      capabilities: words,
      bindMounts: words,
    }),
  );
}

function makeSchema(makeObject: typeof z.strictObject) {
  const variable = makeObject({ key: text, value: text, isRegex: isTrue(false) });
  const list = <Shape extends z.ZodType>(shape: Shape) =>
    z.preprocess((value) => (value === "" ? [] : value), z.array(shape).default([]));
  const optionalWords = z.preprocess((value) => (value === "" ? undefined : value), z.array(z.string()).optional());
  const metadata = makeObject({
    envVars: list(variable),
    unboundEnvVars: list(variable),
    labels: list(variable),
    exposedPorts: words,
    unexposedPorts: words,
    volumes: words,
    unmountedVolumes: words,
    entrypoint: optionalWords.transform((value) => value),
    cmd: optionalWords.transform((value) => value),
    workdir: text,
    user: text,
  });
  return makeObject({
    schemaVersion: z.string(),
    globalEnvVars: list(variable),
    commandTests: list(
      makeObject({
        name: text,
        setup: list(words),
        teardown: list(words),
        command: text,
        args: words,
        envVars: list(variable),
        expectedOutput: words,
        excludedOutput: words,
        expectedError: words,
        excludedError: words,
        exitCode: whole(0),
      }),
    ),
    fileExistenceTests: list(
      makeObject({
        name: text,
        path: text,
        shouldExist: isTrue(true),
        permissions: text,
        uid: whole(-1),
        gid: whole(-1),
        isExecutableBy: text,
      }),
    ),
    fileContentTests: list(makeObject({ name: text, path: text, expectedContents: words, excludedContents: words })),
    metadataTest: z.preprocess((value) => (value === "" || value === undefined ? {} : value), metadata),
    licenseTests: list(makeObject({ debian: isTrue(false), files: words })),
    containerRunOptions: runOptions(makeObject),
  });
}

const schemas = {
  strict: makeSchema(z.strictObject),
  open: makeSchema(z.object),
} as const;
