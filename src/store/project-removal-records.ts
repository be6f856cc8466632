import { type Expression, type RawBuilder, sql, type SqlBool } from "kysely";
import { type Database } from "./database.ts";
import { expireException } from "./exception-records.ts";
import { deleteLabelsOfProject } from "./label-records.ts";
import { deleteProxyProject } from "./proxy-records.ts";

/** The repository with the project's own name, and all below it: a slash sorts right before the digit 0. */
export function isOfProject(name: Expression<string>, project: string): RawBuilder<SqlBool> {
  return sql<SqlBool>`(${name} = ${project} or (${name} >= ${`${project}/`} and ${name} < ${`${project}0`}))`;
}

/**
 * Removes whatever is kept under the name of a project that goes: gate, cache, rules, quota, labels, runs, histories and
 * trash. Exceptions for its repositories end; they stay on record.
 *
 * Whoever makes a project of that name finds nothing of it. Call it in the transaction that removes the project.
 */
export async function deleteTracesOfProject(db: Database, project: string, actor: string): Promise<void> {
  await deleteProxyProject(db, project);
  await deleteLabelsOfProject(db, project);
  for (const table of ["pull_gates", "project_lifetime", "retention_runs"] as const)
    await db.deleteFrom(table).where("project", "=", project).execute();
  for (const table of perRepository)
    await db
      .deleteFrom(table)
      .where((row) => isOfProject(row.ref("repository"), project))
      .execute();
  // What clients sent about something of a project stands under the project's own name only where it is its policy.
  await db.deleteFrom("harbor_echoes").where("kind", "=", "retention").where("subject", "=", project).execute();
  const exceptions = await db
    .selectFrom("exceptions")
    .select("id")
    .where("repository", "is not", null)
    .where((row) => isOfProject(row.ref("repository").$castTo<string>(), project))
    .execute();
  for (const { id } of exceptions)
    await expireException(db, id, { actor, reason: `the project "${project}" was removed` });
}

/** Tables whose rows belong to a repository, and to nobody once its project is gone. */
const perRepository = [
  "holds",
  "image_labels",
  "proxy_answers",
  "repository_descriptions",
  "tag_moves",
  "trashed_links",
  "trashed_manifests",
] as const;
