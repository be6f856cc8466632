import { messageOf } from "../../base/errors.ts";
import { ageMs, nowMs } from "../../base/clock.ts";
import type { MirrorRepository } from "../contract.ts";

/** Whether a repository can bring something new, in a word and a sentence. */
export interface MirrorHealth {
  readonly state: "well" | "offline" | "unreachable";
  readonly reason: string;
}

/** Asks upstreams whether they answer, not more often than every half a minute each. */
export interface HealthWatch {
  of(repository: MirrorRepository): Promise<MirrorHealth>;
}

const keptMs = 30_000;
const patienceMs = 4000;

/** Opens a watch; `isOffline` says that no upstream may be asked at all. */
export function openHealthWatch({ isOffline }: { readonly isOffline: boolean }): HealthWatch {
  const known = new Map<string, { readonly at: number; readonly health: Promise<MirrorHealth> }>();
  return {
    async of({ kind, upstream, isOffline: isOff }) {
      if (kind === "hosted") return { state: "well", reason: "holds what is published here" };
      if (kind === "group") return { state: "well", reason: "answers with what its members have" };
      if (isOffline || isOff) return { state: "offline", reason: "gives out what is here, and asks no upstream" };
      if (upstream === undefined) return { state: "well", reason: "fetches from the hosts that it may" };
      const before = known.get(upstream);
      if (before !== undefined && ageMs(before.at) < keptMs) return await before.health;
      const health = knock(upstream);
      known.set(upstream, { at: nowMs(), health });
      return await health;
    },
  };
}

/** Any answer below 500 is one: what stands at the root, and who may read it, differs from server to server. */
async function knock(address: string): Promise<MirrorHealth> {
  try {
    const answer = await fetch(address, {
      method: "HEAD",
      redirect: "manual",
      signal: AbortSignal.timeout(patienceMs),
    });
    await answer.body?.cancel();
    return answer.status < 500
      ? { state: "well", reason: "its upstream answers" }
      : { state: "unreachable", reason: `its upstream answers ${answer.status}` };
  } catch (error) {
    const cause = error instanceof Error && error.cause !== undefined ? error.cause : error;
    return { state: "unreachable", reason: `its upstream does not answer: ${messageOf(cause)}` };
  }
}
