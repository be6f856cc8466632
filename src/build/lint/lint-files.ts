import { readdir, readFile, stat } from "node:fs/promises";
import { basename, dirname, join, normalize } from "node:path";
import { Failure, systemCodeOf } from "../../base/errors.ts";
import { limits } from "../../base/limits.ts";
import { emptyLintFile, parseLintFile, useExceptions, type LintException } from "./exceptions.ts";
import { hasErrors, lintContainerfile, type LintReport } from "./lint.ts";

/** What linting some recipes or files gave. */
export interface LintResult {
  readonly reports: readonly LintReport[];
  /** Exceptions whose last day has passed. */
  readonly expired: readonly { readonly path: string; readonly exception: LintException }[];
  /** Folders of recipes without a Containerfile, whose packages the lock pins; and files that are none. */
  readonly without: readonly string[];
  /** Whether anything is an error; an expired exception is one. */
  readonly fails: boolean;
}

interface Wish {
  /** As `2026-01-31`, in UTC: what exceptions are judged by. */
  readonly today: string;
}

/**
 * Judges Containerfiles: of the folders of recipes, or named one by one.
 *
 * A `lint.yaml` beside a file gives its exceptions and settings; a lock beside it satisfies the rules about pinning.
 *
 * @throws Failure `not_found`, `exception_invalid`, `too_large`
 */
export async function lintFiles(paths: readonly string[], { today }: Wish): Promise<LintResult> {
  const reports: LintReport[] = [];
  const expired: LintResult["expired"][number][] = [];
  const without: string[] = [];
  for (const path of paths) {
    const files = await filesOf(path);
    if (files.length === 0) without.push(path);
    const folders = new Set(files.map((file) => dirname(file)));
    for (const folder of folders) {
      const { recipeFile, lockNames, ...site } = await siteOf(folder, today);
      expired.push(...site.expired);
      for (const file of files.filter((one) => dirname(one) === folder)) {
        // A build of a recipe writes a lock by itself: until then this is said once, not of each package.
        const awaitsLock = lockNames.length === 0 && recipeFile === normalize(file);
        const settings = { ...site.input.settings, hasLock: lockNames.length > 0 || awaitsLock, awaitsLock };
        reports.push(lintContainerfile({ ...site.input, settings, file, text: await readText(file) }));
      }
    }
  }
  return { reports, expired, without, fails: hasErrors(reports) || expired.length > 0 };
}

const containerfileForm = /^(?:Containerfile|Dockerfile)(?:\.\w+)?$|\.(?:Containerfile|Dockerfile)$/;
/** What `recipes/*` names beside recipes. */
const otherForm = /\.(?:hcl|json|ya?ml|md|lock|toml|txt)$/;
const lockForm = /(?:^|[.-])lock(?:\..+)?\.json$/;

/** The Containerfiles of a folder, sorted; a file stands for itself. */
async function filesOf(path: string): Promise<string[]> {
  const found = await stat(path).catch((error: unknown) => {
    throw systemCodeOf(error) === "ENOENT" ? missing(path) : error;
  });
  if (!found.isDirectory()) return otherForm.test(path) ? [] : [path];
  const names = (await readdir(path)).filter((name) => containerfileForm.test(name) && !name.endsWith(".dockerignore"));
  if (names.length === 0 && !(await readdir(path)).includes("image.yaml")) throw missing(join(path, "Containerfile"));
  return names.sort().map((name) => join(path, name));
}

function missing(path: string): Failure {
  return new Failure("not_found", `Cannot find "${path}"`, {
    hint: "Name a Containerfile, or the folder of a recipe",
  });
}

async function siteOf(folder: string, today: string) {
  const path = join(folder, "lint.yaml");
  const text = await readFile(path, "utf8").catch((error: unknown) => {
    if (systemCodeOf(error) === "ENOENT") return undefined;
    throw error;
  });
  const file = text === undefined ? emptyLintFile : parseLintFile(text, path);
  const exceptions = useExceptions(file, today);
  return {
    recipeFile: await recipeFileOf(folder),
    lockNames: (await readdir(folder)).filter((name) => lockForm.test(basename(name))),
    expired: exceptions.expired.map((exception) => ({ path, exception })),
    input: {
      exceptions,
      severities: file.severities,
      settings: {
        registries: file.registries,
        labels: file.labels,
        isStrictLabels: file.strictLabels,
      },
    },
  };
}

/** The Containerfile that the image.yaml of a folder names. */
async function recipeFileOf(folder: string): Promise<string | undefined> {
  const text = await readFile(join(folder, "image.yaml"), "utf8").catch(() => "");
  const [, name] = /^containerfile:\s*["']?([^"'#\n]+?)["']?\s*(?:#.*)?$/m.exec(text) ?? [];
  return name === undefined ? undefined : join(folder, name);
}

async function readText(path: string): Promise<string> {
  const { size } = await stat(path);
  if (size > limits.recipeBytes)
    throw new Failure("too_large", `Cannot read "${path}": it is larger than ${limits.recipeBytes} bytes`);
  return await readFile(path, "utf8");
}
