import { type Migration } from "../migration.ts";

/** The tables of projects. */
export const projectsMigration: Migration = {
  version: 8,
  name: "projects",
  async up() {},
};
