import { examples, type Define } from "../command.ts";
import { serveWhile } from "../serve-while.ts";

/** `mintmark serve`: the server without a first build, for unattended machines. */
export const define: Define = (command, run) => {
  command
    .addHelpText(
      "after",
      examples(
        ["mintmark serve", "serve until stopped, logging JSON lines"],
        ["mintmark serve --listen 0.0.0.0:5080", "for other machines too; reads then need an account"],
      ),
    )
    .action(
      run(async (context) => {
        const config = await context.loadConfig();
        return await serveWhile(context, config, async ({ url }) => {
          context.terminal.out(context.flags.json === true ? JSON.stringify({ url, dataDir: config.dataDir }) : url);
          if (!context.stopped.aborted)
            await new Promise<void>((resolve) => context.stopped.addEventListener("abort", () => resolve()));
          return 0;
        });
      }),
    );
};
