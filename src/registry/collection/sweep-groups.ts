import { type Candidate, type Place } from "../../store/collection-records.ts";
import { paced, type Run, save } from "./run.ts";

/** Candidates of one repository. */
export interface Group {
  readonly repository: string;
  readonly group: readonly Candidate[];
  /** Where the page begins that the group is of. */
  readonly cursor: string;
}

interface Sweep {
  readonly phase: string;
  /** Candidates that are looked at in one go. */
  readonly pageCount: number;
  /** The candidates behind a place, and the place of the last that was looked at; undefined at the end. */
  readonly list: (after: Place) => Promise<{ readonly found: readonly Candidate[]; readonly last: Place | undefined }>;
  readonly sweep: (group: Group) => Promise<void>;
  readonly tell: (done: number) => void;
}

/** Goes over all candidates from where the phase was left, page by page, a repository at a time. */
export async function sweepGroups(run: Run, { phase, pageCount, list, sweep, tell }: Sweep): Promise<void> {
  let after: Place | undefined = run.cursor === "" ? ["", ""] : (JSON.parse(run.cursor) as [string, string]);
  let done = 0;
  while (after !== undefined) {
    const from: Place = after;
    const page = await paced(run.signal, async () => await list(from));
    for (const [repository, group] of Map.groupBy(page.found, (one) => one.repository))
      await sweep({ repository, group, cursor: JSON.stringify(from) });
    const cursor = JSON.stringify(page.last ?? ["\uffff", ""]);
    await run.store.transaction(async (db) => await save(db, run, { phase, cursor }));
    after = page.last;
    done += pageCount;
    tell(done);
  }
}
