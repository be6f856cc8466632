import { tickMs } from "../base/clock.ts";
import { sha256Hex } from "../base/hash.ts";
import { canonicalJson } from "../base/json.ts";
import type { StepName } from "../model/progress.ts";
import { findStageRecord, putStageRecord } from "../store/images-records.ts";
import type { BuildContext } from "./build-context.ts";

interface Stage<Output> {
  readonly name: StepName;
  /** Everything that the output depends on; equal inputs give the recorded output. */
  readonly input: unknown;
  /** Raised when the same input would give another output. */
  readonly version: number;
  /** False where the answer lies outside, such as today's packages: it is asked in every build. */
  readonly isRecorded?: boolean;
  readonly work: () => Promise<Output>;
  /** Whether what an earlier output speaks of is still there. */
  readonly isWhole?: (output: Output) => Promise<boolean>;
  /** A line for people. */
  readonly summary: (output: Output) => string;
}

/**
 * Runs one stage of a build, or takes what it gave before for the same input.
 *
 * Twice durable: a run that is taken up again after a kill skips its finished steps, and another run skips
 * what any run before it worked out.
 */
export async function runStage<Output>({ job, store, durations }: BuildContext, stage: Stage<Output>): Promise<Output> {
  const inputSha256 = sha256Hex(canonicalJson({ version: stage.version, input: stage.input }));
  const isWhole = stage.isWhole ?? (() => Promise.resolve(true));
  job.emit({ kind: "step-started", step: stage.name });
  const startedMs = tickMs();
  let reused = true;
  const output = await job.step(
    stage.name,
    inputSha256,
    async () => {
      const known = stage.isRecorded === false ? undefined : await findStageRecord(store.db, stage.name, inputSha256);
      const recorded = known === undefined ? undefined : (JSON.parse(known) as Output);
      if (recorded !== undefined && (await isWhole(recorded))) return recorded;
      reused = false;
      const made = await stage.work();
      if (stage.isRecorded !== false)
        await putStageRecord(store.db, { stage: stage.name, inputSha256, output: JSON.stringify(made) });
      return made;
    },
    { validate: isWhole },
  );
  const durationMs = Math.round(tickMs() - startedMs);
  durations[stage.name] = durationMs;
  job.emit({ kind: "step-finished", step: stage.name, durationMs, reused, summary: stage.summary(output) });
  return output;
}
