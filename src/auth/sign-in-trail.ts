import { nowMs } from "../base/clock.ts";
import { addAuditEvent } from "../store/event-records.ts";
import { type Store } from "../store/store.ts";

/** Puts sign-ins into the audit trail. */
export interface SignInTrail {
  /** Records a failure; a bounded number a minute, and the next one after that says how many were left out. */
  failed(failure: {
    /** Undefined where there is no such account: what was sent as a name may be somebody's password. */
    readonly account: string | undefined;
    readonly address: string;
    readonly failures: number;
  }): Promise<void>;
  /** Records a success; once an hour for each account, address and method, since clients sign in all the time. */
  succeeded(success: {
    readonly account: string;
    readonly address: string;
    readonly method: "password" | "directory" | "personal token";
  }): Promise<void>;
}

const failureWindowMs = 60_000;
const failuresPerWindow = 30;
const successQuietMs = 60 * 60_000;
const successCount = 10_000;

/** Opens a trail with a bounded memory of its own. */
export function openSignInTrail(store: Store): SignInTrail {
  let windowStartMs = -Infinity;
  let reported = 0;
  let leftOut = 0;
  const recent = new Map<string, number>();
  return {
    async failed({ account = "unknown", address, failures }) {
      if (nowMs() - windowStartMs >= failureWindowMs) {
        windowStartMs = nowMs();
        reported = 0;
      }
      if (reported >= failuresPerWindow) {
        leftOut += 1;
        return;
      }
      reported += 1;
      const details = { failures, leftOut };
      leftOut = 0;
      await addAuditEvent(store.db, { actor: account, action: "sign-in.failed", subject: account, address, details });
    },
    async succeeded({ account, address, method }) {
      const key = JSON.stringify([account, address, method]);
      if (nowMs() - (recent.get(key) ?? -Infinity) < successQuietMs) return;
      recent.delete(key);
      recent.set(key, nowMs());
      const oldest = recent.size > successCount ? recent.keys().next() : undefined;
      if (oldest?.done === false) recent.delete(oldest.value);
      const details = { method };
      await addAuditEvent(store.db, {
        actor: account,
        action: "sign-in.succeeded",
        subject: account,
        address,
        details,
      });
    },
  };
}
