import { openSyslogSender, purgeOldEvents, sealChain } from "../auth/auth.ts";
import type { Log } from "../base/log.ts";
import type { Config } from "../config/config.ts";
import type { Factory } from "../pipeline/factory.ts";
import { forgetEventCursor } from "../store/event-cursor-records.ts";

/** What goes on with the audit log while the server stands. */
interface AuditCare {
  close(): Promise<void>;
}

const syslogFollower = "audit.syslog";

/** Once a day, when little else is done. */
const careCron = "20 3 * * *";

interface AuditCareOptions {
  readonly factory: Factory;
  readonly config: Config;
  readonly log: Log;
}

/** Forwards events to syslog where that is configured; signs the chain and purges what is too old once a day. */
export async function openAuditCare({ factory, config, log }: AuditCareOptions): Promise<AuditCare> {
  const { store, queue, schedules, keys } = factory;
  const { retainDays, syslog } = config.audit;
  queue.define("audit", 1, async () => {
    const purgedCount = await purgeOldEvents(store, retainDays);
    await sealChain(store, keys.evidence);
    return { purgedCount };
  });
  await schedules.set({
    name: "audit",
    cron: careCron,
    start: async () => void (await queue.enqueue({ name: "audit", input: {}, dedupeKey: "audit" })),
  });
  if (syslog === undefined) {
    await forgetEventCursor(store.db, syslogFollower);
    return { close: async () => undefined };
  }
  const sender = openSyslogSender(syslog);
  const follower = await factory.followEvents({ name: syslogFollower, handle: sender.send });
  log.info({ receiver: `${syslog.transport}://${syslog.host}:${syslog.port}` }, "forwarding the audit log");
  return {
    async close() {
      await follower.close();
      await sender.close();
    },
  };
}
