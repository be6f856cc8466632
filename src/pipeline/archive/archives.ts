import type { Queue, RunContext } from "../../jobs/jobs.ts";
import { exportImages, type ArchiveSite, type ExportReport, type ExportRequest } from "./export.ts";
import { importImages, type ImportReport, type ImportRequest } from "./import.ts";

/** Images carried by hand: archives out of a registry and into another one. */
export interface Archives {
  /** Queues an export and returns the job's id; its output is an {@link ExportReport}. */
  export(request: ExportRequest): Promise<string>;
  /** Queues an import and returns the job's id; its output is an {@link ImportReport}. */
  import(request: ImportRequest): Promise<string>;
}

/** Archives take turns: each uses the whole disk. */
const archiveKey = "archive";

/** Opens archives. */
export function openArchives(site: ArchiveSite, queue: Queue): Archives {
  const progress = (job: RunContext, phase: string) => ({
    signal: job.signal,
    onBytes: sparing((done: number, total: number) =>
      job.emit({ kind: "progress", phase, done, total, unit: "bytes" }),
    ),
  });
  queue.define(
    "export",
    1,
    async (job): Promise<ExportReport> =>
      await exportImages(site, { ...(job.input as ExportRequest), ...againOf(job) }, progress(job, "export")),
    { attemptsMax: 2 },
  );
  queue.define(
    "import",
    1,
    async (job): Promise<ImportReport> => await importImages(site, job.input as ImportRequest, progress(job, "import")),
    { attemptsMax: 2 },
  );
  return {
    export: async (request) => await queue.enqueue({ name: "export", input: request, concurrencyKey: archiveKey }),
    import: async (request) => await queue.enqueue({ name: "import", input: request, concurrencyKey: archiveKey }),
  };
}

/** A second try may find the file of the first, which was killed before it could say so. */
function againOf({ attempt }: RunContext): { readonly isReplacing?: true } {
  return attempt > 1 ? { isReplacing: true } : {};
}

/** Bytes between two reports. */
const reportBytes = 8 * 1024 * 1024;

function sparing(report: (done: number, total: number) => void): (done: number, total: number) => void {
  let told = 0;
  return (done, total) => {
    if (done - told < reportBytes && done !== total) return;
    told = done;
    report(done, total);
  };
}
