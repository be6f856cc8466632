import { existsSync } from "node:fs";
import { readFile, stat } from "node:fs/promises";
import { homedir } from "node:os";
import { dirname, join, relative, resolve } from "node:path";
import { parse } from "yaml";
import { Failure, messageOf, systemCodeOf } from "../base/errors.ts";
import { limits } from "../base/limits.ts";
import { configKeys, type ConfigKey, type ConfigKeyName } from "./config-keys.ts";
import { absoluteFrom, textForms } from "./config-values.ts";
import { nearestName } from "./nearest-name.ts";

/** What a configuration is made of, strongest first: flags, environment, file, defaults. */
export interface ConfigInput {
  /** By key name, such as `data` and `listen`; text or the value itself. Undefined ones count as not given. */
  readonly flags: Readonly<Record<string, unknown>>;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** The file of `--config`; it must exist. */
  readonly file?: string;
  /** The working folder, if not that of the process. */
  readonly cwd?: string;
}

/** The raw value of one key and where it was found. */
export interface FoundValue {
  readonly key: ConfigKey;
  readonly value: unknown;
  /** `flag --data`, `environment MINTMARK_DATA`, `file "…"`, `default`. */
  readonly source: string;
}

/** All keys with their raw values, and names in the environment that mean nothing here. */
export interface Found {
  readonly values: ReadonlyMap<ConfigKeyName, FoundValue>;
  readonly file: string | undefined;
  readonly unknownEnvironment: readonly string[];
}

/**
 * Looks each key up in flags, environment, file and defaults, in that order.
 *
 * Relative paths count from the working folder, those of a file from the file's folder.
 *
 * @throws Failure `config_invalid` for a file that is unreadable or has an unknown key
 */
export async function findValues(input: ConfigInput): Promise<Found> {
  const cwd = input.cwd ?? process.cwd();
  const file = await chooseFile(input, cwd);
  const fileValues = file === undefined ? new Map<string, unknown>() : await readConfigFile(file);
  const values = new Map<ConfigKeyName, FoundValue>();
  const paths = { cwd, fileFolder: file === undefined ? cwd : dirname(file), home: homeOf(input) };
  for (const key of configKeys) values.set(key.name, await findValue(key, { input, file, fileValues, paths }));
  return { values, file, unknownEnvironment: unknownNames(input.environment) };
}

interface Place {
  readonly input: ConfigInput;
  readonly file: string | undefined;
  readonly fileValues: ReadonlyMap<string, unknown>;
  readonly paths: { readonly cwd: string; readonly fileFolder: string; readonly home: string | undefined };
}

async function findValue(key: ConfigKey, { input, file, fileValues, paths }: Place): Promise<FoundValue> {
  const inFolder = (value: unknown, folder: string): unknown =>
    key.type === "path" && typeof value === "string" ? absoluteFrom(folder, value, paths.home) : value;
  const given = (value: unknown, source: string): FoundValue => {
    const read = typeof value === "string" ? textForms[key.type](value) : value;
    return { key, value: inFolder(read, paths.cwd), source };
  };
  const flag = input.flags[key.name];
  if (flag !== undefined) return given(flag, `flag --${key.name}`);
  const text = input.environment[key.environment] || undefined;
  if (text !== undefined) return given(text, `environment ${key.environment}`);
  const secretFile = (key.secret === true && input.environment[`${key.environment}_FILE`]) || undefined;
  if (secretFile !== undefined)
    return { key, value: await readSecret(secretFile, key), source: `environment ${key.environment}_FILE` };
  if (fileValues.has(key.name))
    return { key, value: inFolder(fileValues.get(key.name), paths.fileFolder), source: `file "${file}"` };
  return { key, value: defaultOf(key, paths.cwd, input), source: "default" };
}

/** Defaults that depend on where the program stands; the others are in the table. */
function defaultOf(key: ConfigKey, cwd: string, input: ConfigInput): unknown {
  if (key.name === "recipes") return join(checkoutFolder(), "recipes");
  if (key.name !== "data") return key.default;
  const isInside = !relative(checkoutFolder(), cwd).startsWith("..");
  if (isInside) return join(checkoutFolder(), ".mintmark");
  const shared = input.environment["XDG_DATA_HOME"] || join(homeOf(input) ?? cwd, ".local", "share");
  return join(shared, "mintmark");
}

/** The folder that holds package.json: three levels above this file. */
function checkoutFolder(): string {
  return resolve(import.meta.dirname, "..", "..");
}

function homeOf(input: ConfigInput): string | undefined {
  return input.environment["HOME"] || homedir() || undefined;
}

async function chooseFile(input: ConfigInput, cwd: string): Promise<string | undefined> {
  const named = input.file ?? (input.environment["MINTMARK_CONFIG"] || undefined);
  if (named !== undefined) return absoluteFrom(cwd, named, homeOf(input));
  const personal = input.environment["XDG_CONFIG_HOME"] || join(homeOf(input) ?? cwd, ".config");
  return [join(cwd, "mintmark.yaml"), join(personal, "mintmark", "config.yaml"), "/etc/mintmark/config.yaml"].find(
    (path) => existsSync(path),
  );
}

async function readConfigFile(path: string): Promise<Map<string, unknown>> {
  let tree: unknown;
  try {
    if ((await stat(path)).size > limits.requestBytes) throw new Error("it is larger than 1 MiB");
    tree = parse(await readFile(path, "utf8"), { prettyErrors: true, maxAliasCount: 100 });
  } catch (error) {
    const reason = systemCodeOf(error) === "ENOENT" ? "it does not exist" : messageOf(error).split("\n")[0]!;
    throw new Failure("config_invalid", `Cannot read the configuration "${path}": ${reason}`, { cause: error });
  }
  const values = new Map<string, unknown>();
  if (tree === null || tree === undefined) return values;
  if (!isMapping(tree))
    throw new Failure("config_invalid", `Cannot read the configuration "${path}": it is not a mapping of keys`);
  flatten({ tree, prefix: "", path, values });
  return values;
}

interface Branch {
  readonly tree: Readonly<Record<string, unknown>>;
  readonly prefix: string;
  readonly path: string;
  readonly values: Map<string, unknown>;
}

function flatten(branch: Branch): void {
  const names: readonly string[] = configKeys.map((key) => key.name);
  for (const [part, value] of Object.entries(branch.tree)) {
    const name = branch.prefix + part;
    if (names.includes(name)) branch.values.set(name, value);
    else if (names.some((known) => known.startsWith(`${name}.`)) && isMapping(value))
      flatten({ ...branch, tree: value, prefix: `${name}.` });
    else {
      const near = nearestName(name, names);
      throw new Failure(
        "config_invalid",
        `Cannot use the configuration "${branch.path}": the key "${name}" is not known`,
        {
          hint: near === undefined ? "Run `mintmark config keys` to see all keys" : `Did you mean "${near}"?`,
        },
      );
    }
  }
}

async function readSecret(path: string, key: ConfigKey): Promise<string> {
  try {
    return (await readFile(path, "utf8")).replace(/\r?\n$/, "");
  } catch (error) {
    throw new Failure("config_invalid", `Cannot read the secret "${key.name}" from "${path}": ${messageOf(error)}`, {
      cause: error,
    });
  }
}

function unknownNames(environment: Readonly<Record<string, string | undefined>>): string[] {
  const known = new Set<string>(["MINTMARK_CONFIG"]);
  for (const key of configKeys as readonly ConfigKey[]) {
    known.add(key.environment);
    if (key.secret === true) known.add(`${key.environment}_FILE`);
  }
  return Object.keys(environment).filter((name) => name.startsWith("MINTMARK_") && !known.has(name));
}

function isMapping(value: unknown): value is Readonly<Record<string, unknown>> {
  return value !== null && typeof value === "object" && !Array.isArray(value);
}
