import { type Migration } from "../migration.ts";

/** The tables of lifetime. */
export const lifetimeMigration: Migration = {
  version: 9,
  name: "lifetime",
  async up() {},
};
