import {
  type Advisory,
  type AffectedPackage,
  describeAdvisories,
  listRecordKeys,
  readExtent,
} from "./advisories-records.ts";
import { type Database } from "./database.ts";

/** A page of a feed's visible advisories, whole and in the order of their ids, from after an id on; empty at the end. */
export async function listAdvisories(db: Database, feed: string, after: string): Promise<Advisory[]> {
  const keys = await listRecordKeys(db, feed, after);
  const described = await describeAdvisories(
    db,
    keys.map(({ key }) => key),
  );
  const ages = new Map<string, number>();
  const affected = new Map<string, AffectedPackage[]>();
  for (let start = 0; start < keys.length; start += keysPerQuery) {
    const batch = keys.slice(start, start + keysPerQuery).map(({ key }) => key);
    const records = await db
      .selectFrom("advisories")
      .select(["key", "modified_at"])
      .where("key", "in", batch)
      .execute();
    for (const { key, modified_at: modifiedAt } of records) ages.set(key, modifiedAt);
    const packages = await db
      .selectFrom("advisory_packages")
      .select(["advisory_key", "ecosystem", "package", "extent"])
      .where("advisory_key", "in", batch)
      .orderBy("advisory_key")
      .orderBy("ecosystem")
      .orderBy("package")
      .orderBy("extent")
      .execute();
    for (const row of packages) {
      const entry = { ecosystem: row.ecosystem, name: row.package, ...readExtent(row.extent) };
      affected.set(row.advisory_key, [...(affected.get(row.advisory_key) ?? []), entry]);
    }
  }
  return keys.flatMap(({ key }) => {
    const description = described.get(key);
    if (description === undefined) return [];
    return [{ ...description, modifiedAt: ages.get(key) ?? 0, affected: affected.get(key) ?? [] }];
  });
}

/** Databases bound the parameters of a statement. */
const keysPerQuery = 200;
