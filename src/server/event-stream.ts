import { Readable } from "node:stream";
import type { FastifyReply, FastifyRequest } from "fastify";
import { z } from "zod";
import { sleep } from "../base/clock.ts";
import { Failure, toFailure } from "../base/errors.ts";
import type { ApiContext } from "./api-app.ts";
import { bounds } from "./bounds.ts";
import { problemOf } from "./problem.ts";
import { problemSchema } from "./schemas.ts";

/** An event with its number, from 1 without gaps. */
interface Numbered {
  readonly sequence: number;
}

interface StreamRequest {
  readonly context: ApiContext;
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
  /** The events after the last one that the client has seen, until the signal fires. */
  readonly watch: (after: number, signal: AbortSignal) => AsyncIterable<Numbered>;
}

/** What a route that sends events says of itself; `event` is the schema of one. */
export function eventSchemas<Event extends z.ZodType>(event: Event) {
  return {
    description:
      "Server-sent events where Accept asks for text/event-stream, else one JSON object a line. Goes on after the event named by ?after= or Last-Event-ID.",
    querystring: z.object({ after: z.coerce.number().int().min(0).optional() }),
    response: {
      200: {
        description: "The events",
        content: { "application/x-ndjson": { schema: event }, "text/event-stream": { schema: event } },
      },
      404: problemSchema,
    },
  };
}

/**
 * Streams the events of a build or job, after `?after=` or Last-Event-ID, as server-sent events or as lines of JSON.
 *
 * Events are read only as fast as the client takes them, so a slow one costs no memory; one that takes nothing
 * for `bounds.idleMs` is cut off and may go on later with its last sequence number.
 */
export async function sendEvents({ context, request, reply, watch }: StreamRequest): Promise<FastifyReply> {
  const { streams } = context.metrics;
  if ((await streams.get()).values[0]!.value >= bounds.streams)
    throw new Failure("rate_limited", `Cannot follow that: ${bounds.streams} readers follow builds and jobs already`);
  const isEventStream = (request.headers.accept ?? "").includes("text/event-stream");
  const gone = new AbortController();
  const signal = AbortSignal.any([gone.signal, context.stopping]);
  const events = watch(lastSeen(request), signal);
  const stream = Readable.from(isEventStream ? eventStream(events, signal) : jsonLines(events, signal), {
    objectMode: false,
    highWaterMark: 64 * 1024,
  });
  streams.inc();
  // The connection tells that a reader has left; the stream may be waiting for an event and would not notice.
  reply.raw.once("close", () => {
    streams.dec();
    gone.abort();
    stream.destroy();
  });
  return reply
    .header("cache-control", "no-store")
    .header("x-accel-buffering", "no")
    .type(isEventStream ? "text/event-stream; charset=utf-8" : "application/x-ndjson")
    .serializer((payload: unknown) => payload as string)
    .send(stream);
}

/** The number of the last event that the client has; 0 where it has none. */
function lastSeen(request: FastifyRequest): number {
  const { after } = request.query as { readonly after?: number };
  const last = Number(request.headers["last-event-id"] ?? Number.NaN);
  return after ?? (Number.isSafeInteger(last) && last >= 0 ? last : 0);
}

/** Source: HTML Living Standard, "Server-sent events". The last event is named `end`. */
async function* eventStream(events: AsyncIterable<Numbered>, signal: AbortSignal): AsyncGenerator<string> {
  yield "retry: 2000\n\n";
  try {
    for await (const next of withHeartbeat(events, signal))
      yield next === undefined ? ": still here\n\n" : `id: ${next.sequence}\ndata: ${JSON.stringify(next)}\n\n`;
    yield signal.aborted ? "event: stopping\ndata: {}\n\n" : "event: end\ndata: {}\n\n";
  } catch (error) {
    yield `event: problem\ndata: ${JSON.stringify(problemOf(toFailure(error)))}\n\n`;
  }
}

/** An empty line is a sign of life, and the first one sends the headers off; a failure cuts the stream, so that nobody takes it for the end. */
async function* jsonLines(events: AsyncIterable<Numbered>, signal: AbortSignal): AsyncGenerator<string> {
  yield "\n";
  for await (const next of withHeartbeat(events, signal)) yield next === undefined ? "\n" : `${JSON.stringify(next)}\n`;
}

/** The items, and undefined whenever none came for a while. */
async function* withHeartbeat(
  events: AsyncIterable<Numbered>,
  signal: AbortSignal,
): AsyncGenerator<Numbered | undefined> {
  const iterator = events[Symbol.asyncIterator]();
  try {
    let pending = iterator.next();
    while (true) {
      const beat = new AbortController();
      const first = await Promise.race([pending, sleep(bounds.heartbeatMs, AbortSignal.any([beat.signal, signal]))]);
      beat.abort();
      if (first === undefined) {
        if (signal.aborted) return;
        yield undefined;
        continue;
      }
      if (first.done === true) return;
      yield first.value;
      pending = iterator.next();
    }
  } finally {
    // Not awaited: a source that hangs must not hang its reader.
    void iterator.return?.();
  }
}
