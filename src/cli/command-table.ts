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
  { name: "bake", summary: "build what a bake file describes", load: () => import("./commands/bake.ts") },
  { name: "graph", summary: "show which recipe is built on which", load: () => import("./commands/graph.ts") },
  { name: "lint", summary: "judge Containerfiles by the rules", load: () => import("./commands/lint.ts") },
  { name: "test", summary: "run structure tests on an image", load: () => import("./commands/test.ts") },
  { name: "inspect", summary: "show all that is known of an image", load: () => import("./commands/inspect.ts") },
  { name: "image", summary: "list images, show one, list tags", load: () => import("./commands/image.ts") },
  { name: "sbom", summary: "print the bill of materials of an image", load: () => import("./commands/sbom.ts") },
  { name: "scan", summary: "show what is known against an image now", load: () => import("./commands/scan.ts") },
  { name: "gate", summary: "judge an image by the policy", load: () => import("./commands/gate.ts") },
  { name: "verify", summary: "verify signatures and evidence of an image", load: () => import("./commands/verify.ts") },
  { name: "why", summary: "tell what made an image what it is", load: () => import("./commands/why.ts") },
  { name: "diff", summary: "compare two images down to the file", load: () => import("./commands/diff.ts") },
  { name: "advisories", summary: "show and fill the advisory feeds", load: () => import("./commands/advisories.ts") },
  {
    name: "exception",
    summary: "allow a finding until a date, with a reason",
    load: () => import("./commands/exception.ts"),
  },
  { name: "project", summary: "manage projects and their members", load: () => import("./commands/project.ts") },
  { name: "account", summary: "manage accounts of people", load: () => import("./commands/account.ts") },
  { name: "group", summary: "manage groups of people", load: () => import("./commands/group.ts") },
  { name: "role", summary: "manage what members of projects may do", load: () => import("./commands/role.ts") },
  {
    name: "tag",
    summary: "list tags, undo their moves, pin them, hold their images",
    load: () => import("./commands/tag.ts"),
  },
  {
    name: "retention",
    summary: "say which tags are kept, and drop the others",
    load: () => import("./commands/retention.ts"),
  },
  { name: "quota", summary: "show and bound what projects store", load: () => import("./commands/quota.ts") },
  { name: "robot", summary: "manage accounts of machines", load: () => import("./commands/robot.ts") },
  { name: "token", summary: "manage tokens of people", load: () => import("./commands/token.ts") },
  { name: "gc", summary: "collect garbage, and take back what it took", load: () => import("./commands/gc.ts") },
  { name: "scrub", summary: "read every blob again and repair it", load: () => import("./commands/scrub.ts") },
  {
    name: "backup",
    summary: "back the data folder up while it is in use",
    load: () => import("./commands/backup.ts"),
  },
  { name: "restore", summary: "make a data folder of a backup", load: () => import("./commands/restore.ts") },
  { name: "peer", summary: "manage other registries", load: () => import("./commands/peer.ts") },
  {
    name: "replication",
    summary: "copy images between registries by rules",
    load: () => import("./commands/replication.ts"),
  },
  {
    name: "mirror",
    summary: "run the package mirror: where builds and people get packages",
    load: () => import("./commands/mirror.ts"),
  },
  { name: "export", summary: "write images into an archive", load: () => import("./commands/export.ts") },
  { name: "import", summary: "take an archive of images in", load: () => import("./commands/import.ts") },
  { name: "webhook", summary: "tell others of what happens", load: () => import("./commands/webhook.ts") },
  { name: "audit", summary: "search, export and verify the audit log", load: () => import("./commands/audit.ts") },
  { name: "job", summary: "list, follow, stop and retry durable work", load: () => import("./commands/job.ts") },
  { name: "serve", summary: "serve without a first build", load: () => import("./commands/serve.ts") },
  {
    name: "doctor",
    summary: "check what this machine can do, and how to mend it",
    load: () => import("./commands/doctor.ts"),
  },
  { name: "config", summary: "explain the configuration", load: () => import("./commands/config.ts") },
];
