import { type Migration } from "../migration.ts";

/** The tables of collection. */
export const collectionMigration: Migration = {
  version: 10,
  name: "collection",
  async up() {},
};
