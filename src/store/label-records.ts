import { type Selectable } from "kysely";
import { nowMs } from "../base/clock.ts";
import { type Digest } from "../model/digest.ts";
import { type Database } from "./database.ts";
import { type HarborTables } from "./harbor-tables.ts";
import { nextNumber } from "./sequence-records.ts";

/** A word that people put on images. Instants are milliseconds. */
export interface LabelRecord {
  readonly id: number;
  readonly name: string;
  readonly description: string;
  readonly color: string;
  /** Undefined for labels of the whole system. */
  readonly project: string | undefined;
  readonly createdAt: number;
  readonly changedAt: number;
}

/** What of a label is chosen. */
export type LabelChoice = Pick<LabelRecord, "name" | "description" | "color">;

/** Adds a label; undefined where its project, or the system, has one of that name. */
export async function insertLabel(
  db: Database,
  label: LabelChoice & Pick<LabelRecord, "project">,
): Promise<LabelRecord | undefined> {
  const row = await db
    .insertInto("labels")
    .values({
      id: await nextNumber(db, "labels"),
      ...label,
      project: label.project ?? "",
      created_at: nowMs(),
      changed_at: nowMs(),
    })
    .onConflict((conflict) => conflict.columns(["project", "name"]).doNothing())
    .returningAll()
    .executeTakeFirst();
  return row === undefined ? undefined : recordOf(row);
}

/** The label of a number. */
export async function findLabel(db: Database, id: number): Promise<LabelRecord | undefined> {
  const row = await db.selectFrom("labels").selectAll().where("id", "=", id).executeTakeFirst();
  return row === undefined ? undefined : recordOf(row);
}

/** The labels of a project, or of the system, by name. */
export async function listLabels(db: Database, project: string | undefined): Promise<LabelRecord[]> {
  const rows = await db
    .selectFrom("labels")
    .selectAll()
    .where("project", "=", project ?? "")
    .orderBy("name")
    .execute();
  return rows.map(recordOf);
}

/** Changes a label; false where another one has the name. */
export async function updateLabel(db: Database, { id, project }: LabelRecord, change: LabelChoice): Promise<boolean> {
  const taken = await db
    .selectFrom("labels")
    .select("id")
    .where("project", "=", project ?? "")
    .where("name", "=", change.name)
    .where("id", "!=", id)
    .executeTakeFirst();
  if (taken !== undefined) return false;
  await db
    .updateTable("labels")
    .set({ ...change, changed_at: nowMs() })
    .where("id", "=", id)
    .execute();
  return true;
}

/** Removes a label, from all images too. */
export async function deleteLabel(db: Database, id: number): Promise<void> {
  await db.deleteFrom("labels").where("id", "=", id).execute();
}

/** Removes the labels of a project that is gone: another of its name must not find them. */
export async function deleteLabelsOfProject(db: Database, project: string): Promise<void> {
  await db.deleteFrom("labels").where("project", "=", project).execute();
}

/** An image in its repository. */
interface LabelledImage {
  readonly repository: string;
  readonly digest: Digest;
}

/** Puts a label on an image; false where it has it. */
export async function addImageLabel(
  db: Database,
  { repository, digest }: LabelledImage,
  label: number,
): Promise<boolean> {
  const result = await db
    .insertInto("image_labels")
    .values({ repository, digest, label })
    .onConflict((conflict) => conflict.doNothing())
    .executeTakeFirst();
  return result.numInsertedOrUpdatedRows === 1n;
}

/** Takes a label off an image; false where it does not have it. */
export async function removeImageLabel(
  db: Database,
  { repository, digest }: LabelledImage,
  label: number,
): Promise<boolean> {
  const result = await db
    .deleteFrom("image_labels")
    .where("repository", "=", repository)
    .where("digest", "=", digest)
    .where("label", "=", label)
    .executeTakeFirst();
  return result.numDeletedRows === 1n;
}

/** The labels of some images by repository and digest, as `repository@digest`; at most a page of them. */
export async function labelsOfImages(
  db: Database,
  images: readonly LabelledImage[],
): Promise<ReadonlyMap<string, readonly LabelRecord[]>> {
  const labels = new Map<string, LabelRecord[]>();
  if (images.length === 0) return labels;
  const rows = await db
    .selectFrom("image_labels")
    .innerJoin("labels", "labels.id", "image_labels.label")
    .selectAll("labels")
    .select(["image_labels.repository", "image_labels.digest"])
    .where("image_labels.repository", "in", [...new Set(images.map(({ repository }) => repository))])
    .where("image_labels.digest", "in", [...new Set(images.map(({ digest }) => digest))])
    .orderBy("labels.name")
    .execute();
  for (const row of rows) {
    const key = `${row.repository}@${row.digest}`;
    labels.set(key, [...(labels.get(key) ?? []), recordOf(row)]);
  }
  return labels;
}

/** Writes about a repository, or takes away what was written. */
export async function putRepositoryDescription(db: Database, repository: string, description: string): Promise<void> {
  const change = { description, changed_at: nowMs() };
  await db
    .insertInto("repository_descriptions")
    .values({ repository, ...change })
    .onConflict((conflict) => conflict.column("repository").doUpdateSet(change))
    .execute();
}

function recordOf(row: Selectable<HarborTables["labels"]>): LabelRecord {
  return {
    id: row.id,
    name: row.name,
    description: row.description,
    color: row.color,
    project: row.project === "" ? undefined : row.project,
    createdAt: row.created_at,
    changedAt: row.changed_at,
  };
}
