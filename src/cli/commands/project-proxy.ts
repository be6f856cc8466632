import type { Command } from "commander";
import { examples, type RunAction } from "../command.ts";
import { printAnswer, tableOf } from "../output/answer.ts";
import { withClient } from "../session.ts";

interface ProxyOptions {
  readonly peer: string;
  readonly namespace?: string;
  readonly allow?: string[];
  readonly freshSeconds?: string;
  readonly missingSeconds?: string;
  readonly mirrorOf?: string;
}

/** `mintmark project proxy set | list | remove`. */
export function defineProjectProxy(parent: Command, run: RunAction): void {
  const command = parent.command("proxy").summary("take a project's content from another registry");
  command.addHelpText(
    "after",
    examples(["mintmark project proxy set hub --peer docker", "what is pulled through hub/ comes from there"]),
  );
  defineSet(command, run);
  defineOthers(command, run);
}

function defineSet(command: Command, run: RunAction): void {
  command
    .command("set")
    .summary("make a project a proxy cache, or change how it is one")
    .argument("<project>", "its name")
    .requiredOption("--peer <peer>", "where its content comes from")
    .option("--namespace <name>", "what stands before the repository's name there")
    .option("--allow <pattern...>", "only these names at the peer, such as 'library/*'")
    .option("--fresh-seconds <count>", "how long a tag is believed before the peer is asked again; default 60")
    .option("--missing-seconds <count>", "how long a no of the peer is believed; default 60")
    .option("--mirror-of <host>", "the host whose images containerd asks for with ?ns=")
    .addHelpText(
      "after",
      examples(["mintmark project proxy set hub --peer docker --allow 'library/*'", "official images only"]),
    )
    .action(
      run((context, [project]: readonly [string], options: ProxyOptions) =>
        withClient(context, async ({ client }) => {
          const { peer, namespace, allow, freshSeconds, missingSeconds, mirrorOf } = options;
          const proxy = await client.setProjectProxy(project, {
            peer,
            ...(namespace === undefined ? {} : { namespace }),
            ...(allow === undefined ? {} : { allowed: allow }),
            ...(freshSeconds === undefined ? {} : { freshSeconds: Number(freshSeconds) }),
            ...(missingSeconds === undefined ? {} : { missingSeconds: Number(missingSeconds) }),
            ...(mirrorOf === undefined ? {} : { mirroredHost: mirrorOf }),
          });
          printAnswer(context, proxy, [`${project}/NAME comes from ${peer}`]);
        }),
      ),
    );
}

function defineOthers(command: Command, run: RunAction): void {
  command
    .command("list")
    .summary("list proxy caches")
    .addHelpText("after", examples(["mintmark project proxy list --json", "as JSON"]))
    .action(
      run((context) =>
        withClient(context, async ({ client }) => {
          const list = await client.projectProxies();
          const rows = list.proxies.map((one) => [
            one.project,
            one.peer,
            one.namespace,
            one.allowed.length === 0 ? "all" : one.allowed.join(", "),
            `${one.freshSeconds} s`,
          ]);
          printAnswer(context, list, tableOf(context, ["PROJECT", "PEER", "NAMESPACE", "ALLOWED", "FRESH"], rows));
        }),
      ),
    );
  command
    .command("clients")
    .summary("show the files by which podman, containerd, BuildKit and Docker come to a proxy cache")
    .argument("<project>", "its name")
    .addHelpText("after", examples(["mintmark project proxy clients hub", "a file for each client"]))
    .action(
      run((context, [project]: readonly [string]) =>
        withClient(context, async ({ client }) => {
          const answer = await client.projectProxyClients(project);
          const lines = answer.files.flatMap((file) => [`# ${file.client}: ${file.path}`, file.content]);
          printAnswer(context, answer, lines);
        }),
      ),
    );
  command
    .command("remove")
    .summary("make a proxy cache an ordinary project; what it holds stays")
    .argument("<project>", "its name")
    .addHelpText("after", examples(["mintmark project proxy remove hub", "pushes are taken again"]))
    .action(
      run((context, [project]: readonly [string]) =>
        withClient(context, async ({ client }) => {
          const answer = await client.removeProjectProxy(project);
          printAnswer(context, answer, [answer.removed ? `${project} is an ordinary project` : `${project} was none`]);
        }),
      ),
    );
}
