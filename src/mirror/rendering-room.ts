import { Worker } from "node:worker_threads";
import { Failure } from "../base/errors.ts";
import { type ErrorCodeName } from "../base/error-codes.ts";
import { type Format } from "./format.ts";
import { formats } from "./formats.ts";
import { doRenderingTask, type RenderingResult, type RenderingTask } from "./rendering-work.ts";

/** Where documents are worked on: small ones on the spot, large ones in a thread of their own. */
export interface RenderingRoom {
  /** @throws Failure of the format; `internal` where the thread died of the document */
  work(format: Format, task: RenderingTask, sizeBytes: number): Promise<RenderingResult>;
  close(): Promise<void>;
}

/** Documents above this stop the event loop for too long. */
const largeBytes = 1024 * 1024;
/** A thread that has nothing to do gives its memory back. */
const idleMs = 30_000;
const heapMegabytes = 2048;

const program = new URL(
  import.meta.url.endsWith(".ts") ? "./rendering-worker.ts" : "./mirror-worker.js",
  import.meta.url,
);

/** Opens the room; its thread starts with the first large document. */
export function openRenderingRoom(): RenderingRoom {
  let worker: RunningWorker | undefined;
  let idle: NodeJS.Timeout | undefined;

  async function elsewhere(format: Format, task: RenderingTask): Promise<RenderingResult> {
    clearTimeout(idle);
    worker = worker?.isDead === false ? worker : new RunningWorker();
    const mine = worker;
    try {
      return await mine.ask(format, task);
    } finally {
      if (mine.isIdle)
        idle = setTimeout(() => {
          if (worker === mine) worker = undefined;
          void mine.end();
        }, idleMs).unref();
    }
  }

  return {
    async work(format, task, sizeBytes) {
      // A format that is not in the table, as in a test, is known to this thread only.
      const isKnown = formats.has(format.name) && format.configured === formats.get(format.name)?.configured;
      if (sizeBytes <= largeBytes || !isKnown) return await doRenderingTask(format, task);
      return await elsewhere(format, task);
    },
    async close() {
      clearTimeout(idle);
      await worker?.end();
    },
  };
}

type Reply =
  | { readonly id: number; readonly result: RenderingResult }
  | { readonly id: number; readonly failure: { readonly code: ErrorCodeName; readonly message: string } };

class RunningWorker {
  readonly #worker = new Worker(program, { resourceLimits: { maxOldGenerationSizeMb: heapMegabytes } });
  readonly #waiting = new Map<number, PromiseWithResolvers<RenderingResult>>();
  #count = 0;
  #isDead = false;

  constructor() {
    this.#worker.unref();
    this.#worker.on("message", (reply: Reply) => {
      const waiting = this.#waiting.get(reply.id);
      this.#waiting.delete(reply.id);
      if ("result" in reply) waiting?.resolve(reply.result);
      else waiting?.reject(new Failure(reply.failure.code, reply.failure.message));
    });
    const die = (cause: unknown): void => {
      this.#isDead = true;
      for (const { reject } of this.#waiting.values())
        reject(new Failure("internal", "Cannot work on a document: its thread ended", { cause }));
      this.#waiting.clear();
    };
    this.#worker.on("error", die);
    this.#worker.on("exit", die);
  }

  get isDead(): boolean {
    return this.#isDead;
  }

  get isIdle(): boolean {
    return this.#waiting.size === 0;
  }

  async ask({ name }: Format, task: RenderingTask): Promise<RenderingResult> {
    const id = (this.#count += 1);
    const answer = Promise.withResolvers<RenderingResult>();
    this.#waiting.set(id, answer);
    this.#worker.ref();
    this.#worker.postMessage({ id, format: name, task });
    try {
      return await answer.promise;
    } finally {
      if (this.isIdle) this.#worker.unref();
    }
  }

  async end(): Promise<void> {
    await this.#worker.terminate();
  }
}
