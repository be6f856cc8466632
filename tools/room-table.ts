/** The rooms that turn one record into the next; they never import each other. */
const stages = [
  "mirror",
  "build",
  "registry",
  "sbom",
  "advisories",
  "scan",
  "sign",
  "release",
  "fleet",
  "insight",
  "compliance",
  "policy",
] as const;
const forStages = ["base", "model", "config", "store", "jobs"] as const;

/** Which rooms of `src/` a room may import, itself aside: the whole rule of the house. */
export const roomTable: Readonly<Record<string, readonly string[]>> = {
  base: [],
  model: ["base"],
  config: ["base", "model"],
  store: ["base", "model", "config"],
  jobs: ["base", "model", "config", "store"],
  auth: ["base", "model", "config", "store"],
  ...Object.fromEntries(stages.map((stage) => [stage, forStages])),
  policy: ["base", "model"],
  pipeline: [...forStages, ...stages],
  server: ["base", "model", "config", "store", "auth", "pipeline", ...stages],
  client: ["base", "model"],
  cli: ["base", "model", "config", "client", "pipeline", "server"],
};

/** Rooms that are entered by any of their files. */
export const openRooms: ReadonlySet<string> = new Set(["base", "model", "config"]);

/** Rooms without a door: nobody imports them. */
export const leafRooms: ReadonlySet<string> = new Set(["cli"]);

/** Files beside the door through which other rooms may enter too, and why. */
export const sideDoors: readonly { readonly path: RegExp; readonly typesOnly: boolean }[] = [
  // The records of one noun: plain functions over the database, one file per noun.
  { path: /^src\/store\/[a-z-]+-records\.ts$/, typesOnly: false },
  // The shapes that every user of the store names in its own signatures.
  { path: /^src\/store\/(?:database|blobs)\.ts$/, typesOnly: true },
  // The shapes of the API, made from the server's schemas.
  { path: /^src\/client\/api-types\.ts$/, typesOnly: true },
  // What the server and the command line know of the pipeline.
  { path: /^src\/pipeline\/factory\.ts$/, typesOnly: true },
];

/** Folders that run anywhere: no `node:`, no clock, no input or output, in whatever they reach. */
export const pureFolders: readonly string[] = ["src/model/", "src/policy/", "src/insight/stats/"];

/** Packages that a pure folder may import. */
export const purePackages: ReadonlySet<string> = new Set(["zod"]);

/** The first file of the command line; what it reaches without import() is loaded by every command. */
export const commandLineEntry = "src/cli/main.ts";

/** Rooms that the command line may load only when a command needs them. */
export const heavyRooms: readonly string[] = ["pipeline", "server"];

/** Words that say nothing; forbidden anywhere in a name. */
export const emptyWords: ReadonlySet<string> = new Set([
  ..."manager managers helper helpers util utils utility utilities service services".split(" "),
  ..."processor processors processing".split(" "),
]);

/** Words that say nothing at the end of a name or as the whole of it: `dataDir` is fine, `imageData` is not. */
export const emptyLastWords: ReadonlySet<string> = new Set(["data", "info", "process"]);

/** Names that would be empty, but are the field's own or the product's words. */
export const properNames: ReadonlySet<string> = new Set([
  // A scan without advisories says "no data", which is never "clean".
  "noData",
  // The word of docker's token protocol for who a token is meant for.
  "tokenService",
]);

/** Files that a program writes and nobody reads from top to bottom. */
export const generatedFiles: ReadonlySet<string> = new Set(["src/client/api-types.ts"]);

/** The longest file, in lines; pure tables (no function in them) and tests may have more. */
export const fileLines = { code: 400, tableOrTest: 700 } as const;
