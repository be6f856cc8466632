import { sleep } from "../base/clock.ts";
import { Failure } from "../base/errors.ts";
import type { ApiRequest, ApiResponse } from "./transport.ts";

interface Following {
  readonly ask: (request: ApiRequest) => Promise<ApiResponse>;
  /** `/api/v1/builds/ID`, below which its log is. */
  readonly path: string;
  /** The last event that the caller has. */
  readonly after?: number;
  readonly signal?: AbortSignal;
}

/** An event of a log; they count from 1 without gaps. */
interface Numbered {
  readonly sequence: number;
}

/** A line of the log: one event. */
const lineChars = 1024 * 1024;
/** Connections that brought nothing new, one after the other, before it gives up. */
const fruitlessMax = 8;

/** The events of a build or job in order, each once, until it ends; a broken connection is taken up where it broke. */
export async function* follow<Event extends Numbered>({
  ask,
  path,
  after = 0,
  signal,
}: Following): AsyncGenerator<Event> {
  const abort = signal === undefined ? {} : { signal };
  let last = after;
  for (let fruitless = 0; ;) {
    let broken: unknown;
    try {
      const { body } = await ask({
        method: "GET",
        path: `${path}/log?after=${last}`,
        accept: "application/x-ndjson",
        ...abort,
      });
      for await (const event of eventsOf<Event>(body)) {
        if (event.sequence <= last) continue;
        last = event.sequence;
        fruitless = 0;
        yield event;
      }
      if (await hasEnded(ask, path)) return;
    } catch (error) {
      // A refusal is an answer; only what happens to the connection is worth another try.
      if (error instanceof Failure && error.code !== "upstream_unreachable" && error.code !== "rate_limited")
        throw error;
      broken = error;
    }
    if (signal?.aborted === true) throw new Failure("cancelled", `Stopped following "${path}" on request`);
    if (++fruitless > fruitlessMax)
      throw new Failure("upstream_unreachable", `Cannot follow "${path}": the connection ends again and again`, {
        cause: broken,
      });
    await sleep(Math.min(250 * 2 ** fruitless, 5000), signal);
  }
}

async function hasEnded(ask: Following["ask"], path: string): Promise<boolean> {
  const { body } = await ask({ method: "GET", path });
  const chunks: Uint8Array[] = [];
  for await (const chunk of body) chunks.push(chunk);
  const { state } = JSON.parse(Buffer.concat(chunks).toString("utf8")) as { readonly state: string };
  return state === "succeeded" || state === "failed" || state === "cancelled";
}

async function* eventsOf<Event>(body: AsyncIterable<Uint8Array>): AsyncGenerator<Event> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of body) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = lines.pop()!;
    if (rest.length > lineChars) throw new Failure("too_large", "Cannot read the log: one line is larger than 1 MiB");
    // Empty lines are signs of life; what stands after the last line end was cut off.
    for (const line of lines) if (line !== "") yield JSON.parse(line) as Event;
  }
}
