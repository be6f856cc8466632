import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { loadConfig } from "./config.ts";
import type { AuthConfig } from "./directory-config.ts";
import { explainConfig } from "./explain.ts";

const load = async (environment: Readonly<Record<string, string>>): Promise<AuthConfig> =>
  (await loadConfig({ flags: {}, environment, cwd: tmpdir() })).auth;

const ldap = { MINTMARK_AUTH_LDAP_URL: "ldaps://ldap.example.org", MINTMARK_AUTH_LDAP_USER_BASE: "dc=example,dc=org" };

describe("the configuration of who signs in from outside", () => {
  test("is nobody by default", async () => {
    const { auth, limits } = await loadConfig({ flags: {}, environment: {}, cwd: tmpdir() });
    assert.deepEqual(auth, { oidc: { issuers: [] }, ldap: undefined });
    assert.deepEqual(limits.requestsPerMinute, { address: undefined, identity: undefined });
  });

  test("reads a directory with its defaults, and hides its password", async () => {
    const environment = {
      ...ldap,
      MINTMARK_AUTH_LDAP_BIND_DN: "cn=searcher",
      MINTMARK_AUTH_LDAP_BIND_PASSWORD: "a secret",
    };
    const auth = await load(environment);
    assert.equal(auth.ldap?.userFilter, "(uid={user})");
    assert.equal(auth.ldap?.bindPassword, "a secret");
    assert.equal(auth.ldap?.timeoutSeconds, 5);
    assert.ok(!JSON.stringify(await explainConfig({ flags: {}, environment, cwd: tmpdir() })).includes("a secret"));
  });

  test("refuses what does not go together", async () => {
    const wrong: [Record<string, string>, RegExp][] = [
      [{ MINTMARK_AUTH_LDAP_URL: ldap.MINTMARK_AUTH_LDAP_URL }, /auth\.ldap\.userBase is not/],
      [{ ...ldap, MINTMARK_AUTH_LDAP_START_TLS: "yes" }, /startTls is for ldap:/],
      [{ ...ldap, MINTMARK_AUTH_LDAP_BIND_DN: "cn=a" }, /its password go together/],
      [{ ...ldap, MINTMARK_AUTH_LDAP_BIND_PASSWORD: "a" }, /its password go together/],
      [{ ...ldap, MINTMARK_AUTH_LDAP_URL: "http://ldap.example.org" }, /auth\.ldap\.url/],
      [{ ...ldap, MINTMARK_AUTH_LDAP_URL: "ldap://ada@ldap.example.org" }, /must be ldap:/],
      [{ ...ldap, MINTMARK_AUTH_LDAP_USER_FILTER: "(uid=ada)" }, /must be a filter in parentheses with \{user\}/],
      [{ ...ldap, MINTMARK_AUTH_LDAP_USER_FILTER: "uid={user}" }, /must be a filter/],
      [{ ...ldap, MINTMARK_AUTH_LDAP_NAME_ATTRIBUTE: "a)(b" }, /must be the name of an attribute/],
      [{ MINTMARK_AUTH_OIDC_ISSUERS: "[{name: a, issuer: 'http://ci.example.org'}]" }, /must be https/],
      [{ MINTMARK_LIMITS_REQUESTS_PER_MINUTE_ADDRESS: "-1" }, /requestsPerMinute\.address/],
    ];
    for (const [environment, message] of wrong)
      await assert.rejects(load(environment), { code: "config_invalid", message }, JSON.stringify(environment));
  });

  test("reads issuers from a file", async () => {
    const folder = await mkdtemp(join(tmpdir(), "directory-config-"));
    const file = join(folder, "mintmark.yaml");
    const text = `
auth:
  oidc:
    issuers:
      - name: ci
        issuer: https://ci.example.org
        audience: mintmark
        rules:
          - match: { sub: "repo:team/*:ref:refs/heads/main", environment: [release, staging] }
            grants:
              - { project: team, role: developer }
limits:
  requestsPerMinute:
    address: 600
`;
    await writeFile(file, text);
    const { auth, limits } = await loadConfig({ flags: {}, environment: {}, file });
    const [issuer] = auth.oidc.issuers;
    assert.deepEqual(issuer?.rules[0]?.match, {
      sub: ["repo:team/*:ref:refs/heads/main"],
      environment: ["release", "staging"],
    });
    assert.deepEqual(
      [issuer?.audience, issuer?.maxTokenAgeSeconds, issuer?.nameClaim],
      [["mintmark"], 3600, "preferred_username"],
    );
    assert.equal(limits.requestsPerMinute.address, 600);
    await rm(folder, { recursive: true });
  });
});
