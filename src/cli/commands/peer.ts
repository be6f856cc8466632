import { readFile } from "node:fs/promises";
import { text } from "node:stream/consumers";
import { type Command, Option } from "commander";
import { errorCodes } from "../../base/error-codes.ts";
import { Failure, messageOf } from "../../base/errors.ts";
import type { Peer, PeerChange } from "../../client/api-types.ts";
import { examples, type Define, type RunAction } from "../command.ts";
import { printAnswer, tableOf } from "../output/answer.ts";
import { cut } from "../output/table.ts";
import { withClient } from "../session.ts";

interface PeerOptions {
  readonly url?: string;
  readonly kind?: Peer["kind"];
  readonly username?: string;
  readonly secretFile?: string;
  readonly caFile?: string;
  readonly insecure?: boolean;
  readonly trustHost?: string[];
  readonly anonymous?: boolean;
}

/** `mintmark peer list | add | change | check | remove`. */
export const define: Define = (command, run) => {
  command.addHelpText(
    "after",
    examples(
      [
        "mintmark peer add hub https://registry.example --username ci --secret-file -",
        "reads the secret from standard input",
      ],
      ["mintmark peer check hub", "whether it lets us in"],
    ),
  );
  defineList(command, run);
  defineAdd(command, run);
  defineChange(command, run);
  defineCheck(command, run);
  command
    .command("remove")
    .summary("remove a registry that no rule and no project needs")
    .argument("<name>", "the peer")
    .addHelpText("after", examples(["mintmark peer remove hub", "with its secret"]))
    .action(
      run((context, [name]: readonly [string]) =>
        withClient(context, async ({ client }) =>
          printAnswer(context, await client.removePeer(name), [`removed ${name}`]),
        ),
      ),
    );
};

function defineList(command: Command, run: RunAction): void {
  command
    .command("list")
    .summary("list other registries")
    .addHelpText("after", examples(["mintmark peer list --json", "as JSON; without secrets"]))
    .action(
      run((context) =>
        withClient(context, async ({ client }) => {
          const list = await client.peers();
          const rows = list.peers.map((peer) => [
            peer.name,
            peer.kind,
            peer.url,
            peer.username === undefined ? "anonymous" : `${peer.username}${peer.hasSecret ? "" : " (no secret)"}`,
            peer.checkedAt === undefined ? "not checked" : (peer.problem ?? `well at ${peer.checkedAt}`),
          ]);
          printAnswer(context, list, tableOf(context, ["NAME", "KIND", "ADDRESS", "ACCOUNT", "STATE"], rows));
        }),
      ),
    );
}

function withOptions(command: Command): Command {
  return command
    .addOption(
      new Option("--kind <kind>", "docker-hub keeps images without a namespace under library/").choices([
        "registry",
        "mintmark",
        "harbor",
        "docker-hub",
      ]),
    )
    .option("--username <name>", "the account there")
    .option("--secret-file <path>", "a file with its password or token; - is standard input")
    .option("--ca-file <path>", "a file with the certificate authorities that count instead of the machine's")
    .option("--insecure", "take any certificate")
    .option("--no-insecure", "check certificates")
    .option("--trust-host <host...>", "hosts that may be private: where it keeps tokens or blobs");
}

function defineAdd(command: Command, run: RunAction): void {
  withOptions(command.command("add").summary("add another registry"))
    .argument("<name>", "lower-case letters, digits, dots, dashes")
    .argument("<url>", "http(s)://host[:port]")
    .addHelpText("after", examples(["mintmark peer add hub https://registry.example", "without an account"]))
    .action(
      run((context, [name, url]: readonly [string, string], options: PeerOptions) =>
        withClient(context, async ({ client }) => {
          const { username, secret, caPem, ...change } = await changeOf(options);
          const peer = await client.addPeer({
            ...change,
            name,
            url,
            ...(typeof username === "string" ? { username } : {}),
            ...(typeof secret === "string" ? { secret } : {}),
            ...(typeof caPem === "string" ? { caPem } : {}),
          });
          printAnswer(context, peer, [`added ${peer.name}; \`mintmark peer check ${peer.name}\` signs in there`]);
        }),
      ),
    );
}

function defineChange(command: Command, run: RunAction): void {
  withOptions(command.command("change").summary("change another registry"))
    .argument("<name>", "the peer")
    .option("--url <url>", "another address; the secret of the old one is dropped unless a new one is given")
    .option("--anonymous", "forget its account")
    .addHelpText(
      "after",
      examples(["mintmark peer change hub --username ci --secret-file token.txt", "another account"]),
    )
    .action(
      run((context, [name]: readonly [string], options: PeerOptions) =>
        withClient(context, async ({ client }) => {
          const peer = await client.changePeer(name, await changeOf(options));
          const note = peer.username !== undefined && !peer.hasSecret ? "; it has no secret now" : "";
          printAnswer(context, peer, [`changed ${peer.name}${note}`]);
        }),
      ),
    );
}

function defineCheck(command: Command, run: RunAction): void {
  command
    .command("check")
    .alias("ping")
    .summary("sign in at another registry with what is stored for it")
    .argument("<name>", "the peer")
    .addHelpText("after", examples(["mintmark peer check hub", "exit code 7 where it does not let us in"]))
    .action(
      run((context, [name]: readonly [string]) =>
        withClient(context, async ({ client }) => {
          const check = await client.checkPeer(name);
          printAnswer(context, check, [
            check.ok ? `${name} lets us in (${check.durationMs} ms)` : cut(check.problem ?? `${name} does not`, 500),
          ]);
          return check.ok ? 0 : errorCodes.upstream_unreachable.exit;
        }),
      ),
    );
}

async function changeOf(options: PeerOptions): Promise<PeerChange> {
  const { url, kind, username, secretFile, caFile, insecure, trustHost, anonymous } = options;
  return {
    ...(url === undefined ? {} : { url }),
    ...(kind === undefined ? {} : { kind }),
    ...(username === undefined ? {} : { username }),
    ...(secretFile === undefined ? {} : { secret: (await read(secretFile)).replace(/\r?\n$/, "") }),
    ...(caFile === undefined ? {} : { caPem: await read(caFile) }),
    ...(insecure === undefined ? {} : { insecure }),
    ...(trustHost === undefined ? {} : { trustedHosts: trustHost }),
    ...(anonymous === true ? { username: null, secret: null } : {}),
  };
}

/** Arguments of programs can be seen by everybody on the machine: secrets come from files. */
async function read(path: string): Promise<string> {
  if (path === "-") return await text(process.stdin);
  return await readFile(path, "utf8").catch((error: unknown) => {
    throw new Failure("not_found", `Cannot read "${path}": ${messageOf(error)}`);
  });
}
