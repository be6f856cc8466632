import type { NamedInstruction } from "../containerfile/failed-step.ts";
import type { PrivateRoot } from "./private-root.ts";
import type { RuntimeRepairs } from "./runtime.ts";

/** Unpacks archives into trees. */
interface UnpackJob {
  readonly kind: "unpack";
  readonly archives: readonly { readonly name: string; readonly debPath: string; readonly folder: string }[];
}

/** A package to install, with its unpacked tree. */
export interface ChamberPackage {
  readonly name: string;
  readonly architecture: string;
  readonly tree: string;
}

/** Packages whose preinst runs before their files are laid, and what of all so far is configured then. */
export interface Wave {
  readonly packages: readonly ChamberPackage[];
  /** Whether the files are there when preinst runs, as in the first step of every bootstrap. */
  readonly filesFirst: boolean;
  /** Names to configure, or everything. */
  readonly configure: readonly string[] | "all";
}

/** An account to add. */
export interface ChamberUser {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
  readonly shell: string;
  readonly home: string;
  readonly groups: readonly string[];
}

/** A file or folder of the recipe; `content` in base64, undefined for a folder. */
export interface ChamberFile {
  readonly path: string;
  readonly mode: number;
  readonly owner: string;
  readonly content: string | undefined;
}

/** Installs packages and lays the recipe's own files over them. */
export interface InstallJob {
  readonly kind: "install";
  /** Of the programs that run inside; the machine's where left out. Another one is emulated. */
  readonly architecture?: string;
  /** Absolute path of an empty folder for the overlay. */
  readonly workFolder: string;
  readonly epochSeconds: number;
  readonly waves: readonly Wave[];
  /** Names of packages that came only because others need them. */
  readonly automatic: readonly { readonly name: string; readonly architecture: string }[];
  readonly users: readonly ChamberUser[];
  readonly files: readonly ChamberFile[];
  /** Where given, nothing is configured: these repairs stand in for it. */
  readonly runtime?: RuntimeRepairs;
  /** A configured system to go on from: only what changed is configured again. */
  readonly kept?: {
    readonly upperTar: string;
    readonly epochSeconds: number;
    readonly replaced: readonly { readonly before: ChamberPackage; readonly after: ChamberPackage }[];
  };
}

/** Runs one small program of an architecture, to see whether builds could. */
interface TryJob {
  readonly kind: "try";
  readonly architecture: string;
}

/** Removes a folder whatever its owners. */
interface RemoveJob {
  readonly kind: "remove";
  readonly path: string;
}

/** Lays an image out of a folder in OCI layout into a store of Buildah's. */
export interface ImportBaseJob {
  readonly kind: "import-base";
  /** Path of the folder; its own name has lower-case letters and digits only. */
  readonly layout: string;
  /** What FROM calls it. */
  readonly name: string;
  readonly environment: Readonly<Record<string, string>>;
}

/** Runs a Containerfile, with a loopback behind which the build's exit lies and no other network. */
export interface SealedBuildJob {
  readonly kind: "sealed-build";
  /** Of the programs that run inside; the machine's where left out. Another one is emulated. */
  readonly architecture?: string;
  /** The host's end of the exit. */
  readonly socketPath: string;
  readonly port: number;
  /** Buildah's arguments after `build`. */
  readonly args: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  /** The instructions of each stage, to name the one that fails. */
  readonly stages: readonly (readonly NamedInstruction[])[];
  /** Where Buildah writes the image's id, and where its store lies. */
  readonly idFile: string;
  readonly graphRoot: string;
  /** What alone of the machine it sees: the work's folders, and the stores of bases under short names. */
  readonly root: PrivateRoot;
  /** Bases that are laid out in the build's own store. */
  readonly imports: readonly { readonly layout: string; readonly name: string }[];
  /** An empty folder for what each layer above the base holds, as tar. */
  readonly resultFolder: string;
}

/** What a sealed build made. */
export interface SealedBuildResult {
  /** The configuration as Buildah wrote it, in Docker's form. */
  readonly config: string;
  /** Paths of the layers' archives above the base, the lowest first. */
  readonly tars: readonly string[];
}

/** Commands that run one after the other in one fresh copy of an image. */
export interface CommandRun {
  readonly commands: readonly {
    readonly argv: readonly string[];
    readonly variables: Readonly<Record<string, string>>;
  }[];
  /** As an image's configuration names it; empty for root. */
  readonly user: string;
  readonly workdir: string;
}

/** Runs commands in an image. */
export interface CommandJob {
  readonly kind: "commands";
  /** Of the programs that run inside; the machine's where left out. Another one is emulated. */
  readonly architecture?: string;
  /** Absolute path of an empty folder for the overlay. */
  readonly workFolder: string;
  /** Files of the image's layers, the lowest first. */
  readonly layers: readonly string[];
  readonly runs: readonly CommandRun[];
  /** Ends one command with SIGKILL. */
  readonly timeoutMs: number;
}

/** What a chamber is asked to do, as one JSON line on its standard input. */
export type ChamberJob = UnpackJob | InstallJob | RemoveJob | TryJob | CommandJob | ImportBaseJob | SealedBuildJob;

/** What a chamber tells, a JSON line each on its standard output. */
export type ChamberMessage =
  | { readonly kind: "progress"; readonly done: number; readonly total: number; readonly note: string }
  | { readonly kind: "log"; readonly line: string }
  | {
      readonly kind: "command";
      /** Position of the run, whose last command this is. */
      readonly index: number;
      readonly stdout: string;
      readonly stderr: string;
      readonly exitCode: number;
      readonly durationMs: number;
      /** Why it did not run at all. */
      readonly fault?: string;
    }
  | {
      readonly kind: "failed";
      readonly code: string;
      readonly message: string;
      readonly hint?: string;
      readonly details?: Record<string, unknown>;
    }
  /** `result` is what the kind of job says. */
  | { readonly kind: "done"; readonly result?: unknown };
