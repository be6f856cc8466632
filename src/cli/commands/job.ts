import { Option, type Command } from "commander";
import { examples, type Define, type RunAction } from "../command.ts";
import { tableLines } from "../output/table.ts";
import { runJob } from "../run-job.ts";
import { withClient } from "../session.ts";

/** `mintmark job list | show | watch | cancel | retry`. */
export const define: Define = (command, run) => {
  command.addHelpText(
    "after",
    examples(
      ["mintmark job list --state failed", "what needs a look"],
      ["mintmark job retry ID", "begin it again; finished steps stay finished"],
    ),
  );
  defineList(command, run);
  command
    .command("show")
    .summary("show one job as JSON")
    .argument("<id>", "the job")
    .addHelpText("after", examples(["mintmark job show ID", "its state, result and failure"]))
    .action(
      run((context, [id]: readonly [string]) =>
        withClient(context, async ({ client }) => context.terminal.out(JSON.stringify(await client.job(id), null, 2))),
      ),
    );
  command
    .command("watch")
    .summary("follow a job until it ends")
    .argument("<id>", "the job")
    .addHelpText("after", examples(["mintmark job watch ID", "an interrupt ends the watching, not the job"]))
    .action(
      run((context, [id]: readonly [string]) =>
        withClient(context, async ({ client }) => {
          const job = await runJob(context, client, id);
          context.terminal.out(JSON.stringify(job.output ?? null, null, 2));
        }),
      ),
    );
  defineChanges(command, run);
};

function defineList(command: Command, run: RunAction): void {
  const states = ["queued", "running", "succeeded", "failed", "cancelled"];
  command
    .command("list")
    .summary("list the newest jobs")
    .option("--kind <kind>", "only jobs of a kind, such as build or collection")
    .addOption(new Option("--state <state>", "only jobs in a state").choices(states))
    .addHelpText("after", examples(["mintmark job list --kind collection", "past and present collections"]))
    .action(
      run((context, _args, { kind, state }: { readonly kind?: string; readonly state?: string }) =>
        withClient(context, async ({ client }) => {
          const { terminal, flags } = context;
          const filter = { ...(kind === undefined ? {} : { kind }), ...(state === undefined ? {} : { state }) };
          const list = await client.jobs(filter);
          if (flags.json === true) return terminal.out(JSON.stringify(list, null, 2));
          const rows = list.jobs.map((job) => [
            job.id,
            job.kind,
            job.state,
            job.createdAt,
            job.failure?.message ?? job.project ?? "",
          ]);
          terminal.out(tableLines(["ID", "KIND", "STATE", "MADE", "ABOUT"], rows, terminal.paint).join("\n"));
        }),
      ),
    );
}

function defineChanges(command: Command, run: RunAction): void {
  command
    .command("cancel")
    .summary("stop a job")
    .argument("<id>", "the job")
    .addHelpText("after", examples(["mintmark job cancel ID", "queued ones at once, running ones soon"]))
    .action(
      run((context, [id]: readonly [string]) =>
        withClient(context, async ({ client }) => {
          const { stopped } = await client.cancelJob(id);
          if (context.flags.json === true) context.terminal.out(JSON.stringify({ stopped }));
          else context.terminal.out(stopped ? `stopped ${id}` : `${id} had ended already`);
        }),
      ),
    );
  command
    .command("retry")
    .summary("begin a failed or cancelled job again")
    .argument("<id>", "the job")
    .addHelpText("after", examples(["mintmark job retry ID", "finished steps stay finished"]))
    .action(
      run((context, [id]: readonly [string]) =>
        withClient(context, async ({ client }) => {
          const { revived } = await client.retryJob(id);
          if (context.flags.json === true) context.terminal.out(JSON.stringify({ revived }));
          else context.terminal.out(revived ? `queued ${id} again` : `${id} is neither failed nor cancelled`);
        }),
      ),
    );
}
