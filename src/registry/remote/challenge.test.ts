import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { parseChallenge } from "./challenge.ts";

test("what a 401 asks for is read, Bearer before Basic", () => {
  assert.deepEqual(
    parseChallenge(
      'Bearer realm="https://a.example/token",service="a.example",scope="repository:a:pull repository:b:pull"',
    ),
    {
      scheme: "bearer",
      realm: "https://a.example/token",
      service: "a.example",
      scope: "repository:a:pull repository:b:pull",
    },
  );
  assert.deepEqual(parseChallenge('Basic realm="a", Bearer realm="https://a.example/"'), {
    scheme: "bearer",
    realm: "https://a.example/",
    service: undefined,
    scope: undefined,
  });
  assert.deepEqual(parseChallenge('bearer REALM=https://a.example/t , error="invalid \\"token\\""')?.scheme, "bearer");
  assert.deepEqual(parseChallenge("Basic"), { scheme: "basic" });
  for (const none of [undefined, "", "Negotiate", 'Bearer service="a"', "=,=,"])
    assert.equal(parseChallenge(none), undefined);
});

test("no header takes long or throws", () => {
  fc.assert(
    fc.property(
      fc.string({
        unit: fc.constantFrom("Bearer ", "Basic ", "realm", "=", '"', "\\", ",", " ", ":", "/", "\0", "é"),
        maxLength: 9000,
      }),
      (header) => {
        parseChallenge(header);
      },
    ),
    { numRuns: 200 },
  );
});
