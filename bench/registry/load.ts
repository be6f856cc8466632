import { Agent, request } from "node:http";
import { Readable } from "node:stream";
import { tickMs } from "../../src/base/clock.ts";
import { type Contender, cpuSecondsOf, residentBytesOf } from "./contenders.ts";

/** One request of a load. */
interface Call {
  readonly method: "GET" | "HEAD" | "PUT" | "POST";
  /** Path and query, or a whole address, as `Location` gives it. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Body;
  /** Every other status is a failure of the bench. */
  readonly status: number;
  /** Whether the body is wanted as text; it costs this program time that the server is not to be charged for. */
  readonly wantsText?: boolean;
}

/** Bytes, or a chunk that is sent again and again, after a head that makes the whole unique. */
type Body = Buffer | { readonly head: Buffer; readonly chunk: Buffer; readonly count: number };

/** How a body is answered, without keeping what came. */
interface Answered {
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly bytes: number;
  /** Empty unless it was wanted. */
  readonly text: string;
}

/** A client that keeps its connections. */
export interface LoadClient {
  send(call: Call): Promise<Answered>;
  close(): void;
}

/** Opens a client for at most `width` requests at a time. */
export function openLoadClient(url: string, width: number): LoadClient {
  const agent = new Agent({ keepAlive: true, maxSockets: width });
  return {
    send: async (call) => await sendCall(new URL(call.path, url), call, agent),
    close: () => agent.destroy(),
  };
}

async function sendCall(url: URL, call: Call, agent: Agent): Promise<Answered> {
  const { method, headers, body, status, wantsText = false } = call;
  const { promise, resolve, reject } = Promise.withResolvers<Answered>();
  const length = lengthOf(body);
  const sent = request(
    url,
    { method, agent, headers: { ...headers, ...(body === undefined ? {} : { "content-length": String(length) }) } },
    (answer) => {
      let bytes = 0;
      const kept: Buffer[] = [];
      answer.on("data", (chunk: Buffer) => {
        bytes += chunk.length;
        if (wantsText || answer.statusCode !== status) kept.push(chunk);
      });
      answer.on("error", reject);
      answer.on("end", () => {
        const text = Buffer.concat(kept).toString("utf8");
        if (answer.statusCode === status) resolve({ headers: answer.headers, bytes, text });
        else
          reject(
            new Error(`${method} ${url.pathname}: ${answer.statusCode} instead of ${status}: ${text.slice(0, 300)}`),
          );
      });
    },
  );
  sent.on("error", reject);
  if (body === undefined || Buffer.isBuffer(body)) sent.end(body);
  else Readable.from(chunksOf(body)).pipe(sent);
  return await promise;
}

function lengthOf(body: Body | undefined): number {
  if (body === undefined) return 0;
  return Buffer.isBuffer(body) ? body.length : body.head.length + body.chunk.length * body.count;
}

/** The pieces of a body, in their order. */
export function* chunksOf(body: Body): Generator<Buffer> {
  if (Buffer.isBuffer(body)) return yield body;
  yield body.head;
  for (let index = 0; index < body.count; index++) yield body.chunk;
  return undefined;
}

/** What a load cost, by the clock, by the server's CPU and by its memory. */
export interface LoadResult {
  readonly count: number;
  readonly seconds: number;
  readonly bytes: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly cpuMsPerTask: number;
  readonly peakBytes: number;
}

/** What is done again and again: returns the bytes that it moved. */
export type Task = (index: number) => Promise<number>;

interface Load {
  readonly contender: Contender;
  readonly task: Task;
  readonly count: number;
  readonly width: number;
}

/** Does `count` tasks, `width` at a time, and measures each and the server. */
export async function runLoad({ contender, task, count, width }: Load): Promise<LoadResult> {
  const { pid } = contender;
  const latencies: number[] = [];
  let bytes = 0;
  let next = 0;
  let peakBytes = residentBytesOf(pid);
  const sampler = setInterval(() => (peakBytes = Math.max(peakBytes, residentBytesOf(pid))), 20);
  const cpuBefore = cpuSecondsOf(pid);
  const start = tickMs();
  const lane = async (): Promise<void> => {
    while (next < count) {
      const index = next++;
      const begin = tickMs();
      const moved = await task(index);
      bytes += moved;
      latencies.push(tickMs() - begin);
    }
  };
  try {
    await Promise.all(Array.from({ length: width }, lane));
  } finally {
    clearInterval(sampler);
  }
  const seconds = (tickMs() - start) / 1000;
  const sorted = latencies.toSorted((a, b) => a - b);
  const quantile = (share: number): number => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]!;
  return {
    count,
    seconds,
    bytes,
    p50Ms: quantile(0.5),
    p99Ms: quantile(0.99),
    cpuMsPerTask: ((cpuSecondsOf(pid) - cpuBefore) * 1000) / count,
    peakBytes,
  };
}
