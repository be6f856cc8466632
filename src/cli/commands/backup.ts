import { resolve } from "node:path";
import { errorCodes } from "../../base/error-codes.ts";
import { Failure } from "../../base/errors.ts";
import { examples, type CommandContext, type Define, type RunAction } from "../command.ts";
import { showBytes } from "../output/amounts.ts";
import { tableLines } from "../output/table.ts";
import { runJob } from "../run-job.ts";
import { withClient } from "../session.ts";
import type { Command } from "commander";

interface CreateOptions {
  readonly keep?: string;
  /** False with `--no-keys`. */
  readonly keys: boolean;
}

/** What the backup job gives; see `Backup` of the store. */
interface MadeBackup {
  readonly id: string;
  readonly blobs: { readonly count: number; readonly sizeBytes: number; readonly addedBytes: number };
  readonly damaged: readonly string[];
}

interface ProvenBackup {
  readonly id: string;
  readonly blobCount: number;
  readonly broken: readonly string[];
}

/** `mintmark backup create | list | verify`. */
export const define: Define = (command, run) => {
  command.addHelpText(
    "after",
    examples(
      ["mintmark backup create /srv/backup", "database, blobs and keys, while the server runs"],
      ["mintmark backup create /srv/backup --keep 14", "drop what is older than the newest fourteen"],
      ["mintmark backup verify /srv/backup", "hash every byte of the newest one"],
    ),
  );
  command
    .command("create", { isDefault: true })
    .summary("make a backup; only what is new is copied")
    .argument("<folder>", "a folder of the server's machine, best on another disk")
    .option("--keep <count>", "how many backups the folder keeps")
    .option("--no-keys", "leave out signing keys and the administrator's password file")
    .addHelpText("after", examples(["mintmark backup create /srv/backup", "make one"]))
    .action(
      run((context, [folder]: readonly [string], options: CreateOptions) =>
        withClient(context, async ({ client }) => {
          const keepCount = options.keep === undefined ? undefined : countOf(options.keep);
          const { id } = await client.startBackup({
            folder: resolve(folder),
            withKeys: options.keys,
            ...(keepCount === undefined ? {} : { keepCount }),
          });
          return printMade(
            context,
            (await runJob(context, client, id, { onInterrupt: "cancel" })).output as MadeBackup,
          );
        }),
      ),
    );
  defineList(command, run);
  defineVerify(command, run);
};

function countOf(text: string): number {
  const count = Number(text);
  if (Number.isSafeInteger(count) && count >= 1) return count;
  throw new Failure("usage", `Cannot keep "${text}" backups: it is not a count of at least 1`);
}

function printMade({ terminal, flags }: CommandContext, { id, blobs, damaged }: MadeBackup): number {
  if (flags.json === true) terminal.out(JSON.stringify({ id, blobs, damaged }, null, 2));
  else
    terminal.out(
      `${id}: ${blobs.count} blobs, ${showBytes(blobs.sizeBytes)}; ${showBytes(blobs.addedBytes)} of them were new here`,
    );
  if (damaged.length === 0) return 0;
  terminal.err(
    `${terminal.paint.bad("damaged in the store, not copied:")} ${damaged.join(", ")}\nLook at them with \`mintmark scrub\`\n`,
  );
  return errorCodes.digest_mismatch.exit;
}

function defineList(command: Command, run: RunAction): void {
  command
    .command("list")
    .summary("list the backups of a folder")
    .argument("<folder>", "where they are")
    .addHelpText("after", examples(["mintmark backup list /srv/backup", "newest first"]))
    .action(
      run((context, [folder]: readonly [string]) =>
        withClient(context, async ({ client }) => {
          const { terminal, flags } = context;
          const list = await client.backups(resolve(folder));
          if (flags.json === true) return terminal.out(JSON.stringify(list, null, 2));
          const rows = list.backups.map(({ id, madeAt, blobs, damaged }) => [
            id,
            madeAt,
            String(blobs.count),
            showBytes(blobs.sizeBytes),
            showBytes(blobs.addedBytes),
            damaged.length === 0 ? "whole" : `${damaged.length} damaged`,
          ]);
          terminal.out(tableLines(["ID", "MADE", "BLOBS", "SIZE", "NEW", "STATE"], rows, terminal.paint).join("\n"));
        }),
      ),
    );
}

function defineVerify(command: Command, run: RunAction): void {
  command
    .command("verify")
    .summary("hash every byte of a backup")
    .argument("<folder>", "where it is")
    .argument("[id]", "which one; the newest by default")
    .addHelpText("after", examples(["mintmark backup verify /srv/backup", "exit code 5 where something is broken"]))
    .action(
      run((context, [folder, backup]: readonly [string, string?]) =>
        withClient(context, async ({ client }) => {
          const { terminal, flags } = context;
          const place = { folder: resolve(folder), ...(backup === undefined ? {} : { id: backup }) };
          const { id } = await client.proveBackup(place);
          const proof = (await runJob(context, client, id, { onInterrupt: "cancel" })).output as ProvenBackup;
          if (flags.json === true) terminal.out(JSON.stringify(proof, null, 2));
          else if (proof.broken.length === 0) terminal.out(`${proof.id}: ${proof.blobCount} blobs, all whole`);
          else terminal.out(`${proof.id}: broken are ${proof.broken.join(", ")}`);
          return proof.broken.length === 0 ? 0 : errorCodes.digest_mismatch.exit;
        }),
      ),
    );
}
