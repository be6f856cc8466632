import { type Migration } from "../migration.ts";

/** The tables of admission. */
export const admissionMigration: Migration = {
  version: 11,
  name: "admission",
  async up() {},
};
