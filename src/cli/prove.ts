import { sleep, tickMs } from "../base/clock.ts";
import { Failure } from "../base/errors.ts";
import type { Image } from "../client/api-types.ts";
import type { Client } from "../client/client.ts";
import type { CommandContext } from "./command.ts";
import { showDuration } from "./output/amounts.ts";
import { clearLine } from "./output/progress.ts";

const pollMs = 500;

/**
 * Waits for the clean rebuild of an image that was just built, and returns the image with the outcome.
 *
 * @throws Failure `conflict` where the rebuild itself failed, `cancelled`
 */
export async function proved(context: CommandContext, client: Client, image: Image): Promise<Image> {
  const { terminal, flags, stopped } = context;
  const begun = tickMs();
  const isShown = flags.quiet !== true;
  const what = "prove: building once more from the lock alone";
  if (isShown && !terminal.isLive) terminal.err(`${what}\n`);
  try {
    for (;;) {
      const { jobs } = await client.jobs({ kind: "proof" });
      const now = await client.image(image.digest);
      if (now.reproduced !== "pending") return now;
      const isUnderWay = jobs.some(({ state }) => state === "queued" || state === "running");
      if (!isUnderWay) throw failed(image, jobs[0]?.failure?.message);
      if (isShown && terminal.isLive) terminal.err(`${clearLine}  ${what}  ${showDuration(tickMs() - begun)}`);
      await sleep(pollMs, stopped);
    }
  } finally {
    if (isShown && terminal.isLive) terminal.err(clearLine);
  }
}

function failed({ repository }: Image, reason = "it ended without an outcome"): Failure {
  return new Failure("conflict", `Cannot prove "${repository}": the clean rebuild failed: ${reason}`, {
    hint: "The image itself stands; `mintmark job list` shows the rebuild",
  });
}
