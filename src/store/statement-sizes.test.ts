import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { evenParts, padded } from "./statement-sizes.ts";

const isPower = (size: number): boolean => size > 0 && (size & (size - 1)) === 0;

test("a padded list has the same members, and a power of two of them", () => {
  assert.deepEqual(padded([]), []);
  fc.assert(
    fc.property(fc.array(fc.integer(), { minLength: 1, maxLength: 300 }), (items) => {
      const list = padded(items);
      assert.ok(isPower(list.length) && list.length < items.length * 2);
      assert.deepEqual(new Set(list), new Set(items));
    }),
  );
});

test("even parts are all rows in their order, in sizes that are powers of two", () => {
  fc.assert(
    fc.property(fc.array(fc.integer(), { maxLength: 300 }), (rows) => {
      const parts = [...evenParts(rows, 64)];
      assert.deepEqual(parts.flat(), rows);
      assert.ok(parts.every((part) => isPower(part.length) && part.length <= 64));
    }),
  );
});
