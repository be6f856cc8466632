import { parentPort } from "node:worker_threads";
import { toFailure } from "../base/errors.ts";
import { type FormatName } from "./format.ts";
import { formats } from "./formats.ts";
import { doRenderingTask, type RenderingTask } from "./rendering-work.ts";

/** What a worker is asked. */
export interface WorkerQuestion {
  readonly id: number;
  readonly format: FormatName;
  readonly task: RenderingTask;
}

parentPort!.on("message", ({ id, format, task }: WorkerQuestion) => {
  const port = parentPort!;
  doRenderingTask(formats.get(format)!, task).then(
    (result) => {
      const parts = [result.bytes, result.gzip].flatMap((part) => (part === undefined ? [] : [part]));
      // Memory that others have a part in must be copied.
      const own = parts.filter((part) => part.byteLength === part.buffer.byteLength).map(({ buffer }) => buffer);
      port.postMessage({ id, result }, own as ArrayBuffer[]);
    },
    (error: unknown) => {
      const { code, message } = toFailure(error);
      port.postMessage({ id, failure: { code, message } });
    },
  );
});
