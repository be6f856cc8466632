import type { Distribution } from "../../model/package.ts";
import type { Fixup } from "./runtime.ts";

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
  /** Absolute path of an empty folder for the overlay. */
  readonly workFolder: string;
  readonly epochSeconds: number;
  readonly waves: readonly Wave[];
  /** Names of packages that came only because others need them. */
  readonly automatic: readonly { readonly name: string; readonly architecture: string }[];
  readonly users: readonly ChamberUser[];
  readonly files: readonly ChamberFile[];
  /** Where given, nothing is configured: these repairs stand in for it. */
  readonly runtime?: { readonly fixups: readonly Fixup[]; readonly distribution: Distribution };
  /** A configured system to go on from: only what changed is configured again. */
  readonly kept?: {
    readonly upperTar: string;
    readonly epochSeconds: number;
    readonly replaced: readonly { readonly before: ChamberPackage; readonly after: ChamberPackage }[];
  };
}

/** Removes a folder whatever its owners. */
interface RemoveJob {
  readonly kind: "remove";
  readonly path: string;
}

/** What a chamber is asked to do, as one JSON line on its standard input. */
export type ChamberJob = UnpackJob | InstallJob | RemoveJob;

/** What a chamber tells, a JSON line each on its standard output. */
export type ChamberMessage =
  | { readonly kind: "progress"; readonly done: number; readonly total: number; readonly note: string }
  | { readonly kind: "log"; readonly line: string }
  | {
      readonly kind: "failed";
      readonly code: string;
      readonly message: string;
      readonly hint?: string;
      readonly details?: Record<string, unknown>;
    }
  | { readonly kind: "done" };
