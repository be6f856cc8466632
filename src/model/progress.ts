/** The steps of a build in their order; the pipeline room says what each does. */
export const stepNames = [
  "resolve",
  "lock",
  "fetch",
  "layers",
  "configure",
  "sbom",
  "scan",
  "gate",
  "publish",
  "sign",
  "attest",
  "verify",
] as const;
/** One step of a build. */
export type StepName = (typeof stepNames)[number];

/** One thing that happened in a build, as it is stored, streamed and printed. */
export type ProgressEvent =
  | { readonly kind: "step-started"; readonly step: StepName }
  /** `done` and `total` in the unit of `unit`: `bytes`, `packages`, `layers`. */
  | {
      readonly kind: "step-progress";
      readonly step: StepName;
      readonly done: number;
      readonly total: number;
      readonly unit: string;
      readonly note?: string;
    }
  | {
      readonly kind: "step-finished";
      readonly step: StepName;
      readonly durationMs: number;
      readonly reused: boolean;
      readonly summary: string;
    }
  | { readonly kind: "log"; readonly step: StepName; readonly line: string }
  | {
      readonly kind: "failed";
      readonly step: StepName | undefined;
      readonly code: string;
      readonly message: string;
      readonly hint: string | undefined;
    }
  | { readonly kind: "finished"; readonly image: string };

/** Receives progress; must return at once. */
export type ProgressListener = (event: ProgressEvent) => void;
