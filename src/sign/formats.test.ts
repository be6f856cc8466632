import { strict as assert } from "node:assert";
import { test } from "node:test";
import fc from "fast-check";
import { sha256Digest } from "../model/digest.ts";
import { parseBundle, bundleReferrer } from "./bundle.ts";
import { envelopeSigner, parseEnvelope, payloadOf, sealEnvelope } from "./dsse.ts";
import { parsePublicKey } from "./public-key.ts";
import { parseSimplePayload, signatureOf, simplePayload } from "./simple-signing.ts";
import { isAbout, parseStatement, statementBytes } from "./statement.ts";
import { testKey } from "./test-image.ts";

const subject = sha256Digest("ab".repeat(32));

test("a simple-signing payload has the bytes that are documented, and reads back", () => {
  const claim = { identity: "localhost:5000/golden/base:1.0", digest: subject };
  const text = `{"critical":{"identity":{"docker-reference":"${claim.identity}"},"image":{"docker-manifest-digest":"${subject}"},"type":"cosign container image signature"},"optional":{"creator":"mintmark"}}`;
  assert.equal(simplePayload(claim).toString(), text);
  assert.deepEqual(parseSimplePayload(Buffer.from(text)), claim);
  assert.equal(parseSimplePayload(Buffer.from(text.replace('"type"', '"extra":1,"type"'))), undefined);
  assert.equal(parseSimplePayload(Buffer.from(text.replace(',"optional":{"creator":"mintmark"}', ""))), undefined);
  assert.deepEqual(parseSimplePayload(Buffer.from(text.replace('{"creator":"mintmark"}', "null"))), claim);
});

test("a signature must be standard base64", () => {
  assert.equal(signatureOf({ annotations: { "dev.cosignproject.cosign/signature": "-_-_" } }).length, 0);
  assert.equal(signatureOf({}).length, 0);
});

test("an envelope of another maker's layout reads, and never has a keyid of ours", () => {
  const key = testKey();
  const envelope = sealEnvelope(key, statementBytes({ subjects: [subject], predicateType: "t", predicate: {} }));
  assert.deepEqual(Object.keys(envelope.signatures[0]!), ["sig"]);
  const foreign = { ...envelope, signatures: [{ keyid: "", sig: "AAAA" }, ...envelope.signatures] };
  const read = parseEnvelope(Buffer.from(JSON.stringify(foreign)))!;
  assert.equal(
    envelopeSigner(
      [testKey(), key].map((made) => parsePublicKey(made.publicPem)),
      read,
    )?.id,
    key.id,
  );
});

test("a statement of 20 MB in a bundle reads back", () => {
  const key = testKey();
  const statement = statementBytes({
    subjects: [subject],
    predicateType: "t",
    predicate: { text: "x".repeat(20_000_000) },
  });
  const made = bundleReferrer(key, statement, {
    subject: { mediaType: "m", digest: subject, size: 1 },
    predicateType: "t",
    created: "2026-01-01T00:00:00Z",
  });
  const envelope = parseBundle(made.blobs[1]!.bytes)!;
  assert.ok(payloadOf(envelope).equals(statement));
  assert.equal(envelopeSigner([parsePublicKey(key.publicPem)], envelope)?.id, key.id);
});

test("no bytes make a reader throw", () => {
  const json = fc.json().map((text) => Buffer.from(text));
  const bytes = fc.oneof(
    fc.uint8Array().map((array) => Buffer.from(array)),
    json,
  );
  fc.assert(
    fc.property(bytes, (input) => {
      for (const read of [parseSimplePayload, parseStatement, parseEnvelope, parseBundle])
        assert.equal(read(input), undefined);
    }),
  );
});

test("a statement is about its subjects only", () => {
  const statement = parseStatement(
    statementBytes({ name: "n", subjects: [subject], predicateType: "t", predicate: null }),
  )!;
  assert.ok(isAbout(statement, subject));
  assert.ok(!isAbout(statement, sha256Digest("cd".repeat(32))));
});
