/** Sign-in against a real OpenLDAP server. Its entries hold what is hard: wildcards in names, doubles, odd groups. */
import assert from "node:assert/strict";
import { writeFile, mkdtemp, rm } from "node:fs/promises";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { openLdap, type LdapDirectory } from "../../src/auth/directory/ldap.ts";
import type { LdapConfig } from "../../src/config/directory-config.ts";
import { loadConfig } from "../../src/config/config.ts";
import { listAuditEvents } from "../../src/store/event-records.ts";
import { example, startSlapd, type Slapd } from "../fixtures/slapd.ts";
import { pushImage, runServer } from "../registry/running-server.ts";

const { base } = example;

function person(uid: string, rest = ""): string {
  const dn = `uid=${uid.replaceAll("*", String.raw`\2A`)},ou=people,${base}`;
  return `dn: ${dn}\nobjectClass: inetOrgPerson\nuid: ${uid}\ncn: ${uid}\nsn: ${uid}\nmail: ${uid}@example.org\nuserPassword: pass of ${uid}\n${rest}`;
}

function group(cn: string, members: readonly string[]): string {
  const lines = members.map((uid) => `member: uid=${uid},ou=people,${base}`);
  return `dn: cn=${cn},ou=groups,${base}\nobjectClass: groupOfNames\ncn: ${cn}\n${lines.join("\n")}\n`;
}

const entries = [
  `dn: ${base}\nobjectClass: dcObject\nobjectClass: organization\no: example\ndc: example\n`,
  `dn: ${example.searcher}\nobjectClass: organizationalRole\nobjectClass: simpleSecurityObject\ncn: searcher\nuserPassword: ${example.searcherPassword}\n`,
  ...["people", "groups", "guests"].map((ou) => `dn: ou=${ou},${base}\nobjectClass: organizationalUnit\nou: ${ou}\n`),
  // Put here by hand: the overlay writes it only while the server runs.
  person(
    "ada",
    ["developers", "Platform Team", "__proto__"].map((cn) => `memberOf: cn=${cn},ou=groups,${base}\n`).join(""),
  ),
  person("Bob"),
  person("s*r"),
  person("star"),
  person("jos\u00e9"),
  person("twice"),
  `dn: uid=twice,ou=guests,${base}\nobjectClass: inetOrgPerson\nuid: twice\ncn: twice\nsn: twice\nuserPassword: pass of twice\n`,
  `dn: uid=mute,ou=people,${base}\nobjectClass: inetOrgPerson\nuid: mute\ncn: mute\nsn: mute\n`,
  group("developers", ["ada", "Bob"]),
  group("Platform Team", ["ada"]),
  group("__proto__", ["ada"]),
  `dn: cn=posix,ou=groups,${base}\nobjectClass: posixGroup\ncn: posix\ngidNumber: 7\nmemberUid: ada\n`,
].join("\n");

const slapd = await startSlapd(entries);
const skip = "reason" in slapd ? `missing: ${slapd.reason}` : false;

describe("sign-in with an LDAP directory", { skip }, () => {
  const server = slapd as Slapd;
  after(async () => await server.close());

  const open = async (changes: Partial<LdapConfig> = {}): Promise<LdapDirectory> => {
    const flags = {
      "auth.ldap.url": server.url,
      "auth.ldap.bindDn": example.searcher,
      "auth.ldap.bindPassword": example.searcherPassword,
      "auth.ldap.userBase": base,
      "auth.ldap.groupBase": `ou=groups,${base}`,
      "auth.ldap.groups": { "Platform Team": "platform" },
    };
    const { auth } = await loadConfig({ flags, environment: {}, cwd: tmpdir() });
    return openLdap({ ...auth.ldap!, ...changes });
  };

  test("finds the person, proves the password, and tells the groups", async () => {
    const directory = await open({ adminGroup: "Platform Team" });
    const ada = await directory.signIn({ name: "ada", password: "pass of ada" });
    assert.match(ada?.externalId ?? "", /^[0-9a-f]{8}-[0-9a-f-]{27}$/);
    assert.deepEqual(
      { ...ada, externalId: "", groups: ada?.groups.toSorted() },
      {
        kind: "person",
        origin: "ldap",
        externalId: "",
        name: "ada",
        email: "ada@example.org",
        groups: ["__proto__", "developers", "platform", "posix"],
        isSystemAdmin: true,
      },
    );
    const bob = await directory.signIn({ name: "BOB", password: "pass of Bob" });
    assert.deepEqual([bob?.name, bob?.groups, bob?.isSystemAdmin], ["bob", ["developers"], false]);
    assert.equal((await directory.signIn({ name: "jos\u00e9", password: "pass of jos\u00e9" }))?.name, "jos\u00e9");
    const byName = await open({ adminGroup: `CN=Platform Team,ou=groups,${base}` });
    assert.equal((await byName.signIn({ name: "ada", password: "pass of ada" }))?.isSystemAdmin, true);
  });

  test("reads groups from memberOf where no place of groups is given", async () => {
    const directory = await open({ groupBase: undefined });
    const ada = await directory.signIn({ name: "ada", password: "pass of ada" });
    assert.deepEqual(ada?.groups.toSorted(), ["__proto__", "developers", "platform"]);
    assert.equal(ada?.isSystemAdmin, undefined, "no group of administrators is named, so nothing is said");
  });

  test("refuses wrong and empty passwords, strangers, doubles, and names that are filters", async () => {
    const directory = await open();
    const refused: [string, string][] = [
      ["ada", "pass of Bob"],
      ["ada", "Pass of ada"],
      ["ada", ""],
      ["ada", "pass of ada\0"],
      ["ada", "x".repeat(5000)],
      ["mute", ""],
      ["mute", "x"],
      ["nobody", "x"],
      ["twice", "pass of twice"],
      ["", "pass of ada"],
      ["*", "pass of ada"],
      ["a*", "pass of ada"],
      ["ada)(objectClass=*", "pass of ada"],
      ["*)(uid=ada))(|(uid=*", "pass of ada"],
      ["ada\n", "pass of ada"],
      ["ad\\61", "pass of ada"],
      [`uid=ada,ou=people,${base}`, "pass of ada"],
      ["searcher", example.searcherPassword],
      ["a".repeat(500), "x"],
    ];
    for (const [name, password] of refused)
      assert.equal(await directory.signIn({ name, password }), undefined, `${name} ${password}`.slice(0, 80));
    assert.equal((await directory.signIn({ name: "s*r", password: "pass of s*r" }))?.name, "s*r");
    assert.equal(await directory.signIn({ name: "s*r", password: "pass of star" }), undefined, "a star is a star");
  });

  test("speaks StartTLS and LDAPS, and sends nothing where the certificate is not trusted", async () => {
    const { caFile } = server;
    const ada = { name: "ada", password: "pass of ada" };
    assert.equal((await (await open({ startTls: true, caFile })).signIn(ada))?.name, "ada");
    assert.equal((await (await open({ url: server.secureUrl, caFile })).signIn(ada))?.name, "ada");
    for (const changes of [{ startTls: true }, { url: server.secureUrl }])
      await assert.rejects((await open(changes)).signIn(ada), {
        code: "upstream_unreachable",
        message: /self-signed certificate/,
      });
    const other = server.secureUrl.replace("127.0.0.1", "localhost");
    await assert.rejects((await open({ url: other, caFile })).signIn(ada), { message: /altnames|localhost/i });
  });

  test("says what is wrong where it may not search, and reads a password that was renewed", async () => {
    await assert.rejects((await open({ bindPassword: "wrong" })).signIn({ name: "ada", password: "x" }), {
      code: "config_invalid",
      message: /does not let "cn=searcher,dc=example,dc=org" in/,
    });
    const folder = await mkdtemp(join(tmpdir(), "ldap-password-"));
    const passwordFile = join(folder, "password");
    const directory = await open({ bindPassword: undefined, passwordFile });
    const ada = { name: "ada", password: "pass of ada" };
    await assert.rejects(directory.signIn(ada), { code: "config_invalid" });
    await writeFile(passwordFile, "old\n");
    await assert.rejects(directory.signIn(ada), { code: "config_invalid" });
    await writeFile(passwordFile, `${example.searcherPassword}\n`);
    assert.equal((await directory.signIn(ada))?.name, "ada");
    await rm(folder, { recursive: true });
    const blind = await open({ bindDn: undefined, bindPassword: undefined });
    await assert.rejects(blind.signIn(ada), { code: "config_invalid", message: /nothing to be seen/ });
  });

  test("fails clearly and at once while the directory is away, and goes on when it is back", async () => {
    const directory = await open();
    const ada = { name: "ada", password: "pass of ada" };
    await directory.check();
    await server.stop();
    await assert.rejects(directory.signIn(ada), { code: "upstream_unreachable", message: /ECONNREFUSED/ });
    await server.start();
    await assert.rejects(directory.signIn(ada), { code: "upstream_unreachable" }, "it is spared for a few seconds");
    await directory.check();
    assert.equal((await directory.signIn(ada))?.name, "ada");
    const silent = createServer(() => undefined);
    await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
    const { port } = silent.address() as AddressInfo;
    const slow = await open({ url: `ldap://127.0.0.1:${port}`, timeoutSeconds: 1 });
    await assert.rejects(slow.signIn(ada), { code: "upstream_unreachable" });
    silent.close();
  });

  test("takes many at once", async () => {
    const directory = await open();
    const results = await Promise.all(
      Array.from({ length: 30 }, (_, at) =>
        directory.signIn({ name: at % 2 === 0 ? "ada" : "bob", password: at % 2 === 0 ? "pass of ada" : "wrong" }),
      ),
    );
    assert.deepEqual(
      results.map((one) => one?.name),
      results.map((_, at) => (at % 2 === 0 ? "ada" : undefined)),
    );
  });

  test("over HTTP: people of the directory push by what their groups may, and local accounts do without it", async () => {
    const folder = await mkdtemp(join(tmpdir(), "ldap-server-"));
    const running = await runServer(join(folder, "data"), {
      MINTMARK_ANONYMOUS_READ: "false",
      MINTMARK_AUTH_LDAP_URL: server.url,
      MINTMARK_AUTH_LDAP_BIND_DN: example.searcher,
      MINTMARK_AUTH_LDAP_BIND_PASSWORD: example.searcherPassword,
      MINTMARK_AUTH_LDAP_USER_BASE: base,
      MINTMARK_AUTH_LDAP_GROUP_BASE: `ou=groups,${base}`,
    });
    const basic = (name: string, password: string): string =>
      `Basic ${Buffer.from(`${name}:${password}`).toString("base64")}`;
    const ask = async (path: string, authorization: string, body?: object): Promise<Response> =>
      await fetch(`${running.url}${path}`, {
        headers: { authorization, "content-type": "application/json" },
        ...(body === undefined ? {} : { method: "POST", body: JSON.stringify(body) }),
      });
    const { administrator } = running;
    try {
      await ask("/groups", administrator, { name: "developers", kind: "external" });
      await ask("/projects", administrator, { name: "team" });
      const member = { kind: "group", name: "developers", role: "developer" };
      assert.equal((await ask("/projects/team/members", administrator, member)).status, 200);
      const ada = basic("ada", "pass of ada");
      await pushImage({ url: running.url, administrator: ada }, "team/app", "1", Buffer.from("ada"));
      const who = (await (await ask("/whoami", basic("ADA", "pass of ada"))).json()) as Record<string, unknown>;
      assert.deepEqual([who["name"], who["groups"]], ["ada", ["developers"]]);
      const star = await fetch(`${running.url}/v2/team/app/blobs/uploads/`, {
        method: "POST",
        headers: { authorization: basic("star", "pass of star") },
      });
      assert.equal(star.status, 403, "who is in no group may do nothing");
      for (let guess = 0; guess < 5; guess++)
        assert.equal((await ask("/whoami", basic("bob", `guess ${guess}`))).status, 401);
      assert.equal((await ask("/whoami", basic("bob", "pass of Bob"))).status, 429, "guesses are slowed down here too");
      assert.equal(
        (await ask("/whoami", basic("jos\u00e9", "pass of jos\u00e9"))).status,
        400,
        "no name for an account",
      );
      await server.stop();
      const away = await ask("/whoami", basic("star", "pass of star too"));
      assert.equal(away.status, 502);
      assert.match(((await away.json()) as { detail: string }).detail, /Cannot ask the directory/);
      assert.equal((await ask("/whoami", ada)).status, 200, "remembered for a minute");
      assert.equal((await ask("/whoami", administrator)).status, 200);
      const events = JSON.stringify(await listAuditEvents(running.factory.store.db, { limit: 1000 }));
      for (const method of ["sign-in.succeeded", '"method":"directory"', "sign-in.failed"])
        assert.ok(events.includes(method), method);
      assert.ok(!events.includes("pass of"));
    } finally {
      await server.start();
      await running.close();
      await rm(folder, { recursive: true });
    }
  });
});
