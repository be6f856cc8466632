import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { EqualityFilter, FilterParser } from "ldapts";
import { escapeFilterValue, fillFilter, firstValueOf } from "./ldap-filter.ts";

test("whatever is typed stays one value of the filter", () => {
  assert.equal(fillFilter("(uid={user})", { user: "*)(uid=*" }), String.raw`(uid=\2a\29\28uid=\2a)`);
  assert.equal(escapeFilterValue("a\0\\é"), String.raw`a\00\5cé`);
  assert.equal(
    fillFilter("(&(a={user})(b={dn})(c={other}))", { user: "{dn}", dn: "$&$1" }),
    "(&(a={dn})(b=$&$1)(c={other}))",
  );
  fc.assert(
    fc.property(fc.string({ unit: "grapheme" }), (user) => {
      const filter = FilterParser.parseString(fillFilter("(uid={user})", { user }));
      assert.ok(filter instanceof EqualityFilter);
      assert.equal(filter.value, user);
    }),
  );
});

test("filters of Active Directory are understood", () => {
  const dn = "CN=Ada \\28Ops\\29,OU=People,DC=example,DC=org";
  const user = fillFilter(
    "(&(objectCategory=person)(objectClass=user)(sAMAccountName={user})(!(userAccountControl:1.2.840.113556.1.4.803:=2)))",
    { user: "ada" },
  );
  const groups = fillFilter("(member:1.2.840.113556.1.4.1941:={dn})", { dn });
  assert.match(FilterParser.parseString(user).toString(), /sAMAccountName=ada/);
  const parsed = FilterParser.parseString(groups) as unknown as { rule: string; matchType: string; value: string };
  assert.deepEqual([parsed.matchType, parsed.rule, parsed.value], ["member", "1.2.840.113556.1.4.1941", dn]);
});

test("the first value of a distinguished name is read with its escapes", () => {
  const expected: [string, string | undefined][] = [
    ["CN=Domain Admins,CN=Users,DC=example,DC=org", "Domain Admins"],
    ["cn=dev", "dev"],
    [String.raw`CN=Smith\, Jones,DC=x`, "Smith, Jones"],
    [String.raw`CN=Caf\C3\A9\2C,DC=x`, "Café,"],
    [String.raw`CN=a\+b+OU=c,DC=x`, "a+b"],
    [String.raw`CN=end\ ,DC=x`, "end "],
    ["CN = dev , DC=x", "dev"],
    ["OU=dev,DC=x", undefined],
    ["", undefined],
    ["CN", undefined],
    ["CN=,DC=x", ""],
  ];
  for (const [name, value] of expected) assert.equal(firstValueOf(name, "cn"), value, name);
});
