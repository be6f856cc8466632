import { type Command, Option } from "commander";
import { Failure } from "../../base/errors.ts";
import type { Mirror, MirrorChange } from "../../client/api-types.ts";
import { withCredentials } from "../address-credentials.ts";
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
    ...(mirror.allowed ?? []).map(({ host, path, sha256 }): [string, string] => [
      "allowed",
      `${host}/${path}${sha256 === undefined ? "" : `@sha256:${sha256}`}`,
    ]),
    ...listed("reserved", mirror.reserved),
    ...listed("shared", mirror.shared),
    ...(mirror.checksumDatabase === undefined
      ? []
      : [["checksum database", mirror.checksumDatabase] as [string, string]]),
    ...(mirror.kind === "proxy"
      ? [
          [
            "believes",
            `indexes for ${spanOf(mirror.metadataSeconds)}, a "no" for ${spanOf(mirror.missingSeconds)}, gives out old ones for ${spanOf(mirror.staleSeconds)} while the upstream fails`,
          ] as [string, string],
        ]
      : []),
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

/** A time in the largest unit that it is a whole number of. */
function spanOf(seconds: number): string {
  const units = [
    [86_400, "d"],
    [3600, "h"],
    [60, "min"],
  ] as const;
  const unit = units.find(([size]) => seconds > 0 && seconds % size === 0);
  return unit === undefined ? `${seconds} s` : `${seconds / unit[0]} ${unit[1]}`;
}

function listed(title: string, items: readonly string[] = []): [string, string][] {
  return items.length === 0 ? [] : [[title, items.join(", ")]];
}

interface SettingOptions {
  readonly upstream?: string;
  readonly credentialsFile?: string;
  readonly member?: string[];
  readonly allow?: string[];
  readonly reserve?: string[];
  readonly share?: string[];
  readonly checksumDatabase?: string;
  readonly offline?: boolean;
  readonly public?: boolean;
  readonly private?: boolean;
  readonly metadataSeconds?: string;
  readonly missingSeconds?: string;
  readonly staleSeconds?: string;
  readonly quota?: string;
}

function withSettings(command: Command): Command {
  return command
    .option("--upstream <url>", "of a proxy; without credentials in it")
    .option("--credentials-file <path>", "a file with user:password, or :token, for the upstream; - is standard input")
    .option("--member <name...>", "of a group, in order; hosted ones always come first")
    .option("--allow <host/path...>", "what a raw proxy may fetch; the path is a pattern, @sha256:HEX pins the bytes")
    .option("--reserve <pattern...>", "names that are never asked of an upstream, such as @acme/*; none takes it back")
    .option("--share <name...>", "names published here that upstreams are asked for all the same; none takes it back")
    .option("--checksum-database <name>", "of Go, behind the upstream; none leaves it to the upstream's address")
    .option("--offline", "ask no upstream: what is here is all there is")
    .option("--no-offline", "ask the upstream again")
    .option("--public", "everybody may read")
    .option("--no-public", "only accounts may read")
    .option("--private", "the upstream may redirect to private addresses")
    .option("--no-private", "it may not")
    .option("--metadata-seconds <seconds>", "how long indexes are believed before the upstream is asked again")
    .option("--missing-seconds <seconds>", "how long it is believed that the upstream does not have something")
    .option("--stale-seconds <seconds>", "how long old indexes are given out while the upstream fails")
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
            const { quotaBytes, reserved, shared, checksumDatabase, ...settings } = await settingsOf(options);
            const mirror = await client.createMirror({
              ...settings,
              // Of a new repository there is nothing to take back.
              ...given("quotaBytes", quotaBytes),
              ...given("reserved", reserved),
              ...given("shared", shared),
              ...given("checksumDatabase", checksumDatabase),
              name,
              format: options.format,
              kind: options.kind ?? kindOf(options),
            });
            printAnswer(context, mirror, [`created ${mirror.name} at ${mirror.url}`, clientsHint(mirror)]);
          }),
      ),
    );
}

function given<Key extends string, Value>(key: Key, value: Value | null | undefined): Partial<Record<Key, Value>> {
  return value === undefined || value === null ? {} : ({ [key]: value } as Partial<Record<Key, Value>>);
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
    ...(options.reserve === undefined ? {} : { reserved: orNone(options.reserve) }),
    ...(options.share === undefined ? {} : { shared: orNone(options.share) }),
    ...(options.checksumDatabase === undefined
      ? {}
      : { checksumDatabase: options.checksumDatabase === "none" ? null : options.checksumDatabase }),
    ...(options.offline === undefined ? {} : { isOffline: options.offline }),
    ...(options.public === undefined ? {} : { isPublic: options.public }),
    ...(options.private === undefined ? {} : { allowPrivate: options.private }),
    ...secondsOf("metadataSeconds", options.metadataSeconds),
    ...secondsOf("missingSeconds", options.missingSeconds),
    ...secondsOf("staleSeconds", options.staleSeconds),
    ...(options.quota === undefined ? {} : { quotaBytes: options.quota === "none" ? null : bytesOf(options.quota) }),
  };
}

function orNone(items: readonly string[]): string[] | null {
  return items.length === 1 && items[0] === "none" ? null : [...items];
}

function secondsOf<Key extends string>(key: Key, text: string | undefined): Partial<Record<Key, number>> {
  if (text === undefined) return {};
  if (!/^\d{1,9}$/.test(text))
    throw new Failure("usage", `Cannot read the time "${text}": it is no whole number of seconds`);
  return { [key]: Number(text) } as Partial<Record<Key, number>>;
}

/** Credentials without an address are for the upstream that is there. */
async function upstreamOf(
  { upstream, credentialsFile }: SettingOptions,
  current: () => Promise<string | undefined>,
): Promise<string | undefined> {
  const address = upstream ?? (credentialsFile === undefined ? undefined : await current());
  if (address !== undefined) return await withCredentials(address, credentialsFile);
  if (credentialsFile === undefined) return undefined;
  throw new Failure("usage", "Cannot use --credentials-file: there is no upstream to go with it");
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
