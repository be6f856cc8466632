import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import fc from "fast-check";
import { shiftClock } from "../base/clock.ts";
import { isRepository } from "../model/reference.ts";
import { readScopes, readToken, signToken } from "./token.ts";

const claims = {
  subject: "robot$ci",
  audience: "mintmark",
  access: [{ repository: "team/app", actions: ["pull" as const] }],
  catalog: true,
  binding: "b",
};

test("a token is read back by its key and audience, while it lasts", () => {
  const key = randomBytes(32);
  const token = signToken(key, claims, 300);
  assert.deepEqual(readToken(key, token, "mintmark"), claims);
  assert.equal(readToken(randomBytes(32), token, "mintmark"), undefined);
  assert.equal(readToken(key, token, "other"), undefined);
  for (const ms of [301_000, -5000]) {
    shiftClock(ms);
    try {
      assert.equal(readToken(key, token, "mintmark"), undefined);
    } finally {
      shiftClock(-ms);
    }
  }
  const none = Buffer.from(JSON.stringify({ alg: "none" })).toString("base64url");
  assert.equal(readToken(key, `${none}.${token.split(".")[1]}.`, "mintmark"), undefined);
});

test("no change of a character leaves a token valid", () => {
  const key = randomBytes(32);
  const token = signToken(key, claims, 300);
  fc.assert(
    fc.property(fc.nat(token.length - 1), fc.constantFrom(..."ABab01-_.".split("")), (at, letter) => {
      const changed = token.slice(0, at) + letter + token.slice(at + 1);
      return changed === token || readToken(key, changed, "mintmark") === undefined;
    }),
  );
  fc.assert(fc.property(fc.string(), (text) => readToken(key, text, "mintmark") === undefined));
});

test("scopes are repositories with known actions, each once", () => {
  assert.deepEqual(readScopes(["repository:a:push,pull repository:b/c:*", "repository:a:delete,pull,fly"]), {
    repositories: [
      { repository: "a", actions: ["pull", "push", "delete"] },
      { repository: "b/c", actions: ["pull", "push", "delete"] },
    ],
    catalog: false,
  });
  assert.equal(readScopes(["registry:catalog:*"]).catalog, true);
  assert.equal(readScopes(["registry:catalog:pull", "registry:other:*"]).catalog, false);
  const part = fc.constantFrom("repository", "registry", ":", "*", "a", "/", "pull", ",", " ", "..", "(plugin)");
  fc.assert(
    fc.property(fc.array(fc.array(part).map((parts) => parts.join(""))), (scopes) =>
      readScopes(scopes).repositories.every(({ repository }) => isRepository(repository)),
    ),
  );
});
