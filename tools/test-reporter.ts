import { writeFileSync } from "node:fs";
import { TallyReader, type TestEvent } from "./test-tally.ts";

/**
 * A reporter for node:test: prints failures and skips in full and nothing else, and leaves the tally as JSON in the
 * file that MINTMARK_TEST_TALLY names.
 */
export default async function* report(events: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  const reader = new TallyReader();
  for await (const event of events) {
    const text = reader.read(event);
    if (text !== "") yield text;
  }
  const path = process.env["MINTMARK_TEST_TALLY"];
  if (path !== undefined) writeFileSync(path, JSON.stringify(reader.tally));
}
