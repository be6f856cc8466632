/** What one look at the machine found. */
export interface Capability {
  readonly name: string;
  /** `ok`; `missing` where a build cannot do without; `degraded` where something else still works; `optional` where only more is possible with it. */
  readonly state: "ok" | "missing" | "degraded" | "optional";
  /** What was found, in a few words. */
  readonly about: string;
  /** How to mend it; undefined where nothing is to be done. */
  readonly fix?: string;
}

/** No look at the machine takes longer than this. */
export const probeMs = 10_000;
