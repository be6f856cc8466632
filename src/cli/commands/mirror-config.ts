import { readdir, readFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import type { Command } from "commander";
import { Failure } from "../../base/errors.ts";
import type { Mirror, MirrorClients } from "../../client/api-types.ts";
import type { Client } from "../../client/client.ts";
import { type CommandContext, examples, type RunAction } from "../command.ts";
import { installFiles, type InstallStep, type PlannedFile, undoInstalled } from "../client-files.ts";
import { printAnswer } from "../output/answer.ts";
import { withClient } from "../session.ts";

/** What people call a client, beside the name of its program. */
const otherNames: Readonly<Record<string, string>> = {
  maven: "mvn",
  dotnet: "nuget",
  pypi: "pip",
  buildah: "podman",
  buildkitd: "buildkit",
  containers: "oci",
};

interface ConfigOptions {
  readonly repository?: string;
  readonly install?: boolean;
  readonly undo?: boolean;
}

/** How one client is pointed at a repository, or several of them. */
interface Snippets {
  readonly client: string;
  readonly repositories: readonly string[];
  readonly files: readonly PlannedFile[];
  readonly environment: Readonly<Record<string, string>>;
}

/** `mintmark mirror config CLIENT [--install | --undo]`. */
export function defineMirrorConfig(command: Command, run: RunAction): void {
  command
    .command("config")
    .summary("show how clients are pointed at the mirror, or do it")
    .argument(
      "[client]",
      "npm, pnpm, yarn, bun, pip, uv, pdm, poetry, twine, maven, gradle, go, cargo, nuget, apt, podman, containerd, buildkit, docker, or oci for these four; all where none is named",
    )
    .option("--repository <name>", "where several fit")
    .option("--install", "write the files; what is there is kept beside them")
    .option("--undo", "put back what was there")
    .addHelpText(
      "after",
      examples(
        ["mintmark mirror config pip", "prints files and variables, and changes nothing"],
        ["mintmark mirror config pip --install", "writes them; twice does no harm"],
        ["mintmark mirror config pip --undo", "as it was before"],
      ),
    )
    .action(
      run(async (context, [given]: readonly [string | undefined], options: ConfigOptions) => {
        const name = given === undefined ? undefined : (otherNames[given.toLowerCase()] ?? given.toLowerCase());
        if (options.undo === true) return await undo(context, name);
        return await withClient(context, async ({ client }) => {
          const snippets = await snippetsFor(client, name, options.repository);
          if (options.install === true) return await install(context, name, snippets);
          printAnswer(context, { clients: snippets }, snippets.flatMap(snippetLines));
          return 0;
        });
      }),
    );
}

async function snippetsFor(
  client: Client,
  name: string | undefined,
  repository: string | undefined,
): Promise<Snippets[]> {
  const { mirrors } = await client.mirrors();
  const fitting = mirrors.filter((mirror) => repository === undefined || mirror.name === repository);
  const answers = await Promise.all(
    fitting.map(async (mirror) => ({ mirror, setup: await client.mirrorClients(mirror.name) })),
  );
  const names = new Set(answers.flatMap(({ setup }) => setup.clients.map((one) => one.client)));
  const wanted = [...names].filter((one) => name === undefined || one === name);
  const found = await Promise.all(
    wanted.map(async (one) => {
      const places = answers.filter(({ setup }) => setup.clients.some((setting) => setting.client === one));
      return one === "apt" ? await aptSnippets(places) : snippetsOf(one, choose(one, places));
    }),
  );
  const containers = await containerSnippets(client, name);
  const all = [...found, ...containers];
  if (all.length > 0) return all;
  throw nothingFor(name);
}

function nothingFor(name: string | undefined): Failure {
  const isContainer = name === "oci" || containerClients.includes(name ?? "");
  const what = isContainer ? "there is no proxy project for container images" : "no repository of the mirror is for it";
  return new Failure("not_found", `Cannot configure ${name === undefined ? "any client" : `"${name}"`}: ${what}`, {
    hint: isContainer
      ? "`mintmark project proxy --help` tells how one is made"
      : "`mintmark mirror detect --apply` makes repositories, `mintmark mirror list` shows those that are there",
  });
}

interface Place {
  readonly mirror: Mirror;
  readonly setup: MirrorClients;
}

/** A group is made to be used; else the repository that is named as its format; else there must be only one. */
function choose(client: string, places: readonly Place[]): Place {
  const groups = places.filter(({ mirror }) => mirror.kind === "group");
  const best = groups.length > 0 ? groups : places.filter(({ mirror }) => mirror.kind === "proxy");
  const pool = best.length > 0 ? best : places;
  const chosen = pool.find(({ mirror }) => mirror.name === mirror.format) ?? (pool.length === 1 ? pool[0] : undefined);
  if (chosen !== undefined) return chosen;
  throw new Failure(
    "usage",
    `Cannot choose a repository for "${client}": ${pool.map(({ mirror }) => mirror.name).join(", ")} fit`,
    {
      hint: "Name one with --repository",
    },
  );
}

function snippetsOf(client: string, { mirror, setup }: Place): Snippets {
  const all = setup.clients.filter((one) => one.client === client);
  return {
    client,
    repositories: [mirror.name],
    files: all.flatMap(({ files }) => files.map((file) => ({ ...file, isWhole: false }))),
    environment: Object.assign({}, ...all.map(({ environment }) => environment)) as Record<string, string>,
  };
}

/**
 * apt's own sources with the addresses of the archives replaced: suites, components and keys stay those that the
 * machine trusts. Where none of them names the archive, the format's own text is shown, to be filled in.
 */
async function aptSnippets(places: readonly Place[]): Promise<Snippets> {
  const folder = "/etc/apt";
  const parts = (await readdir(join(folder, "sources.list.d")).catch((): string[] => [])).filter((part) =>
    /\.(?:list|sources)$/.test(part),
  );
  const files: PlannedFile[] = [];
  const used = new Set<string>();
  for (const path of [
    join(folder, "sources.list"),
    ...parts.toSorted().map((part) => join(folder, "sources.list.d", part)),
  ]) {
    const text = await readFile(path, "utf8").catch(() => undefined);
    if (text === undefined) continue;
    let content = text;
    for (const { mirror } of places) {
      const changed = withArchive(content, mirror);
      if (changed !== content) used.add(mirror.name);
      content = changed;
    }
    if (content !== text) files.push({ path, content, isWhole: true });
  }
  if (files.length > 0) return { client: "apt", repositories: [...used], files, environment: {} };
  const shown = places.map((place) => snippetsOf("apt", place));
  return {
    client: "apt",
    repositories: places.map(({ mirror }) => mirror.name),
    // Words in capitals are for a person to fill in: such a text is never installed.
    files: shown.flatMap((one) => one.files.map((file) => ({ ...file, isTemplate: true }))),
    environment: {},
  };
}

/** Replaces an archive's address where it stands as a whole word, in either form of sources. */
function withArchive(text: string, { upstream, url }: Mirror): string {
  if (upstream === undefined) return text;
  const bare = upstream.replace(/\/+$/, "").replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&");
  return text.replaceAll(new RegExp(`(?<=^|\\s)${bare}/?(?=\\s|$)`, "gm"), url);
}

const containerClients = ["podman", "containerd", "buildkit", "docker"];

/** Container images come through proxy projects of the registry, which have files of their own. */
async function containerSnippets(client: Client, name: string | undefined): Promise<Snippets[]> {
  if (name !== undefined && name !== "oci" && !containerClients.includes(name)) return [];
  const { proxies } = await client.projectProxies();
  const found: Snippets[] = [];
  for (const { project } of proxies) {
    const { files } = await client.projectProxyClients(project);
    for (const file of files) {
      const word = file.client.toLowerCase();
      if (name !== undefined && name !== "oci" && !word.includes(name)) continue;
      const { path, content } = file;
      found.push({
        client: word,
        repositories: [project],
        files: [{ path, content, isWhole: false }],
        environment: {},
      });
    }
  }
  return found;
}

function snippetLines({ client, repositories, files, environment }: Snippets): string[] {
  const variables = Object.entries(environment);
  return [
    `# ${client}, for ${repositories.join(", ")}`,
    ...files.flatMap(({ path, content }) => [`# ${path}`, content.trimEnd(), ""]),
    ...(variables.length === 0
      ? []
      : [
          files.length === 0 ? "# variables" : "# or, as variables",
          ...variables.map(([key, value]) => `export ${key}=${shellWord(value)}`),
          "",
        ]),
  ];
}

function shellWord(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

async function install(
  context: CommandContext,
  name: string | undefined,
  snippets: readonly Snippets[],
): Promise<number> {
  if (name === undefined)
    throw new Failure("usage", "Cannot install the files of all clients at once: name one", {
      hint: `Such as \`mintmark mirror config ${snippets[0]!.client} --install\``,
    });
  if (name === "oci")
    throw new Failure("usage", "Cannot install the files of all container engines at once: name one", {
      hint: `Such as \`mintmark mirror config ${containerClients[0]!} --install\``,
    });
  const steps: InstallStep[] = [];
  for (const { client, files, environment } of snippets) {
    if (files.some(({ isTemplate }) => isTemplate === true))
      throw new Failure(
        "not_found",
        `Cannot point ${client} at the mirror: none of its sources names an archive that the mirror stands for`,
        {
          hint: "`mintmark mirror config apt` prints a text to fill in",
        },
      );
    // A project's own file is the project's.
    const own = files.filter(({ path }) => path.startsWith("~/") || path.startsWith("/"));
    if (own.length === 0)
      throw new Failure(
        "usage",
        `Cannot install anything for "${client}": it is pointed there by ${Object.keys(environment).length > 0 ? "variables" : "files of a project"}`,
        {
          hint: `\`mintmark mirror config ${client}\` prints them`,
        },
      );
    steps.push(...(await installFiles(placesOf(context), client, own)));
  }
  printAnswer(context, { steps }, steps.map(stepLine));
  return 0;
}

async function undo(context: CommandContext, name: string | undefined): Promise<number> {
  const steps = await undoInstalled(placesOf(context), name);
  printAnswer(context, { steps }, steps.length === 0 ? ["nothing was installed"] : steps.map(stepLine));
  return steps.some(({ state }) => state === "changed since") ? 1 : 0;
}

function stepLine({ path, state, backup }: InstallStep): string {
  return `${path}: ${state}${backup === undefined ? "" : `; what was there is in ${backup}`}`;
}

function placesOf({ configInput }: CommandContext): { home: string; stateFile: string } {
  const { environment } = configInput;
  const home = environment["HOME"] ?? homedir();
  const state = environment["XDG_STATE_HOME"] ?? join(home, ".local", "state");
  return { home, stateFile: join(state, "mintmark", "client-files.json") };
}
