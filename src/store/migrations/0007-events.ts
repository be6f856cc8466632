import { type Migration } from "../migration.ts";

/** The tables of events. */
export const eventsMigration: Migration = {
  version: 7,
  name: "events",
  async up() {},
};
