import type { TarHeader } from "../../base/tar.ts";
import { resolvePath, type ImageTree } from "./image-tree.ts";
import { isMatch } from "./regular-expression.ts";
import type { FileContentTest, FileExistenceTest, LicenseTest, MetadataTest } from "./test-file.ts";

/** The parts of an image's configuration that tests look at. */
export interface TestedConfig {
  readonly variables: ReadonlyMap<string, string>;
  readonly labels: Readonly<Record<string, string>>;
  readonly entrypoint: readonly string[];
  readonly command: readonly string[];
  readonly workdir: string;
  readonly user: string;
  /** Without the protocol. */
  readonly ports: readonly string[];
  readonly volumes: readonly string[];
}

/** What a check finds wrong; nothing where the test passes. */
type Faults = readonly string[];

/** Puts variables into a text: `$NAME`, `${NAME}`; what is not set is empty. Source: Go's os.Expand. */
export function expand(text: string, variables: ReadonlyMap<string, string>): string {
  return text.replaceAll(
    /\$(?:\{([^}]*)\}|([*#$@!?\-0-9])|([A-Za-z_]\w*))/g,
    (_, ...names: (string | undefined)[]) =>
      variables.get(names.slice(0, 3).find((name) => name !== undefined) ?? "") ?? "",
  );
}

/** Looks at a path: there or not, permissions, who may run it, owners. The last link is not followed. */
export function checkExistence(
  tree: ImageTree,
  test: FileExistenceTest,
  variables: ReadonlyMap<string, string>,
): Faults {
  const path = resolvePath(tree, expand(test.path, variables), false);
  const header = path === "" ? rootHeader : path === undefined ? undefined : tree.get(path)?.header;
  if (!test.shouldExist) return header === undefined ? [] : [`File ${test.path} should not exist but does`];
  if (header === undefined) return [`File ${test.path} should exist but does not`];
  return [
    ...checkPermissions(test, header),
    ...checkExecutable(test, header),
    ...checkOwner(test.path, "user", [test.uid, header.uid]),
    ...checkOwner(test.path, "group", [test.gid, header.gid]),
  ];
}

/** The root of an image, which few archives name. */
const rootHeader: Pick<TarHeader, "kind" | "mode" | "uid" | "gid"> = { kind: "folder", mode: 0o755, uid: 0, gid: 0 };

type Looks = Pick<TarHeader, "kind" | "mode" | "uid" | "gid">;

function checkPermissions({ path, permissions }: FileExistenceTest, header: Looks): Faults {
  const actual = modeText(header);
  return permissions === "" || permissions === actual
    ? []
    : [`${path} has incorrect permissions. Expected: ${permissions}, Actual: ${actual}`];
}

const executableBits: Readonly<Record<string, number>> = { any: 0o111, owner: 0o100, group: 0o010, other: 0o001 };

function checkExecutable({ path, isExecutableBy }: FileExistenceTest, header: Looks): Faults {
  if (isExecutableBy === "") return [];
  const bits = executableBits[isExecutableBy];
  if (bits === undefined) return [`${isExecutableBy} not recognised as a valid option`];
  return (header.mode & bits) !== 0
    ? []
    : [
        `${path} has incorrect executable bit. Expected to be executable by ${isExecutableBy}, Actual: ${modeText(header)}`,
      ];
}

function checkOwner(path: string, what: string, [expected, actual]: readonly [number, number]): Faults {
  return expected === -1 || expected === actual
    ? []
    : [`${path} has incorrect ${what} ownership. Expected: ${expected}, Actual: ${actual}`];
}

const kindLetters: Readonly<Record<TarHeader["kind"], string>> = {
  file: "",
  hardlink: "",
  folder: "d",
  symlink: "L",
  character: "Dc",
  block: "D",
  fifo: "p",
};

/** A mode as Go prints it: letters of the kind, setuid, setgid and sticky before, never within, the nine. */
function modeText({ kind, mode: written }: Looks): string {
  // Linux knows no modes of links, whatever an archive writes.
  const mode = kind === "symlink" ? 0o777 : written;
  const special = [
    [0o4000, "u"],
    [0o2000, "g"],
    [0o1000, "t"],
  ] as const;
  const letters = [
    ...kindLetters[kind].split(""),
    ...special.flatMap(([bit, letter]) => ((mode & bit) !== 0 ? [letter] : [])),
  ];
  const order = "dalTLDpSugct?";
  const head = letters.sort((a, b) => order.indexOf(a) - order.indexOf(b)).join("");
  const bits = "rwxrwxrwx"
    .split("")
    .map((letter, at) => ((mode & (0o400 >> at)) !== 0 ? letter : "-"))
    .join("");
  return `${head === "" ? "-" : head}${bits}`;
}

/** Looks into a file; undefined bytes for one that is not there or is none. */
export function checkContent(bytes: Buffer | undefined, test: FileContentTest): Faults {
  if (bytes === undefined) return [`Failed to open ${test.path}`];
  const content = bytes.toString("utf8");
  return [
    ...test.expectedContents
      .filter((expression) => !isMatch(expression, content, true))
      .map((expression) => `Expected string '${expression}' not found in file content string`),
    ...test.excludedContents
      .filter((expression) => !isMatch(expression, content, false))
      .map((expression) => `Excluded string '${expression}' found in file content string`),
  ];
}

/** Whether a metadata test asks for nothing: then there is none. */
export function isEmptyMetadata({ entrypoint, cmd, workdir, user, ...lists }: MetadataTest): boolean {
  const isSilent = entrypoint === undefined && cmd === undefined && workdir === "" && user === "";
  return isSilent && Object.values(lists).every((list) => list.length === 0);
}

/** Looks at the image's configuration. */
export function checkMetadata(config: TestedConfig, test: MetadataTest): Faults {
  const label = (key: string): string | undefined =>
    Object.hasOwn(config.labels, key) ? config.labels[key] : undefined;
  return [
    ...valueFaults("env var", test.envVars, (key) => config.variables.get(key)),
    ...test.unboundEnvVars
      .filter(({ key }) => config.variables.has(key))
      .map(({ key }) => `env variable ${key} should not be present in image metadata`),
    ...valueFaults("label", test.labels, label),
    ...listFaults("Cmd", test.cmd, config.command),
    ...listFaults("entrypoint", test.entrypoint, config.entrypoint),
    ...(test.workdir === "" || test.workdir === config.workdir
      ? []
      : [`Image workdir ${config.workdir} does not match config workdir: ${test.workdir}`]),
    ...(test.user === "" || test.user === config.user
      ? []
      : [`Image user ${config.user} does not match config user: ${test.user}`]),
    ...test.exposedPorts
      .filter((port) => !config.ports.includes(port))
      .map((port) => `Port ${port} not found in config`),
    ...test.unexposedPorts
      .filter((port) => config.ports.includes(port))
      .map((port) => `Port ${port} should not be exposed`),
    ...test.volumes
      .filter((volume) => !config.volumes.includes(volume))
      .map((volume) => `Volume ${volume} not found in config`),
    ...test.unmountedVolumes
      .filter((volume) => config.volumes.includes(volume))
      .map((volume) => `Volume ${volume} should not be mounted`),
  ];
}

function valueFaults(
  what: string,
  expected: MetadataTest["labels"],
  actual: (key: string) => string | undefined,
): Faults {
  return expected.flatMap(({ key, value, isRegex }) => {
    const found = actual(key);
    if (found === undefined) return [`${what} ${key} not found in image metadata`];
    const fits = isRegex ? isMatch(value, found, true) : value === found;
    return fits ? [] : [`${what} ${key} value ${found} does not match expected value: ${value}`];
  });
}

function listFaults(what: string, expected: readonly string[] | undefined, actual: readonly string[]): Faults {
  if (expected === undefined) return [];
  const isSame = expected.length === actual.length && expected.every((word, at) => word === actual[at]);
  return isSame ? [] : [`Image ${what} ${JSON.stringify(actual)} does not match expected ${JSON.stringify(expected)}`];
}

const refusedLicenses = ["AGPL", "WTFPL"];
const exemptPackage = "libgnutls30";

/** The files that a license test reads: those it names, and with `debian` the copyright of each package. */
export function licenseFiles(tree: ImageTree, { debian, files }: LicenseTest): string[] {
  if (!debian) return [...files];
  const folder = resolvePath(tree, "/usr/share/doc", true);
  const packages =
    folder === undefined
      ? []
      : [...tree]
          .filter(([path, { header }]) => header.kind === "folder" && path.slice(0, path.lastIndexOf("/")) === folder)
          .map(([path]) => path.slice(path.lastIndexOf("/") + 1))
          .filter((name) => name !== exemptPackage)
          .sort();
  return [...packages.map((name) => `/usr/share/doc/${name}/copyright`), ...files];
}

/** Looks for licenses that are not wanted; a file that is not there is a fault, too. */
export function checkLicenses(files: readonly (readonly [path: string, bytes: Buffer | undefined])[]): Faults {
  return files.flatMap(([path, bytes]) => {
    if (bytes === undefined) return [`Error reading license file for ${path}`];
    const content = bytes.toString("utf8").toUpperCase();
    const found = refusedLicenses.find((word) => content.includes(word));
    return found === undefined ? [] : [`Invalid license for ${path}, license contains ${found}`];
  });
}
