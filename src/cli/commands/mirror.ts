import { readFile } from "node:fs/promises";
import { text } from "node:stream/consumers";
import { type Command, Option } from "commander";
import { Failure, messageOf } from "../../base/errors.ts";
import type { Mirror, MirrorChange } from "../../client/api-types.ts";
import { examples, type Define, type RunAction } from "../command.ts";
import { showBytes } from "../output/amounts.ts";
import { printAnswer, tableOf } from "../output/answer.ts";
import { pairLines } from "../output/table.ts";
import { withClient } from "../session.ts";
import { defineMirrorCare } from "./mirror-care.ts";
import { defineMirrorConfig } from "./mirror-config.ts";
import { defineMirrorDetect } from "./mirror-detect.ts";
import { defineMirrorPolicy } from "./mirror-policy.ts";

/** `mintmark mirror …`. */
export const define: Define = (command, run) => {
  command.addHelpText(
    "after",
    examples(
      ["mintmark mirror detect --apply", "stand in for what this machine's clients use today"],
      ["mintmark mirror config npm --install", "point npm at it"],
      ["mintmark mirror list", "addresses, sizes, last uses"],
      ["mintmark mirror policy check pkg:npm/left-pad@1.3.0", "what the rules say, as a dry run"],
    ),
  );
  defineMirrorDetect(command, run);
  defineList(command, run);
  defineShow(command, run);
  defineCreate(command, run);
  defineChange(command, run);
  defineRemove(command, run);
  defineMirrorConfig(command, run);
  defineMirrorPolicy(command, run);
  defineMirrorCare(command, run);
};

function defineList(command: Command, run: RunAction): void {
  command
    .command("list")
    .summary("list repositories with their addresses")
    .addHelpText("after", examples(["mintmark mirror list --json", "as JSON; without credentials"]))
    .action(
      run((context) =>
        withClient(context, async ({ client }) => {
          const list = await client.mirrors();
          const rows = list.mirrors.map((mirror) => [
            mirror.name,
            mirror.format,
            mirror.kind,
            showBytes(mirror.usage.sizeBytes + mirror.usage.madeBytes),
            mirror.usage.usedAt ?? "never used",
            mirror.url,
          ]);
          printAnswer(
            context,
            list,
            tableOf(context, ["NAME", "FORMAT", "KIND", "SIZE", "LAST USED", "ADDRESS"], rows),
          );
        }),
      ),
    );
}

function defineShow(command: Command, run: RunAction): void {
  command
    .command("show")
    .summary("show a repository, and whether its upstream answers")
    .argument("<name>", "the repository")
    .addHelpText("after", examples(["mintmark mirror show npm", "settings, size, health"]))
    .action(
      run((context, [name]: readonly [string]) =>
        withClient(context, async ({ client }) => {
          const mirror = await client.mirror(name);
          printAnswer(context, mirror, pairLines(shownPairs(mirror), context.terminal.paint));
        }),
      ),
    );
}

function shownPairs(mirror: Mirror): [name: string, value: string][] {
  const { usage, health } = mirror;
  return [
    ["name", mirror.name],
    ["address", mirror.url],
    ["format", `${mirror.format}, ${mirror.kind}`],
    ...(mirror.upstream === undefined ? [] : [["upstream", mirror.upstream] as [string, string]]),
    ...(mirror.members === undefined ? [] : [["members", mirror.members.join(", ")] as [string, string]]),
    ...(mirror.allowed ?? []).map(({ host, path }): [string, string] => ["allowed", `${host}/${path}`]),
    ["health", `${health?.state ?? "unknown"}: ${health?.reason ?? ""}`],
    ["read by", mirror.isPublic ? "everybody" : "accounts"],
    [
      "files",
      `${usage.fileCount} files, ${usage.documentCount} documents, ${showBytes(usage.sizeBytes)}, made of them ${showBytes(usage.madeBytes)}`,
    ],
    ["used", usage.usedAt === undefined ? "never" : `${usage.useCount} times, last at ${usage.usedAt}`],
    ["quota", mirror.quotaBytes === undefined ? "none" : showBytes(mirror.quotaBytes)],
  ];
}

interface SettingOptions {
  readonly upstream?: string;
  readonly credentialsFile?: string;
  readonly member?: string[];
  readonly allow?: string[];
  readonly reserve?: string[];
  readonly offline?: boolean;
  readonly public?: boolean;
  readonly private?: boolean;
  readonly metadataSeconds?: string;
  readonly quota?: string;
}

function withSettings(command: Command): Command {
  return command
    .option("--upstream <url>", "of a proxy; without credentials in it")
    .option("--credentials-file <path>", "a file with user:password, or :token, for the upstream; - is standard input")
    .option("--member <name...>", "of a group, in order; hosted ones always come first")
    .option("--allow <host/path...>", "what a raw proxy may fetch; the path is a pattern, @sha256:HEX pins the bytes")
    .option("--reserve <pattern...>", "names that are never asked of an upstream, such as @acme/*")
    .option("--offline", "ask no upstream: what is here is all there is")
    .option("--no-offline", "ask the upstream again")
    .option("--public", "everybody may read")
    .option("--no-public", "only accounts may read")
    .option("--private", "the upstream may redirect to private addresses")
    .option("--metadata-seconds <seconds>", "how long indexes are believed before the upstream is asked again")
    .option("--quota <size>", "the most that it keeps, such as 20G; none takes the quota away");
}

function defineCreate(command: Command, run: RunAction): void {
  withSettings(command.command("create").summary("make a repository"))
    .argument("<name>", "lower-case letters, digits, dots, dashes, underscores")
    .addOption(
      new Option("--format <format>", "what it speaks")
        .choices(["apt", "npm", "pypi", "maven", "go", "cargo", "nuget", "raw"])
        .makeOptionMandatory(),
    )
    .addOption(
      new Option("--kind <kind>", "by default proxy with an upstream, group with members, else hosted").choices([
        "proxy",
        "hosted",
        "group",
      ]),
    )
    .addHelpText(
      "after",
      examples(
        ["mintmark mirror create npm --format npm --upstream https://registry.example/", "a proxy"],
        ["mintmark mirror create npm-ours --format npm", "for what you publish yourself"],
        ["mintmark mirror create npm-all --format npm --member npm-ours npm", "both at one address"],
      ),
    )
    .action(
      run(
        (
          context,
          [name]: readonly [string],
          options: SettingOptions & { readonly format: Mirror["format"]; readonly kind?: Mirror["kind"] },
        ) =>
          withClient(context, async ({ client }) => {
            const { quotaBytes, reserved, shared: _shared, ...settings } = await settingsOf(options);
            const mirror = await client.createMirror({
              ...settings,
              ...(typeof quotaBytes === "number" ? { quotaBytes } : {}),
              ...(reserved === undefined || reserved === null ? {} : { reserved }),
              name,
              format: options.format,
              kind: options.kind ?? kindOf(options),
            });
            printAnswer(context, mirror, [`created ${mirror.name} at ${mirror.url}`, clientsHint(mirror)]);
          }),
      ),
    );
}

function clientsHint({ name }: Mirror): string {
  return `\`mintmark mirror config --repository ${name}\` shows how clients are pointed at it`;
}

function kindOf({ upstream, member, allow }: SettingOptions): Mirror["kind"] {
  if (member !== undefined) return "group";
  return upstream !== undefined || allow !== undefined ? "proxy" : "hosted";
}

function defineChange(command: Command, run: RunAction): void {
  withSettings(command.command("change").summary("change a repository"))
    .argument("<name>", "the repository")
    .addHelpText("after", examples(["mintmark mirror change npm --offline", "give out what is here, ask nobody"]))
    .action(
      run((context, [name]: readonly [string], options: SettingOptions) =>
        withClient(context, async ({ client }) => {
          const change = await settingsOf(options, async () => (await client.mirror(name)).upstream);
          const mirror = await client.changeMirror(name, change);
          printAnswer(context, mirror, [`changed ${mirror.name}`]);
        }),
      ),
    );
}

function defineRemove(command: Command, run: RunAction): void {
  command
    .command("remove")
    .summary("remove a repository with all that it holds")
    .argument("<name>", "the repository")
    .addHelpText("after", examples(["mintmark mirror remove npm-old", "no group may name it"]))
    .action(
      run((context, [name]: readonly [string]) =>
        withClient(context, async ({ client }) =>
          printAnswer(context, await client.removeMirror(name), [`removed ${name}`]),
        ),
      ),
    );
}

async function settingsOf(
  options: SettingOptions,
  currentUpstream: () => Promise<string | undefined> = async () => undefined,
): Promise<MirrorChange> {
  const upstream = await upstreamOf(options, currentUpstream);
  return {
    ...(upstream === undefined ? {} : { upstream }),
    ...(options.member === undefined ? {} : { members: options.member }),
    ...(options.allow === undefined ? {} : { allowed: options.allow.map(allowedOf) }),
    ...(options.reserve === undefined ? {} : { reserved: options.reserve }),
    ...(options.offline === undefined ? {} : { isOffline: options.offline }),
    ...(options.public === undefined ? {} : { isPublic: options.public }),
    ...(options.private === undefined ? {} : { allowPrivate: options.private }),
    ...(options.metadataSeconds === undefined ? {} : { metadataSeconds: Number(options.metadataSeconds) }),
    ...(options.quota === undefined ? {} : { quotaBytes: options.quota === "none" ? null : bytesOf(options.quota) }),
  };
}

/** Arguments of programs can be seen by everybody on the machine: credentials come from files. */
async function upstreamOf(
  { upstream, credentialsFile }: SettingOptions,
  current: () => Promise<string | undefined>,
): Promise<string | undefined> {
  if (upstream !== undefined && /^https?:\/\/[^/]*@/.test(upstream))
    throw new Failure("usage", "Cannot take credentials in an address: everybody on the machine can see arguments", {
      hint: "Put user:password, or :token, into a file and name it with --credentials-file",
    });
  if (credentialsFile === undefined) return upstream;
  const url = URL.parse(upstream ?? (await current()) ?? "");
  if (url === null) throw new Failure("usage", "Cannot use --credentials-file: there is no upstream to go with it");
  const [username = "", password = ""] = (await readText(credentialsFile)).trim().split(/:(.*)/s);
  url.username = encodeURIComponent(username);
  url.password = encodeURIComponent(password);
  return url.href;
}

async function readText(path: string): Promise<string> {
  if (path === "-") return await text(process.stdin);
  return await readFile(path, "utf8").catch((error: unknown) => {
    throw new Failure("not_found", `Cannot read "${path}": ${messageOf(error)}`);
  });
}

function allowedOf(rule: string): NonNullable<MirrorChange["allowed"]>[number] {
  const [, host, path = "**", sha256] =
    /^(?:https?:\/\/)?([^/@]+)(?:\/([^@]*))?(?:@sha256:([0-9a-f]{64}))?$/.exec(rule) ?? [];
  if (host === undefined)
    throw new Failure("usage", `Cannot read the rule "${rule}": it is not HOST/PATH`, {
      hint: "Write such as files.example/releases/**, and @sha256:HEX at its end to pin the bytes",
    });
  return { host, path: path === "" ? "**" : path, ...(sha256 === undefined ? {} : { sha256 }) };
}

const sizeUnits: Readonly<Record<string, number>> = { "": 1, k: 1024, m: 1024 ** 2, g: 1024 ** 3, t: 1024 ** 4 };

function bytesOf(size: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*([kmgt]?)(?:i?b)?$/i.exec(size);
  if (match === null) throw new Failure("usage", `Cannot read the size "${size}"`, { hint: "Write such as 500M, 20G" });
  return Math.round(Number(match[1]) * sizeUnits[match[2]!.toLowerCase()]!);
}
