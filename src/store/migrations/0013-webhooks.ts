import { type Migration } from "../migration.ts";

/** The tables of webhooks. */
export const webhooksMigration: Migration = {
  version: 13,
  name: "webhooks",
  async up() {},
};
