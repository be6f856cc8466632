/** One thing that happened in a job other than a build, as it is stored, streamed and printed. */
export type WorkEvent =
  /** `done` and `total` in the unit of `unit`: `blobs`, `bytes`, `tags`; a total of 0 is not known yet. */
  | {
      readonly kind: "progress";
      readonly phase: string;
      readonly done: number;
      readonly total: number;
      readonly unit: string;
      readonly note?: string;
    }
  | { readonly kind: "line"; readonly line: string };
