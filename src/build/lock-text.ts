import { readFile } from "node:fs/promises";
import { z } from "zod";
import { Failure, messageOf, systemCodeOf } from "../base/errors.ts";

/** How locks of one kind are read. */
export interface LockForm<Lock> {
  readonly schema: z.ZodType<Lock>;
  /** The command that makes such a lock anew. */
  readonly remedy: string;
}

/** Reads a lock; undefined where there is none. @throws Failure `lock_invalid` */
export async function readLockFile<Lock>(path: string, form: LockForm<Lock>): Promise<Lock | undefined> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    if (systemCodeOf(error) === "ENOENT") return undefined;
    throw error;
  }
  return parseLockText(text, path, form);
}

/** Reads the text of a lock; `name` is for the message. @throws Failure `lock_invalid` */
export function parseLockText<Lock>(text: string, name: string, { schema, remedy }: LockForm<Lock>): Lock {
  let state: string;
  try {
    const parsed = schema.safeParse(JSON.parse(text));
    if (parsed.success) return parsed.data;
    state = z.prettifyError(parsed.error);
  } catch (error) {
    state = messageOf(error);
  }
  throw new Failure("lock_invalid", `Cannot read the lock "${name}": ${state}`, {
    hint: `Make it anew with \`${remedy}\``,
  });
}
