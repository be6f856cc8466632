import { z } from "zod";
import { Failure } from "../../base/errors.ts";
import type { ProjectAction } from "../../model/permission.ts";
import type { Caller } from "../access.ts";
import { problemSchema } from "../schemas.ts";

/** The failures that routes about the lifetime of tags answer with. */
export const lifetimeErrors = { 400: problemSchema, 401: problemSchema, 403: problemSchema, 404: problemSchema };

/** A project in a path. */
export const projectParams = z.object({ name: z.string().min(1).max(255) });

/** Entries of a page: so many by default, and a thousand at most. */
export const pageLimit = z.coerce.number().int().min(1).max(1000).default(100);

/**
 * Lets a caller through who may do something in a repository or project; what it may not see does not exist for it.
 *
 * @throws Failure `not_found`, `forbidden`
 */
export function requireRight(caller: Caller, action: ProjectAction, place: string): void {
  if (caller.may(action, place)) return;
  if (!caller.may("list", place)) throw new Failure("not_found", `Cannot find "${place}"`);
  throw new Failure("forbidden", `Cannot do that in "${place}": the account "${caller.name}" may not`);
}
