import { type IncomingMessage } from "node:http";

/** What a client may take its time with. */
export interface BodyBounds {
  /** No byte for this long ends the request. */
  readonly idleMs: number;
}

/** The client stopped sending in the middle of a body. */
export class SlowBody extends Error {
  override readonly name = "SlowBody";
}

/** The client went away in the middle of a body. */
export class BrokenBody extends Error {
  override readonly name = "BrokenBody";
}

/**
 * The body of a request as it comes, for whoever is through with a chunk when it asks for the next.
 *
 * Its memory is given back then and there: left to the garbage collector, the chunks of a large push cost more time
 * than their hashing.
 *
 * @throws SlowBody, BrokenBody
 */
export async function* bodyChunks(message: IncomingMessage, bounds: BodyBounds): AsyncGenerator<Uint8Array> {
  for await (const chunk of keptChunks(message, bounds)) {
    yield chunk;
    // A small chunk may share its memory with others.
    if (chunk.byteLength === chunk.buffer.byteLength && chunk.buffer instanceof ArrayBuffer) chunk.buffer.transfer(0);
  }
}

/** The body of a request as it comes; nothing is read ahead of the consumer, so that a slow disk slows the client. */
async function* keptChunks(message: IncomingMessage, { idleMs }: BodyBounds): AsyncGenerator<Uint8Array> {
  const chunks = message.iterator({ destroyOnReturn: false }) as AsyncIterator<Uint8Array>;
  let late = (): void => undefined;
  const timer = setTimeout(() => late(), idleMs);
  try {
    for (;;) {
      const { promise, resolve, reject } = Promise.withResolvers<IteratorResult<Uint8Array>>();
      late = () => reject(new SlowBody(`No byte came for ${idleMs} ms`));
      timer.refresh();
      chunks.next().then(resolve, (error: unknown) => reject(new BrokenBody("The client went away", { cause: error })));
      const next = await promise;
      late = () => undefined;
      if (next.done === true) return;
      yield next.value;
    }
  } finally {
    clearTimeout(timer);
  }
}

/** Reads a whole body; `too large` as soon as it passes the limit. @throws SlowBody, BrokenBody */
export async function readBody(
  message: IncomingMessage,
  bounds: BodyBounds & { readonly limitBytes: number },
): Promise<Buffer | "too large"> {
  if (Number(message.headers["content-length"] ?? 0) > bounds.limitBytes) return "too large";
  const chunks: Uint8Array[] = [];
  let sizeBytes = 0;
  for await (const chunk of keptChunks(message, bounds)) {
    sizeBytes += chunk.byteLength;
    if (sizeBytes > bounds.limitBytes) return "too large";
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** Whether a request has a body: one that is announced, or one without a length. */
export function hasBody({ headers }: IncomingMessage): boolean {
  return headers["transfer-encoding"] !== undefined || Number(headers["content-length"] ?? 0) > 0;
}

/** The rest of a body that is read only so that the client gets to see our answer. */
const discardBytes = 16 * 1024 * 1024;
const discardMs = 10_000;

/**
 * Reads away what is left of a body; false where there is too much of it and the connection has to end.
 *
 * A client that is still sending when the connection closes often never sees the answer.
 */
export async function discardBody(message: IncomingMessage, { idleMs }: BodyBounds): Promise<boolean> {
  if (message.complete || message.readableEnded || !hasBody(message)) return true;
  if (message.destroyed || Number(message.headers["content-length"] ?? 0) > discardBytes) return false;
  let rest = discardBytes;
  const overdue = AbortSignal.timeout(discardMs);
  try {
    for await (const chunk of bodyChunks(message, { idleMs: Math.min(idleMs, discardMs) })) {
      rest -= chunk.byteLength;
      if (rest < 0 || overdue.aborted) return false;
    }
    return true;
  } catch {
    return false;
  }
}
