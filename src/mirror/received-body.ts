import { Failure } from "../base/errors.ts";
import type { BlobStore } from "../store/blobs.ts";

/** What a client has sent, all of it. */
interface ReceivedBody extends AsyncDisposable {
  /** Reads it from the first byte; as often as it is called. */
  read(): AsyncIterable<Uint8Array>;
}

/** How a body is received. */
interface Reception {
  readonly blobs: BlobStore;
  /** Of what is too large for memory. */
  readonly limitBytes: number;
}

/** Bodies up to here stay in memory; most packages do. */
const memoryBytes = 4 * 1024 * 1024;

/**
 * Waits for a whole body, before anybody has to wait for what is done with it: a client may be slow, or fall silent.
 *
 * @throws Failure `too_large`, `disk_full`, and what the body throws
 */
export async function receiveBody(body: AsyncIterable<Uint8Array>, reception: Reception): Promise<ReceivedBody> {
  const { blobs, limitBytes } = reception;
  const { uploads } = blobs;
  const source = body[Symbol.asyncIterator]();
  const first: Uint8Array[] = [];
  let sizeBytes = 0;
  for (;;) {
    const { done, value } = await source.next();
    if (done === true) return inMemory(first);
    first.push(value);
    sizeBytes += value.byteLength;
    if (sizeBytes > memoryBytes) break;
  }
  const upload = await uploads.create();
  const drop = async (): Promise<void> => void (await uploads.abort(upload));
  try {
    const all = async function* (): AsyncGenerator<Uint8Array> {
      yield* first;
      yield* { [Symbol.asyncIterator]: () => source };
    };
    const end = (await uploads.append(upload, all(), limitBytes)) - 1;
    return {
      async *read() {
        for await (const chunk of await uploads.open(upload, { start: 0, end })) yield chunk as Buffer;
      },
      [Symbol.asyncDispose]: drop,
    };
  } catch (error) {
    await drop().catch(() => undefined);
    throw error;
  }
}

function inMemory(chunks: readonly Uint8Array[]): ReceivedBody {
  return {
    async *read() {
      yield* chunks;
    },
    [Symbol.asyncDispose]: async () => undefined,
  };
}

/** A body that fails where its client is silent for too long; Failure `deadline_exceeded`. */
export async function* watched(body: AsyncIterable<Uint8Array>, idleMs: number): AsyncGenerator<Uint8Array> {
  const source = body[Symbol.asyncIterator]();
  let isSilent = false;
  try {
    for (;;) {
      const { promise: silence, reject } = Promise.withResolvers<never>();
      const timer = setTimeout(() => {
        isSilent = true;
        const seconds = Math.ceil(idleMs / 1000);
        reject(new Failure("deadline_exceeded", `Cannot take what is sent: no byte of it came for ${seconds} s`));
      }, idleMs);
      try {
        const { done, value } = await Promise.race([source.next(), silence]);
        if (done === true) return;
        yield value;
      } finally {
        clearTimeout(timer);
      }
    }
  } finally {
    // A silent source would not come to its end to be asked for it.
    const ending = source.return?.();
    if (!isSilent) await ending;
    else ending?.catch(() => undefined);
  }
}
