import { type Database } from "./database.ts";

/** Tables whose rows people and scripts name by a number. */
type Numbered = "projects" | "project_members" | "accounts" | "account_groups" | "labels";

/**
 * The next number of a table. One that was given never comes back, whatever is deleted: a script that names something by
 * its number reaches that thing or nothing.
 */
export async function nextNumber(db: Database, name: Numbered): Promise<number> {
  const row = await db
    .insertInto("number_sequences")
    .values({ name, value: 1 })
    .onConflict((conflict) =>
      conflict.column("name").doUpdateSet((row) => ({ value: row("number_sequences.value", "+", 1) })),
    )
    .returning("value")
    .executeTakeFirstOrThrow();
  return row.value;
}
