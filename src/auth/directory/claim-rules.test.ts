import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { oidcIssuersSchema } from "../../config/directory-values.ts";
import { builtInRoles } from "../../model/permission.ts";
import { fitsPattern } from "./claim-pattern.ts";
import { applyRules, claimAt } from "./claim-rules.ts";

describe("patterns of claims", () => {
  test("a star stays within a part, two stars do not", () => {
    const main = "repo:team/*:ref:refs/heads/main";
    assert.ok(fitsPattern(main, "repo:team/app:ref:refs/heads/main"));
    for (const text of [
      "repo:team/app:ref:refs/heads/main2",
      "xrepo:team/app:ref:refs/heads/main",
      "repo:team/app:ref:refs/heads/x:ref:refs/heads/main",
      "repo:team/app/deeper:ref:refs/heads/main",
      "repo:team-evil/app:ref:refs/heads/main",
      "repo:team/app:REF:refs/heads/main",
      "repo:team/app:ref:refs/heads/main\n",
    ])
      assert.ok(!fitsPattern(main, text), text);
    assert.ok(fitsPattern("repo:team/**", "repo:team/app:ref:refs/heads/a/b"));
    assert.ok(fitsPattern("**", ""));
    assert.ok(fitsPattern("a*", "a"));
    assert.ok(!fitsPattern("", "a"));
    assert.ok(fitsPattern("*é😀", "x😀é😀"));
    assert.ok(fitsPattern("a.c", "a.c") && !fitsPattern("a.c", "abc"), "no regular expression");
  });

  test("a text fits itself, and a pattern without stars nothing else", () => {
    const plain = fc.string().filter((text) => !text.includes("*"));
    fc.assert(fc.property(plain, (text) => fitsPattern(text, text) && fitsPattern("**", text)));
    fc.assert(fc.property(plain, plain, (a, b) => fitsPattern(a, b) === (a === b)));
    fc.assert(
      fc.property(plain, plain, plain, (a, b, c) => {
        assert.ok(fitsPattern(`${a}**${c}`, a + b + c));
        assert.equal(fitsPattern(`${a}*${c}`, a + b + c) || /[/:]/.test(b), true);
      }),
    );
  });

  test("many stars and a long text take no time", () => {
    assert.ok(!fitsPattern(`${"**a".repeat(60)}b`, "a".repeat(2000)));
  });
});

const base = { name: "ci", issuer: "https://ci.example.org", audience: "mintmark" };
const grants = [{ repository: "team/*", actions: ["pull", "push"] as const }];

describe("rules", () => {
  test("give the grants of all that fit, or the robot of the first", () => {
    const [issuer] = oidcIssuersSchema.parse([
      {
        ...base,
        rules: [
          { match: { sub: "repo:team/*", protected: "true" }, grants },
          { match: { sub: ["repo:other/*", "repo:team/app"] }, grants: [{ project: "shared", role: "guest" }] },
          { match: { sub: "repo:robots/*" }, robot: "aibox-ci" },
          { match: { sub: "**", "realm_access.roles": "pusher" }, grants },
        ],
      },
    ]);
    const { rules } = issuer!;
    const shared = { repository: "shared/**", actions: builtInRoles.guest };
    assert.deepEqual(applyRules(rules, { sub: "repo:team/app", protected: true }), { grants: [...grants, shared] });
    assert.deepEqual(applyRules(rules, { sub: "repo:team/app", protected: "false" }), { grants: [shared] });
    assert.deepEqual(applyRules(rules, { sub: "repo:robots/x" }), { robot: "aibox-ci" });
    assert.deepEqual(applyRules(rules, { sub: "x", realm_access: { roles: ["reader", "pusher"] } }), { grants });
    assert.equal(applyRules(rules, { sub: "repo:team/lib", protected: null }), undefined);
    assert.equal(applyRules(rules, {}), undefined);
    assert.equal(applyRules(rules, { sub: { toString: "repo:team/app" } }), undefined);
    assert.equal(applyRules(rules, { sub: `repo:team/${"x".repeat(3000)}`, protected: true }), undefined);
  });

  test("find no claim that the token does not hold", () => {
    const claims = JSON.parse('{"a": {"b": 1}, "a.c": 2, "__proto__": {"admin": true}}') as Record<string, unknown>;
    assert.equal(claimAt(claims, "a.b"), 1);
    assert.equal(claimAt(claims, "a.c"), 2);
    for (const name of ["constructor", "a.constructor", "toString", "admin", "a.b.c", "a."])
      assert.equal(claimAt(claims, name), undefined, name);
  });
});

test("an issuer's configuration that would trust too much is refused", () => {
  const rule = { match: { sub: "x" }, grants };
  const wrong: Record<string, object> = {
    "no audience": { name: "ci", issuer: base.issuer, rules: [rule] },
    "plain http": { ...base, issuer: "http://ci.example.org", rules: [rule] },
    "plain http for the keys": { ...base, jwksUrl: "http://10.0.0.1/keys", rules: [rule] },
    "a name that only looks like this machine's": { ...base, issuer: "http://127.0.0.1.example.org", rules: [rule] },
    "nothing to match": { ...base, rules: [{ match: {}, grants }] },
    "nothing granted": { ...base, rules: [{ match: { sub: "x" } }] },
    "a robot and grants": { ...base, rules: [{ ...rule, robot: "ci" }] },
    "neither rules nor login": base,
    "an unknown role": { ...base, rules: [{ match: { sub: "x" }, grants: [{ project: "a", role: "root" }] }] },
    "a login without openid": { ...base, login: { clientId: "m", scopes: ["email"] } },
    "a misspelt key": { ...base, rules: [rule], audiences: "x" },
  };
  for (const [about, issuer] of Object.entries(wrong))
    assert.equal(oidcIssuersSchema.safeParse([issuer]).success, false, about);
  const good = { ...base, rules: [rule] };
  assert.ok(oidcIssuersSchema.safeParse([good]).success);
  assert.ok(oidcIssuersSchema.safeParse([{ ...good, issuer: "http://127.0.0.1:8080/realm" }]).success);
  assert.ok(!oidcIssuersSchema.safeParse([good, good]).success, "twice the same");
});
