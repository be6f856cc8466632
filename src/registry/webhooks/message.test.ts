import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { AuditRecord } from "../../store/event-records.ts";
import { messageBody } from "./message.ts";

const sample: AuditRecord = {
  sequence: 12,
  id: "0192",
  at: 0,
  actor: "alice",
  address: "192.0.2.1",
  action: "image.deleted",
  project: "team",
  subject: "team/app@sha256:ab",
  details: { reason: "old" },
  hash: "",
};

interface Slack {
  readonly text: string;
  readonly blocks: { readonly text?: { readonly text: string }; readonly elements?: { readonly text: string }[] }[];
}

test("a Slack message is plain lines that call nobody", () => {
  const { text, blocks } = JSON.parse(messageBody("slack", sample, "s")) as Slack;
  assert.equal(text, "image.deleted: team/app@sha256:ab by alice");
  assert.equal(blocks[1]?.elements?.[0]?.text, "1970-01-01T00:00:00.000Z · project team · reason old");
  const hostile = fc.oneof(
    fc.string({ unit: "binary" }),
    fc.constantFrom("<!channel>", "<https://x.example|click>", "&lt;!here&gt;", "a\n> b", "x".repeat(9000)),
  );
  fc.assert(
    fc.property(hostile, hostile, (actor, reason) => {
      const message = JSON.parse(messageBody("slack", { ...sample, actor, details: { reason } }, "s")) as Slack;
      const lines = [message.text, ...message.blocks.flatMap((block) => [block.text, ...(block.elements ?? [])])];
      for (const line of lines) {
        const shown = typeof line === "string" ? line : (line?.text ?? "");
        assert.doesNotMatch(shown, /[<>\p{Cc}\u2028]/u);
        assert.ok(shown.length <= 3000);
      }
    }),
  );
});

test("a CloudEvent is JSON with the required attributes, whatever the event holds", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), fc.dictionary(fc.string(), fc.jsonValue()), (subject, details) => {
      const event = JSON.parse(messageBody("cloudevents", { ...sample, subject, details }, "urn:x")) as object;
      for (const name of ["specversion", "id", "source", "type"]) assert.ok(name in event);
    }),
  );
});
