import { parse as parseYaml } from "yaml";
import { z } from "zod";
import { Failure, messageOf } from "../../base/errors.ts";
import type { LintFinding } from "./lint.ts";

const ruleId = z.string().regex(/^(?:DL|MM)\d{4}$/, "must be the id of a rule, such as DL3003");
const day = z.iso.date();

const exceptionSchema = z.strictObject({
  rule: ruleId,
  /** Only in this file, named from the recipe's folder. */
  file: z.string().optional(),
  reason: z.string().min(10, "must say why, in at least ten characters"),
  author: z.string().min(1),
  /** The last day on which it holds, in UTC. */
  until: day,
});

const lintFileSchema = z.strictObject({
  exceptions: z.array(exceptionSchema).default([]),
  /** Registries that base images may come from. */
  registries: z.array(z.string().min(1)).optional(),
  /** Labels that an image must have, and the form of each. */
  labels: z.record(z.string(), z.enum(["text", "url", "rfc3339", "spdx", "hash", "semver", "email"])).default({}),
  strictLabels: z.boolean().default(false),
  /** Severities in place of the rules' own; a rule is never switched off without an exception. */
  severities: z.record(ruleId, z.enum(["error", "warning", "info", "style"])).default({}),
});

/** A finding that is allowed, for a reason and a time. */
export type LintException = z.infer<typeof exceptionSchema>;
/** A `lint.yaml` beside a recipe. */
export type LintFile = z.infer<typeof lintFileSchema>;

/** A `lint.yaml` that says nothing. */
export const emptyLintFile: LintFile = lintFileSchema.parse({});

/**
 * Reads a `lint.yaml`.
 *
 * @throws Failure `exception_invalid` with each fault and its place
 */
export function parseLintFile(text: string, path: string): LintFile {
  let value: unknown;
  try {
    value = parseYaml(text, { maxAliasCount: 100 }) ?? {};
  } catch (error) {
    throw new Failure("exception_invalid", `Cannot read "${path}": it is not YAML`, {
      hint: messageOf(error),
      cause: error,
    });
  }
  const parsed = lintFileSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new Failure("exception_invalid", `Cannot use "${path}": ${z.prettifyError(parsed.error)}`, {
    hint: "docs/reference/lint-rules.md shows the file",
  });
}

/** The exceptions of one `lint.yaml` on one day. */
export interface ExceptionUse {
  /** The exception that covers a finding today. */
  find(finding: Pick<LintFinding, "rule" | "file">): LintException | undefined;
  /** Those that hold no more: each is an error until it is renewed or removed. */
  readonly expired: readonly LintException[];
}

/**
 * Sorts exceptions by whether they hold.
 *
 * @param today as `2026-01-31`, in UTC
 */
export function useExceptions({ exceptions }: LintFile, today: string): ExceptionUse {
  const valid = exceptions.filter(({ until }) => until >= today);
  return {
    find: ({ rule, file }) =>
      valid.find(
        (exception) =>
          exception.rule === rule &&
          (exception.file === undefined || file === exception.file || file.endsWith(`/${exception.file}`)),
      ),
    expired: exceptions.filter(({ until }) => until < today),
  };
}
