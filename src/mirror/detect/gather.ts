import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { cargoSources } from "./cargo-clients.ts";
import type { FoundSource } from "./found-source.ts";
import { goSources } from "./go-clients.ts";
import { gradleSources, mavenSources } from "./java-clients.ts";
import { askProgram, filesIn, findProgram, readFiles, readSuperPom, type Machine } from "./machine.ts";
import { npmSources } from "./npm-clients.ts";
import { nugetSources } from "./nuget-clients.ts";
import { pipSources, uvSources } from "./python-clients.ts";
import { aptSources, containerSources } from "./system-clients.ts";

/** Asks one kind of client: its files, its variables, and where those say nothing, the program itself. */
export type Gatherer = (machine: Machine) => Promise<FoundSource[]>;

/** Every kind of client by the name of what was asked. */
export const gatherers: Readonly<Record<string, Gatherer>> = {
  apt: gatherApt,
  npm: gatherNpm,
  pip: gatherPip,
  uv: gatherUv,
  maven: gatherMaven,
  gradle: gatherGradle,
  go: gatherGo,
  cargo: gatherCargo,
  nuget: gatherNuget,
  containers: gatherContainers,
};

async function gatherApt(machine: Machine): Promise<FoundSource[]> {
  const folder = join(machine.root, "etc", "apt");
  const parts = await filesIn(join(folder, "apt.conf.d"), /^[\w.-]+$/);
  const files = await readFiles([join(folder, "apt.conf"), ...parts]);
  return aptSources({ suites: await machine.aptSuites(folder), files, folder });
}

async function gatherNpm(machine: Machine): Promise<FoundSource[]> {
  const { environment, home, folder, root } = machine;
  const files = await readFiles([
    join(folder, ".npmrc"),
    environment["NPM_CONFIG_USERCONFIG"] ?? environment["npm_config_userconfig"] ?? join(home, ".npmrc"),
    ...["usr/local/etc/npmrc", "usr/etc/npmrc", "etc/npmrc"].map((path) => join(root, path)),
  ]);
  const answer = await askProgram(machine, { program: "npm", args: ["config", "get", "registry"] });
  const asked = answer?.stdout.trim();
  return npmSources({ files, environment, asked: asked === "" || asked === "undefined" ? undefined : asked });
}

async function gatherPip(machine: Machine): Promise<FoundSource[]> {
  const { environment, home, root } = machine;
  const own = environment["PIP_CONFIG_FILE"];
  const configHome = environment["XDG_CONFIG_HOME"] ?? join(home, ".config");
  const virtual = environment["VIRTUAL_ENV"];
  const files = await readFiles([
    ...(own === undefined ? [] : [own]),
    ...(virtual === undefined ? [] : [join(virtual, "pip.conf")]),
    join(configHome, "pip", "pip.conf"),
    join(home, ".pip", "pip.conf"),
    join(root, "etc", "pip.conf"),
  ]);
  const found = pipSources({ files, environment, help: undefined });
  if (found.some(({ name }) => name === "")) return found;
  const help =
    (await askProgram(machine, { program: "pip", args: ["install", "--help"], more: { COLUMNS: "200" } })) ??
    (await askProgram(machine, { program: "pip3", args: ["install", "--help"], more: { COLUMNS: "200" } }));
  return pipSources({ files, environment, help: help?.stdout });
}

async function gatherUv({ environment, folder, home, root }: Machine): Promise<FoundSource[]> {
  const configHome = environment["XDG_CONFIG_HOME"] ?? join(home, ".config");
  const files = await readFiles([
    join(folder, "uv.toml"),
    join(folder, "pyproject.toml"),
    join(configHome, "uv", "uv.toml"),
    join(root, "etc", "uv", "uv.toml"),
  ]);
  return uvSources(files, environment);
}

async function gatherMaven(machine: Machine): Promise<FoundSource[]> {
  const { environment, home, root } = machine;
  const program = await findProgram(machine, "mvn");
  const installed = environment["MAVEN_HOME"] ?? environment["M2_HOME"];
  const files = await readFiles([
    join(home, ".m2", "settings.xml"),
    ...(installed === undefined ? [] : [join(installed, "conf", "settings.xml")]),
    join(root, "etc", "maven", "settings.xml"),
  ]);
  const superPom = program === undefined ? undefined : await readSuperPom(program);
  return mavenSources({ files, environment, superPom, isInstalled: program !== undefined });
}

async function gatherGradle({ environment, home, folder }: Machine): Promise<FoundSource[]> {
  const user = environment["GRADLE_USER_HOME"] ?? join(home, ".gradle");
  const scripts = /\.gradle(?:\.kts)?$/;
  return gradleSources(
    await readFiles([
      ...(await filesIn(user, /^init\.gradle(?:\.kts)?$/)),
      ...(await filesIn(join(user, "init.d"), scripts)),
      ...(await filesIn(folder, /^settings\.gradle(?:\.kts)?$/)),
    ]),
  );
}

async function gatherGo(machine: Machine): Promise<FoundSource[]> {
  const answer = await askProgram(machine, { program: "go", args: ["env", "-json", "GOPROXY", "GOSUMDB"] });
  if (answer?.code === 0)
    return goSources({ values: JSON.parse(answer.stdout) as Record<string, string>, from: "go env" });
  return goSources({ values: machine.environment, from: "the variable GOPROXY" });
}

async function gatherCargo(machine: Machine): Promise<FoundSource[]> {
  const { environment, home, folder } = machine;
  const cargoHome = environment["CARGO_HOME"] ?? join(home, ".cargo");
  const folders = [...foldersUp(folder).map((path) => join(path, ".cargo")), cargoHome];
  const files = await readFiles(folders.flatMap((path) => [join(path, "config.toml"), join(path, "config")]));
  const isInstalled = (await findProgram(machine, "cargo")) !== undefined;
  const found = cargoSources({ files, environment, builtIn: undefined, isInstalled });
  if (!found.some(({ name, url }) => name === "" && url === undefined)) return found;
  return cargoSources({ files, environment, builtIn: await builtInIndex(machine), isInstalled });
}

function foldersUp(folder: string): string[] {
  const parent = dirname(folder);
  return parent === folder ? [folder] : [folder, ...foldersUp(parent)];
}

/**
 * Cargo tells the address of its own index only when it cannot reach it: so it is asked through a proxy that is not
 * there, in a home of its own. Nothing leaves the machine.
 */
async function builtInIndex(machine: Machine): Promise<string | undefined> {
  const folder = await mkdtemp(join(tmpdir(), "mintmark-cargo-"));
  try {
    const nowhere = "http://127.0.0.1:9";
    const more = {
      CARGO_HOME: folder,
      CARGO_HTTP_PROXY: nowhere,
      https_proxy: nowhere,
      CARGO_NET_RETRY: "0",
      NO_PROXY: "",
      no_proxy: "",
    };
    const answer = await askProgram({ ...machine, folder }, { program: "cargo", args: ["info", "a"], more });
    return /`(https?:\/\/[^\s`]+?)config\.json`/.exec(answer?.stderr ?? "")?.[1];
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function gatherNuget({ environment, home, folder, root }: Machine): Promise<FoundSource[]> {
  const project = foldersUp(folder).map((path) => join(path, "nuget.config"));
  const names = project.flatMap((path) => [path, path.replace(/nuget\.config$/, "NuGet.Config")]);
  const files = await readFiles([
    ...names,
    join(home, ".nuget", "NuGet", "NuGet.Config"),
    join(home, ".config", "NuGet", "NuGet.Config"),
    ...(await filesIn(join(root, "etc", "opt", "NuGet", "Config"), /\.config$/i)),
  ]);
  return nugetSources(files, environment);
}

async function gatherContainers({ environment, home, root }: Machine): Promise<FoundSource[]> {
  const configHome = environment["XDG_CONFIG_HOME"] ?? join(home, ".config");
  const own = join(configHome, "containers", "registries.conf");
  const system = join(root, "etc", "containers");
  const files = await readFiles([own, join(system, "registries.conf")]);
  const parts = await readFiles(await filesIn(join(system, "registries.conf.d"), /\.conf$/));
  // The user's file takes the place of the system's; drop-ins are added.
  return containerSources([...files.slice(0, 1), ...parts]);
}
