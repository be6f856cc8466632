import { isoSeconds } from "../../base/clock.ts";
import type { ScanRecord } from "../../store/admission-records.ts";

/** Why there is no verdict on an image, as a clause, with what to do about it. */
export function waitingText(scan: ScanRecord, repository: string): string {
  const { state, reason = "for no reason that was told" } = scan;
  const again = `scan it again with \`mintmark scan ${repository}@${scan.digest} --now\``;
  switch (state) {
    case "queued":
      return scan.attempts === 0
        ? `no verdict yet: its scan was queued at ${isoSeconds(scan.queuedAt)}; pull again in a moment`
        : `no verdict yet: its scan failed (${reason}) and is tried again by itself`;
    case "running":
      return `no verdict yet: its scan began at ${isoSeconds(scan.startedAt ?? scan.queuedAt)}; pull again in a moment`;
    case "failed":
      return `no verdict: its scan failed (${reason}); ${again}`;
    case "unscannable":
    case "none":
      return reason.startsWith("unsupported") ? `no verdict: ${reason}` : `no verdict: it cannot be scanned: ${reason}`;
    case "done":
      return `no verdict: its package list is gone; ${again}`;
  }
}
