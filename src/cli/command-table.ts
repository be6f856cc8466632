import type { Define } from "./command.ts";

interface CommandRow {
  readonly name: string;
  readonly summary: string;
  /** Loads the file of the command: only the one that runs is read. */
  readonly load: () => Promise<{ readonly define: Define }>;
}

/** Every command in the order of the help. */
export const commandTable: readonly CommandRow[] = [
  { name: "up", summary: "serve, and mint the starter image on the first run", load: () => import("./commands/up.ts") },
  { name: "build", summary: "mint images from recipes", load: () => import("./commands/build.ts") },
  { name: "lock", summary: "resolve recipes and write their locks", load: () => import("./commands/lock.ts") },
  { name: "inspect", summary: "show all that is known of an image", load: () => import("./commands/inspect.ts") },
  { name: "image", summary: "list images, show one, list tags", load: () => import("./commands/image.ts") },
  { name: "sbom", summary: "print the bill of materials of an image", load: () => import("./commands/sbom.ts") },
  { name: "scan", summary: "show what is known against an image now", load: () => import("./commands/scan.ts") },
  { name: "gate", summary: "judge an image by the policy", load: () => import("./commands/gate.ts") },
  { name: "verify", summary: "verify signatures and evidence of an image", load: () => import("./commands/verify.ts") },
  { name: "why", summary: "tell what made an image what it is", load: () => import("./commands/why.ts") },
  { name: "advisories", summary: "show and fill the advisory feeds", load: () => import("./commands/advisories.ts") },
  {
    name: "exception",
    summary: "allow a finding until a date, with a reason",
    load: () => import("./commands/exception.ts"),
  },
  { name: "robot", summary: "manage accounts of machines", load: () => import("./commands/robot.ts") },
  { name: "job", summary: "list, follow, stop and retry durable work", load: () => import("./commands/job.ts") },
  { name: "serve", summary: "serve without a first build", load: () => import("./commands/serve.ts") },
  {
    name: "doctor",
    summary: "check what this machine can do, and how to mend it",
    load: () => import("./commands/doctor.ts"),
  },
  { name: "config", summary: "explain the configuration", load: () => import("./commands/config.ts") },
];
