import { resolve } from "node:path";
import { examples, type Define } from "../command.ts";
import { openJobView } from "../run-job.ts";
import { showBytes } from "../output/amounts.ts";
import { commandLog } from "../session.ts";

/** `mintmark restore FOLDER`: a new data folder, of which every byte was proven. */
export const define: Define = (command, run) => {
  command
    .argument("<folder>", "where the backups are")
    .option("--backup <id>", "which one; the newest by default")
    .addHelpText(
      "after",
      `${examples(
        ["mintmark restore /srv/backup --data /srv/mintmark", "the newest backup, into a new or empty folder"],
        ["mintmark restore /srv/backup --backup 20261121T023000000Z", "an older one"],
      )}\nNothing stands under the data folder's name before every digest was proven.\n`,
    )
    .action(
      run(async (context, [folder]: readonly [string], { backup: id }: { readonly backup?: string }) => {
        const { terminal, flags } = context;
        const config = await context.loadConfig();
        const { restoreDataFolder } = await import("../../pipeline/pipeline.ts");
        const view = openJobView(context);
        try {
          const backup = await restoreDataFolder({
            folder: resolve(folder),
            id,
            dataDir: config.dataDir,
            actor: "command line",
            log: commandLog(config),
            signal: context.stopped,
            onProgress: (event) => view.show(event),
          });
          view.close();
          if (flags.json === true) terminal.out(JSON.stringify({ id: backup.id, dataDir: config.dataDir }));
          else
            terminal.out(
              `restored ${backup.id} into ${config.dataDir}: ${backup.blobs.count} blobs, ${showBytes(backup.blobs.sizeBytes)}, every digest proven`,
            );
        } finally {
          view.close();
        }
      }),
    );
};
