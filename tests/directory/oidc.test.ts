/** People and machines who sign in with tokens of an issuer, over HTTP, with a real issuer and a real server. */
import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { startTestIssuer, testClient, type TestIssuer } from "../../src/auth/directory/test-issuer.ts";
import { nowMs } from "../../src/base/clock.ts";
import { listAuditEvents } from "../../src/store/event-records.ts";
import { digestOf, pushImage, runServer, type RunningServer } from "../registry/running-server.ts";
import { openBrowser, type Browser } from "./browser.ts";

const sub = "repo:team/app:ref:refs/heads/main";

let folder: string;
let issuer: TestIssuer;
let server: RunningServer;
/** What was opened, in that order: where something fails on the way, the rest is closed all the same. */
const open: (() => Promise<void>)[] = [];

const basic = (name: string, password: string): string =>
  `Basic ${Buffer.from(`${name}:${password}`).toString("base64")}`;
interface Asking {
  readonly method?: string;
  readonly body?: string;
  readonly headers?: Readonly<Record<string, string>>;
}
const ask = async (path: string, authorization: string, { headers, ...init }: Asking = {}): Promise<Response> =>
  await fetch(`${server.url}${path}`, { ...init, headers: { ...headers, authorization } });
const post = async (path: string, body: object): Promise<Response> =>
  await ask(path, server.administrator, {
    method: "POST",
    body: JSON.stringify(body),
    headers: { "content-type": "application/json" },
  });
const signedIn = async (person: Readonly<Record<string, unknown>>): Promise<Browser> => {
  issuer.person = person;
  const browser = openBrowser();
  const { response } = await browser.follow(`${server.url}/auth/oidc/company/login?return_to=/whoami`);
  assert.equal(response.status, 200, await response.clone().text());
  return browser;
};

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "oidc-"));
  open.push(async () => await rm(folder, { recursive: true }));
  issuer = await startTestIssuer();
  open.push(async () => await issuer.close());
  const clientSecretFile = join(folder, "client-secret");
  await writeFile(clientSecretFile, `${testClient.secret}\n`);
  const issuers = [
    {
      name: "company",
      issuer: issuer.url,
      audience: "mintmark-ci",
      rules: [
        {
          match: { sub: "repo:team/*:ref:refs/heads/main" },
          grants: [{ repository: "team/**", actions: ["pull", "push"] }],
        },
        { match: { sub: "repo:robots/**" }, robot: "deploy" },
      ],
      groups: { "Dev Team": "developers" },
      login: { clientId: testClient.id, clientSecretFile, adminGroup: "admins", allowedGroups: ["staff", "admins"] },
    },
  ];
  server = await runServer(join(folder, "data"), {
    MINTMARK_AUTH_OIDC_ISSUERS: JSON.stringify(issuers),
    MINTMARK_ANONYMOUS_READ: "false",
  });
  open.push(async () => await server.close());
});

after(async () => {
  for (const close of open.toReversed()) await close();
});

describe("workloads", () => {
  const token = async (claims: object = {}): Promise<string> =>
    await issuer.sign({ sub, aud: "mintmark-ci", ...claims });
  const registryToken = async (password: string, scope: string, name = "oidc"): Promise<Response> =>
    await ask(`/v2/_token?service=mintmark&scope=${scope}`, basic(name, password));

  test("push and pull without any secret of ours, within what the rules give", async () => {
    const mine = await token();
    const who = (await (await ask("/whoami", `Bearer ${mine}`)).json()) as Record<string, unknown>;
    assert.equal(who["name"], `oidc:company:${sub}`);
    assert.equal(who["role"], "robot");
    await pushImage({ url: server.url, administrator: basic("oidc", mine) }, "team/app", "1", Buffer.from("one"));
    const answer = await registryToken(mine, "repository:team/app:pull,push,delete repository:other/app:pull,push");
    assert.equal(answer.status, 200);
    const { token: forRegistry } = (await answer.json()) as { token: string };
    const pulled = await ask("/v2/team/app/manifests/1", `Bearer ${forRegistry}`);
    assert.equal(pulled.status, 200);
    const manifest = Buffer.from(await pulled.arrayBuffer());
    assert.equal(pulled.headers.get("docker-content-digest"), digestOf(manifest));
    const uploads = async (repository: string, how: string): Promise<number> =>
      (await ask(`/v2/${repository}/blobs/uploads/`, how, { method: "POST" })).status;
    assert.equal(await uploads("team/app", `Bearer ${forRegistry}`), 202);
    assert.equal(await uploads("other/app", `Bearer ${forRegistry}`), 401);
    assert.equal(await uploads("other/app", `Bearer ${mine}`), 401);
    assert.equal((await ask("/v2/team/app/manifests/1", basic("oidc", mine), { method: "DELETE" })).status, 403);
    assert.equal((await ask("/robots", `Bearer ${mine}`)).status, 403);
  });

  test("act as a robot that exists here, and not as one that does not", async () => {
    const mine = await token({ sub: "repo:robots/x" });
    assert.equal((await ask("/whoami", `Bearer ${mine}`)).status, 401);
    const robot = {
      name: "deploy",
      permissions: [{ repository: "team/*", actions: ["pull"] }],
      expiresAt: "2999-01-01T00:00:00Z",
    };
    const made = await post("/robots", robot);
    assert.equal(made.status, 201, await made.clone().text());
    assert.equal(((await (await ask("/whoami", `Bearer ${mine}`)).json()) as { name: string }).name, "robot$deploy");
    assert.equal((await registryToken(mine, "repository:team/app:pull", "robot$deploy")).status, 200);
    assert.equal((await registryToken(mine, "repository:team/app:pull", "robot$other")).status, 401);
  });

  test("are refused with what has ended, is for others, or nobody signed; and lock nobody out by it", async () => {
    const now = Math.floor(nowMs() / 1000);
    const bad = [
      await token({ exp: now - 120, iat: now - 300 }),
      await token({ aud: "mintmark" }),
      await token({ sub: "repo:evil/app:ref:refs/heads/main" }),
      `${(await token()).split(".").slice(0, 2).join(".")}.`,
    ];
    for (const text of [...bad, ...bad, ...bad]) {
      assert.equal((await ask("/whoami", `Bearer ${text}`)).status, 401);
      assert.equal((await registryToken(text, "repository:team/app:pull")).status, 401);
    }
    assert.equal((await registryToken(await token(), "repository:team/app:pull")).status, 200);
    const events = await listAuditEvents(server.factory.store.db, { limit: 1000 });
    const reasons = events.filter(({ action }) => action === "sign-in.failed").map(({ details }) => details["reason"]);
    assert.ok(reasons.includes("it has ended"));
    assert.ok(reasons.includes("no rule fits its claims"));
    for (const text of bad) assert.ok(!JSON.stringify(events).includes(text));
  });

  test("get an answer that says so where the issuer is away, and accounts of our own still sign in", async () => {
    const other = await startTestIssuer();
    const away = await runServer(join(folder, "away"), {
      MINTMARK_AUTH_OIDC_ISSUERS: JSON.stringify([
        { name: "gone", issuer: other.url, audience: "a", rules: [{ match: { sub: "**" }, robot: "deploy" }] },
      ]),
    });
    const mine = await other.sign({ sub, aud: "a" });
    await other.close();
    const answer = await fetch(`${away.url}/whoami`, { headers: { authorization: `Bearer ${mine}` } });
    assert.equal(answer.status, 502);
    assert.match(((await answer.json()) as { detail: string }).detail, /Cannot ask the issuer "http:/);
    const admin = await fetch(`${away.url}/whoami`, { headers: { authorization: away.administrator } });
    assert.equal(admin.status, 200);
    await away.close();
  });
});

describe("people with a browser", () => {
  test("sign in at the issuer, get an account, and make a token for docker login", async () => {
    await post("/groups", { name: "developers", kind: "external" });
    await post("/projects", { name: "shared" });
    const member = await post("/projects/shared/members", { kind: "group", name: "developers", role: "developer" });
    assert.equal(member.status, 200, await member.clone().text());
    const person = { sub: "u-1", preferred_username: "Ada", email: "ada@example.org", groups: ["staff", "Dev Team"] };
    const browser = await signedIn(person);
    const [session = "", ...more] = browser.cookies();
    assert.match(session, /^mintmark-session=mms_[\w-]{43}$/);
    assert.deepEqual(more, [], "the cookie of the way is gone");
    const who = (await (await browser.visit(`${server.url}/whoami`)).json()) as Record<string, unknown>;
    assert.deepEqual([who["name"], who["role"], who["groups"]], ["ada", "person", ["developers"]]);
    const wish = { label: "laptop", expiresAt: new Date(nowMs() + 86_400_000).toISOString() };
    const made = await fetch(`${server.url}/tokens`, {
      method: "POST",
      body: JSON.stringify(wish),
      headers: { cookie: session, origin: server.url, "content-type": "application/json" },
    });
    assert.equal(made.status, 201, await made.clone().text());
    const { secret } = (await made.json()) as { secret: string };
    await pushImage({ url: server.url, administrator: basic("ada", secret) }, "shared/app", "1", Buffer.from("ada"));
    assert.equal((await ask("/whoami", basic("ada", ""))).status, 401);
    assert.equal((await ask("/whoami", basic("ada", "ada"))).status, 401, "there is no password");
    const again = await signedIn({ ...person, preferred_username: "renamed", groups: ["staff"] });
    const now = (await (await again.visit(`${server.url}/whoami`)).json()) as Record<string, unknown>;
    assert.deepEqual([now["name"], now["groups"]], ["ada", []], "the same person, in other groups");
    const events = await listAuditEvents(server.factory.store.db, { limit: 1000 });
    const found = events.find(({ action, actor }) => action === "sign-in.succeeded" && actor === "ada");
    assert.deepEqual(found?.details, { method: "oidc", issuer: "company" });
    for (const text of [session.split("=")[1]!, secret]) assert.ok(!JSON.stringify(events).includes(text));
  });

  test("administrate by a group of the issuer's, as long as they are in it", async () => {
    const root = { sub: "u-2", preferred_username: "grace", groups: ["admins"] };
    assert.equal((await (await signedIn(root)).visit(`${server.url}/robots`)).status, 200);
    const later = await signedIn({ ...root, groups: ["staff"] });
    assert.equal((await later.visit(`${server.url}/robots`)).status, 403);
  });

  test("sign out, and are out at once where the account is disabled or the session has ended", async () => {
    const person = { sub: "u-3", preferred_username: "eve", groups: ["staff"] };
    const browser = await signedIn(person);
    const [cookie = ""] = browser.cookies();
    const forged = await browser.visit(`${server.url}/auth/sign-out`, {
      method: "POST",
      headers: { origin: "https://evil.example.org" },
    });
    assert.equal(forged.status, 403);
    const out = await browser.visit(`${server.url}/auth/sign-out`, {
      method: "POST",
      headers: { "x-mintmark-request": "1" },
    });
    assert.equal(out.status, 204);
    const trail = await (await ask("/audit?action=sign-in.ended", server.administrator)).text();
    assert.match(trail, /"actor":"eve"/);
    assert.deepEqual(browser.cookies(), []);
    assert.equal((await fetch(`${server.url}/whoami`, { headers: { cookie } })).status, 401, "the old cookie is dead");
    const back = await signedIn(person);
    const disabled = await ask("/accounts/eve", server.administrator, {
      method: "POST",
      body: JSON.stringify({ disabled: true }),
      headers: { "content-type": "application/json" },
    });
    assert.equal(disabled.status, 200, await disabled.clone().text());
    assert.equal((await back.visit(`${server.url}/whoami`)).status, 401);
    issuer.person = person;
    const { response } = await openBrowser().follow(`${server.url}/auth/oidc/company/login`);
    assert.equal(response.status, 403);
  });

  test("cannot be made to change something by another site's page", async () => {
    const [cookie = ""] = (await signedIn({ sub: "u-4", preferred_username: "root", groups: ["admins"] })).cookies();
    const make = async (headers: Readonly<Record<string, string>>): Promise<number> => {
      const body = JSON.stringify({ name: "made", kind: "external" });
      const init = { method: "POST", body, headers: { cookie, "content-type": "application/json", ...headers } };
      return (await fetch(`${server.url}/groups`, init)).status;
    };
    assert.equal(await make({ origin: "https://evil.example.org" }), 403);
    assert.equal(await make({ origin: "null" }), 403);
    assert.equal(await make({ origin: `${server.url}.evil.example.org` }), 403);
    assert.equal(await make({ "sec-fetch-site": "same-site" }), 403);
    assert.equal(await make({ "sec-fetch-site": "cross-site", "x-mintmark-request": "1" }), 403);
    assert.equal(await make({}), 403);
    assert.equal(await make({ origin: server.url }), 201);
    assert.equal(await make({ "sec-fetch-site": "same-origin" }), 409);
    assert.equal(await make({ "x-mintmark-request": "1" }), 409);
    const twice = await fetch(`${server.url}/whoami`, { headers: { cookie: `${cookie}; mintmark-session=other` } });
    assert.equal(twice.status, 401);
    const pushed = await fetch(`${server.url}/v2/team/app/blobs/uploads/`, {
      method: "POST",
      headers: { cookie, origin: server.url },
    });
    assert.equal(pushed.status, 401, "cookies are not for the registry");
  });
});

describe("a way to the issuer and back", () => {
  const person = { sub: "u-9", preferred_username: "zoe", groups: ["staff"] };
  /** Goes to the issuer and stops at the address it sends back to. */
  const goThere = async (browser: Browser, returnTo = "/whoami"): Promise<string> => {
    const start = `${server.url}/auth/oidc/company/login?return_to=${encodeURIComponent(returnTo)}`;
    const there = (await browser.visit(start)).headers.get("location")!;
    return (await browser.visit(there)).headers.get("location")!;
  };
  const refused = async (browser: Browser, url: string, reason: RegExp): Promise<void> => {
    const response = await browser.visit(url);
    assert.equal(response.status, 403, url);
    assert.match(((await response.json()) as { detail: string }).detail, reason);
    assert.ok(!browser.cookies().some((cookie) => cookie.startsWith("mintmark-session=")));
  };

  test("carries PKCE, state and nonce, and is protected from scripts and other sites", async () => {
    const response = await openBrowser().visit(`${server.url}/auth/oidc/company/login`);
    assert.equal(response.status, 303);
    const query = new URL(response.headers.get("location")!).searchParams;
    assert.equal(query.get("redirect_uri"), `${server.url}/auth/oidc/company/callback`);
    assert.equal(query.get("code_challenge_method"), "S256");
    for (const name of ["state", "nonce", "code_challenge"]) assert.match(query.get(name)!, /^[\w-]{32,}$/);
    const cookie = response.headers.get("set-cookie")!;
    assert.match(cookie, /; Path=\/auth\/oidc\/; Max-Age=600; HttpOnly; SameSite=Lax$/);
    for (const name of ["state", "nonce"]) assert.ok(!cookie.includes(query.get(name)!), "sealed");
    assert.equal((await openBrowser().visit(`${server.url}/auth/oidc/nobody/login`)).status, 404);
    assert.equal((await openBrowser().visit(`${server.url}/auth/oidc/nobody/callback`)).status, 404);
    const listed = await (await fetch(`${server.url}/auth/oidc`)).json();
    assert.deepEqual(listed, { issuers: [{ name: "company", loginPath: "/auth/oidc/company/login" }] });
  });

  test("ends nowhere for another browser, another state, a used code, or an answer of another issuer", async () => {
    issuer.person = person;
    const browser = openBrowser();
    const back = await goThere(browser);
    await refused(openBrowser(), back, /this browser did not begin it/);
    const other = new URL(back);
    other.searchParams.set("state", "x".repeat(32));
    const bent = openBrowser();
    await goThere(bent);
    await refused(bent, other.href, /its state is not the one/);
    const mixed = openBrowser();
    const wrong = new URL(await goThere(mixed));
    wrong.searchParams.set("iss", "https://other.example.org");
    await refused(mixed, wrong.href, /another issuer's/);
    const stolen = openBrowser();
    const code = new URL(await goThere(stolen));
    code.searchParams.set("code", new URL(back).searchParams.get("code")!);
    await refused(stolen, code.href, /does not take the code/);
    // The verifier of the other way did not fit, and the issuer forgot the code.
    await refused(browser, back, /does not take the code/);
  });

  test("cannot be gone twice", async () => {
    issuer.person = person;
    const browser = openBrowser();
    const back = await goThere(browser);
    const [login = ""] = browser.cookies();
    const first = await browser.visit(back);
    assert.equal(first.status, 303);
    assert.equal(first.headers.get("location"), "/whoami");
    const again = await fetch(back, { redirect: "manual", headers: { cookie: login } });
    assert.equal(again.status, 403);
    assert.match(await again.text(), /has come back already/);
  });

  test("leads to a path of this server only", async () => {
    issuer.person = person;
    for (const wish of ["//evil.example.org", "/\\evil.example.org", "https://evil.example.org", "/a\r\nb", "x"]) {
      const browser = openBrowser();
      const response = await browser.visit(await goThere(browser, wish));
      assert.equal(response.headers.get("location"), "/", wish);
    }
  });

  test("ends where the issuer says no, or what it says of the person is not for us", async () => {
    const wrong: [object, object, RegExp][] = [
      [{ error: "access_denied" }, {}, /the issuer says "access_denied"/],
      [{ error: "<script>" }, {}, /the issuer says "something else"/],
      [person, { nonce: "other" }, /made for another sign-in/],
      [person, { nonce: undefined }, /made for another sign-in/],
      [person, { aud: "other" }, /its claim "aud"/],
      [person, { aud: [testClient.id, "other"] }, /made for another client/],
      [person, { azp: "other" }, /made for another client/],
      [person, { iss: "https://other.example.org" }, /its claim "iss"/],
      [person, { exp: 1 }, /it has ended/],
      [{ ...person, groups: ["strangers"] }, {}, /in none of the groups/],
      [{ ...person, groups: "staff", preferred_username: undefined }, {}, /no claim "preferred_username"/],
    ];
    for (const [who, twist, reason] of wrong) {
      issuer.person = who as Record<string, unknown>;
      issuer.twist = twist as Record<string, unknown>;
      const browser = openBrowser();
      await refused(browser, await goThere(browser), reason);
      issuer.twist = {};
    }
  });

  test("does not take the name of an account that is there already", async () => {
    issuer.person = { sub: "u-10", preferred_username: "admin", groups: ["staff"] };
    const browser = openBrowser();
    const response = await browser.visit(await goThere(browser));
    assert.equal(response.status, 409);
    for (const preferred_username of ["robot$ci", "owner", "../x", "a b"]) {
      issuer.person = { sub: `u-${preferred_username}`, preferred_username, groups: ["staff"] };
      const other = openBrowser();
      assert.equal((await other.visit(await goThere(other))).status, 400, preferred_username);
    }
  });
});
