import type { SecretBox } from "../base/secret-box.ts";
import { openWebhooks, type Webhooks } from "../registry/registry.ts";
import type { Ground } from "./features.ts";

/** Once a day, when little else is done. */
const pruneCron = "40 3 * * *";

/** Opens the webhooks of a data folder; a standing process sends messages and prunes their log. */
export async function openHooks(
  { store, queue, schedules, config, log, isStanding }: Ground,
  box: SecretBox,
): Promise<Webhooks> {
  const webhooks = await openWebhooks({
    store,
    log,
    box,
    allow: config.webhooks,
    source: config.publicUrl ?? "/mintmark",
    isStanding,
  });
  queue.define("webhook-log", 1, async () => ({ forgottenCount: await webhooks.prune() }));
  if (isStanding)
    await schedules.set({
      name: "webhook-log",
      cron: pruneCron,
      start: async () => void (await queue.enqueue({ name: "webhook-log", input: {}, dedupeKey: "webhook-log" })),
    });
  return webhooks;
}
