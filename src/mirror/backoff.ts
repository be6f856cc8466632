import { ageMs, nowMs } from "../base/clock.ts";
import { Failure } from "../base/errors.ts";

/** Keeps requests away from an upstream that fails, longer each time, and lets one through now and then to see. */
interface Backoff {
  /** Runs `work` unless the upstream rests. @throws the Failure that it rests for, or that of `work` */
  run<T>(work: () => Promise<T>): Promise<T>;
}

const firstMs = 5000;
const longestMs = 15 * 60_000;
/** Bad answers in a row after which an upstream rests: one bad document is not a bad upstream. */
const badAnswersMax = 3;

/** Hosts whose state is remembered. */
const hostsMax = 1000;

/** Opens a back-off for each host, by its name. */
export function openBackoffs(): (host: string) => Backoff {
  const known = new Map<string, Backoff>();
  return (host) => {
    const found = known.get(host) ?? openBackoff();
    if (!known.has(host) && known.size >= hostsMax) known.clear();
    known.set(host, found);
    return found;
  };
}

function openBackoff(): Backoff {
  let since = 0;
  let until = 0;
  let failure: Failure | undefined;
  let [pauseMs, nextMs] = [firstMs, firstMs];
  let badAnswers = 0;
  let isProbing = false;

  function rest(because: Failure, askedMs: number | undefined): void {
    failure = because;
    since = nowMs();
    until = since + Math.min(Math.max(askedMs ?? 0, pauseMs), longestMs);
    [pauseMs, nextMs] = [nextMs, Math.min(pauseMs + nextMs, longestMs)];
  }

  function learn(error: unknown): void {
    if (!(error instanceof Failure)) return;
    const seconds = error.details["retryAfterSeconds"];
    if (error.code === "rate_limited" || typeof seconds === "number")
      rest(error, typeof seconds === "number" ? seconds * 1000 : undefined);
    else if (error.code === "upstream_unreachable") {
      badAnswers += 1;
      // Whoever is not reached at all is down.
      const isDown = error.details["status"] === undefined && error.details["hasBegun"] === undefined;
      if (isDown || failure !== undefined || badAnswers >= badAnswersMax) rest(error, undefined);
    }
  }

  return {
    async run(work) {
      // A clock that went back must not make the pause longer.
      const isEarly = ageMs(since) < until - since;
      if (failure !== undefined && (isEarly || isProbing)) throw resting(failure, until);
      const isProbe = failure !== undefined;
      if (isProbe) isProbing = true;
      try {
        const result = await work();
        failure = undefined;
        badAnswers = 0;
        [pauseMs, nextMs] = [firstMs, firstMs];
        return result;
      } catch (error) {
        learn(error);
        throw error;
      } finally {
        if (isProbe) isProbing = false;
      }
    },
  };
}

function resting(failure: Failure, until: number): Failure {
  return new Failure(failure.code, failure.message, {
    details: {
      ...failure.details,
      retryAfterSeconds: Math.max(1, Math.ceil((until - nowMs()) / 1000)),
      isResting: true,
    },
    cause: failure,
  });
}
