import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { it } from "node:test";
import { canonicalKeystore } from "./java-keystore.ts";

function keystore(
  entries: readonly { readonly alias: string; readonly date: bigint }[],
  password = "changeit",
): Buffer {
  const head = Buffer.alloc(12);
  head.writeUInt32BE(0xfeedfeed, 0);
  head.writeUInt32BE(2, 4);
  head.writeUInt32BE(entries.length, 8);
  const text = (value: string): Buffer => Buffer.concat([Buffer.from([0, value.length]), Buffer.from(value)]);
  const parts = entries.map(({ alias, date }) => {
    const time = Buffer.alloc(8);
    time.writeBigUInt64BE(date);
    return Buffer.concat([Buffer.from([0, 0, 0, 2]), text(alias), time, text("X.509"), Buffer.from([0, 0, 0, 1, 7])]);
  });
  const body = Buffer.concat([head, ...parts]);
  const secret = Buffer.from(password, "utf16le").swap16();
  return Buffer.concat([body, createHash("sha1").update(secret).update("Mighty Aphrodite").update(body).digest()]);
}

it("makes two stores of the same certificates equal", () => {
  const one = keystore([
    { alias: "b", date: 5n },
    { alias: "a", date: 9n },
  ]);
  const two = keystore([
    { alias: "a", date: 77n },
    { alias: "b", date: 78n },
  ]);
  assert.deepEqual(canonicalKeystore(one, 3), canonicalKeystore(two, 3));
  assert.deepEqual(
    canonicalKeystore(one, 3),
    keystore([
      { alias: "a", date: 3000n },
      { alias: "b", date: 3000n },
    ]),
  );
});

it("leaves alone what it cannot seal again", () => {
  assert.equal(canonicalKeystore(keystore([{ alias: "a", date: 1n }], "secret"), 3), undefined);
  assert.equal(canonicalKeystore(Buffer.from("no keystore at all, but long enough to be one"), 3), undefined);
});
