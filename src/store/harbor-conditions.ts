import { type Expression, type ExpressionBuilder, type RawBuilder, sql, type SqlBool } from "kysely";
import { type TextCondition } from "../model/text-condition.ts";
import { type Tables } from "./tables.ts";

/** One key of an order. */
export interface Order<Field extends string> {
  readonly field: Field;
  readonly isDescending: boolean;
}

/** Which rows of an order. */
export interface Page {
  readonly offset: number;
  readonly limit: number;
}

/** Rows of a page, and how many there are on all pages. */
export interface Counted<Row> {
  readonly rows: readonly Row[];
  readonly total: number;
}

/** Whether a text meets a condition. */
export function textMeets(text: Expression<string>, condition: TextCondition): RawBuilder<SqlBool> {
  switch (condition.kind) {
    case "equal":
      return sql<SqlBool>`${text} = ${condition.value}`;
    case "like":
      return sql<SqlBool>`lower(${text}) like ${`%${condition.value.toLowerCase().replaceAll(/[\\%_]/g, String.raw`\$&`)}%`} escape '\\'`;
    case "any":
      return sql<SqlBool>`${text} in (${sql.join(condition.values.slice(0, 200))})`;
  }
}

/** The repositories below a project: a slash sorts right before the digit 0. */
export function isBelow(name: Expression<string>, projects: readonly string[] | undefined): RawBuilder<SqlBool> {
  if (projects === undefined) return sql<SqlBool>`${name} like '%/%'`;
  const parts = projects.map((project) => sql`(${name} >= ${`${project}/`} and ${name} < ${`${project}0`})`);
  return sql<SqlBool>`(${sql.join(parts, sql` or `)})`;
}

/** A query over manifests under the name `m`. */
export type ManifestRow = ExpressionBuilder<Tables & { m: Tables["manifests"] }, "m">;

/** Tags by which clients attach signatures and the like; source: the registry's manifest-document.ts. */
export function isAttachmentTag(name: Expression<string>): RawBuilder<SqlBool> {
  return sql<SqlBool>`((${name} like 'sha256-%' or ${name} like 'sha512-%') and length(${name}) between 71 and 76)`;
}

/** Whether an index of its repository names a manifest. */
export function isChild(row: ManifestRow): Expression<SqlBool> {
  return row.exists(
    row
      .selectFrom("manifest_edges as e")
      .innerJoin("manifests as p", "p.digest", "e.parent")
      .select("e.parent")
      .whereRef("e.child", "=", "m.digest")
      .whereRef("p.repository", "=", "m.repository")
      .where("e.kind", "=", "child")
      .limit(1),
  );
}

/** What Harbor calls an artifact: attached to nothing, and tagged or in no index. */
export function isArtifact(row: ManifestRow): Expression<SqlBool> {
  const tags = row
    .selectFrom("tags as t")
    .select("t.name")
    .whereRef("t.repository", "=", "m.repository")
    .whereRef("t.digest", "=", "m.digest")
    .limit(1);
  return row.and([
    row("m.subject", "is", null),
    row.or([
      row.exists(tags.where((tag) => sql<SqlBool>`not ${isAttachmentTag(tag.ref("t.name"))}`)),
      row.and([row.not(row.exists(tags)), row.not(isChild(row))]),
    ]),
  ]);
}
