import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { ambiguousKey } from "./json-keys.ts";

describe("ambiguous keys", () => {
  const refused: readonly (readonly [text: string, key: string])[] = [
    ['{"layers":[1],"layers":[2]}', "layers"],
    ['{"layers":[1],"Layers":[2]}', "Layers"],
    ['{"LAYERS":[2]}', "LAYERS"],
    ['{"layer\\u017f":[2]}', "layer\u017f"],
    ['{"layer\u017f":[2]}', "layer\u017f"],
    ['{"layers":[{"digest":"a","size":1,"d\\u0069gest":"b"}]}', "digest"],
    ['{"layers":[[],{"Digest":"a"}]}', "Digest"],
    ['{"annotations":{"a":"1","a":"2"}}', "a"],
    ['{"x":{"y":1,"Y":2}}', "Y"],
    ['{"layers":[{"annotations":{}},{"Digest":"a"}]}', "Digest"],
    ['{"annotations":{"a":{}},"Config":{}}', "Config"],
    ['{"__proto__":1,"__proto__":2}', "__proto__"],
    ['{"a":"\\\\","a":1}', "a"],
    ['{"a":"\\"","a":1}', "a"],
  ];
  for (const [text, key] of refused)
    test(`finds ${key} in ${text}`, () => {
      JSON.parse(text);
      assert.equal(ambiguousKey(text), key);
    });

  test("lets be what every client reads alike", () => {
    for (const text of [
      "[]",
      '"a"',
      '{"a":"{\\"a\\":1,\\"a\\":2}","b":["a","a"],"c":{"a":1},"d":[{"a":1},{"a":1}]}',
      '{"annotations":{"Digest":"x","digest":"y"},"layers":[{"annotations":{"a":"1","A":"2"},"digest":"z"}]}',
      '{"a" : {} , "b" :[ { } , { } ]}',
    ])
      assert.equal(ambiguousKey(text), undefined, text);
  });

  test("finds nothing in what JSON.stringify makes of distinct keys, whatever is in it", () => {
    fc.assert(
      fc.property(
        fc.dictionary(
          fc.string().map((key) => `x${key}`),
          fc.jsonValue(),
        ),
        (annotations) => {
          assert.equal(ambiguousKey(JSON.stringify({ layers: [], annotations })), undefined);
        },
      ),
    );
  });

  test("takes four megabytes of the worst in well under a second", () => {
    const size = 4 * 1024 * 1024;
    for (const text of [
      `${"[".repeat(size / 2)}${"]".repeat(size / 2)}`,
      `{"a":"${"\\\\".repeat(size / 2)}"}`,
      `{${Array.from({ length: size / 16 }, (_, at) => `"k${at}":{}`).join(",")}}`,
    ]) {
      const start = process.hrtime.bigint();
      ambiguousKey(text);
      assert.ok(process.hrtime.bigint() - start < 2_000_000_000n);
    }
  });
});
