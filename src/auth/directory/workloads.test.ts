import assert from "node:assert/strict";
import { createHmac, createPublicKey } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, before, beforeEach, describe, test } from "node:test";
import { nowMs, shiftClock } from "../../base/clock.ts";
import { oidcIssuersSchema } from "../../config/directory-values.ts";
import { listAuditEvents } from "../../store/event-records.ts";
import { openStore, type Store } from "../../store/store.ts";
import { openIssuer } from "./issuer.ts";
import { startTestIssuer, type TestIssuer } from "./test-issuer.ts";
import { openWorkloads, type WorkloadSignIn } from "./workloads.ts";

const sub = "repo:team/app:ref:refs/heads/main";
const grants = [{ repository: "team/*", actions: ["pull", "push"] as const }];
const good = { sub, aud: "mintmark" };

describe("workloads that sign in with tokens of an issuer", () => {
  let folder: string;
  let store: Store;
  let issuer: TestIssuer;
  let signIn: WorkloadSignIn;
  let shiftedMs = 0;

  const shift = (ms: number): void => {
    shiftClock(ms);
    shiftedMs += ms;
  };
  const open = (extra: object = {}): WorkloadSignIn => {
    const rules = [
      { match: { sub: "repo:team/*:ref:refs/heads/main" }, grants },
      { match: { sub: "robot" }, robot: "ci" },
    ];
    const configs = oidcIssuersSchema.parse([
      { name: "ci", issuer: issuer.url, audience: "mintmark", rules, ...extra },
    ]);
    return openWorkloads(configs.map(openIssuer), store.db);
  };
  const lastEvent = async (): Promise<unknown> => {
    const { actor, action, details } = (await listAuditEvents(store.db, { limit: 1000 })).at(-1)!;
    return { actor, action, details };
  };
  const refused = async (token: string, reason: string, how = signIn): Promise<void> => {
    assert.equal(await how(token), undefined, reason);
    const { details } = (await lastEvent()) as { details: { reason: string } };
    assert.equal(details.reason, reason);
  };

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "workloads-"));
    store = await openStore({ dataDir: folder });
  });
  after(async () => {
    await store.close();
    await rm(folder, { recursive: true });
  });
  beforeEach(async () => {
    issuer = await startTestIssuer();
    signIn = open();
  });
  afterEach(async () => {
    shiftClock(-shiftedMs);
    shiftedMs = 0;
    await issuer.close();
  });

  test("get what the rules give, for as long as the token lasts", async () => {
    const exp = Math.floor(nowMs() / 1000) + 120;
    const token = await issuer.sign({ ...good, exp });
    const expected = { kind: "workload", name: `oidc:ci:${sub}`, grants, endsAt: exp * 1000 };
    assert.deepEqual(await signIn(token), expected);
    assert.deepEqual(await lastEvent(), {
      actor: `oidc:ci:${sub}`,
      action: "sign-in.succeeded",
      details: { method: "oidc", issuer: "ci", subject: sub },
    });
    assert.deepEqual(await signIn(await issuer.sign({ sub: "robot", aud: ["other", "mintmark"], exp })), {
      kind: "robot",
      name: "robot$ci",
      endsAt: exp * 1000,
    });
    shift(170_000);
    assert.deepEqual(await signIn(token), expected, "the clocks may differ by a minute");
    shift(20_000);
    await refused(token, "it has ended");
    for (const event of await listAuditEvents(store.db, { limit: 1000 }))
      assert.ok(!JSON.stringify(event).includes(token.split(".")[2]!), "no token in the trail");
  });

  test("are refused with a token for somebody else, of another time, or without what a token needs", async () => {
    const now = Math.floor(nowMs() / 1000);
    await refused(await issuer.sign({ sub }), 'its claim "aud" is not what is asked for');
    await refused(await issuer.sign({ ...good, aud: "mintmark2" }), 'its claim "aud" is not what is asked for');
    await refused(await issuer.sign({ aud: "mintmark" }), 'its claim "sub" is not what is asked for');
    await refused(await issuer.sign({ ...good, exp: undefined }), 'its claim "exp" is not what is asked for');
    await refused(await issuer.sign({ ...good, iat: undefined }), 'its claim "iat" is not what is asked for');
    await refused(await issuer.sign({ ...good, exp: now - 61 }), "it has ended");
    await refused(await issuer.sign({ ...good, nbf: now + 90 }), 'its claim "nbf" is not what is asked for');
    await refused(await issuer.sign({ ...good, iat: now + 90 }), 'its claim "iat" is not what is asked for');
    await refused(await issuer.sign({ ...good, iat: now - 3700, exp: now + 9000 }), "it has ended");
    await refused(await issuer.sign({ ...good, sub: "repo:team/app\u202e" }), "its subject is not a name");
    await refused(await issuer.sign({ ...good, sub: `a\nb` }), "its subject is not a name");
    await refused(await issuer.sign({ ...good, sub: "repo:evil/app:ref:refs/heads/main" }), "no rule fits its claims");
    assert.equal(await signIn(await issuer.sign({ ...good, padding: "x".repeat(16_000) })), undefined);
    assert.equal(await signIn(await issuer.sign({ ...good, iss: "https://other.example.org" })), undefined);
    for (const text of ["", "a", "a.b.c", "..", `${"e30".repeat(3)}.e30.`, "mmp_x"])
      assert.equal(await signIn(text), undefined);
  });

  test("are refused without a signature, with a secret in place of a key, and with a bent one", async () => {
    const encode = (part: object): string => Buffer.from(JSON.stringify(part)).toString("base64url");
    const body = (await issuer.sign(good)).split(".")[1]!;
    for (const alg of ["none", "None", "HS1"]) {
      await refused(`${encode({ alg })}.${body}.`, "its algorithm is not trusted");
      await refused(`${encode({ alg, kid: "key-1" })}.${body}.c2ln`, "its algorithm is not trusted");
    }
    const pem = createPublicKey({ key: issuer.publicKey() as never, format: "jwk" }).export({
      type: "spki",
      format: "pem",
    });
    for (const secret of [pem, JSON.stringify(issuer.publicKey()), issuer.publicKey().n!, ""]) {
      const signed = `${encode({ alg: "HS256", kid: "key-1" })}.${body}`;
      const signature = createHmac("sha256", secret).update(signed).digest("base64url");
      await refused(`${signed}.${signature}`, "its algorithm is not trusted");
    }
    const [head, , signature = ""] = (await issuer.sign(good)).split(".");
    const other = encode({ iss: issuer.url, ...good, sub: "robot", iat: 1, exp: 9_999_999_999 });
    await refused(`${head}.${other}.${signature}`, "its signature is wrong");
    await refused(`${head}.${body}.${signature.slice(0, -8)}AAAAAAAA`, "its signature is wrong");
    const ours = await startTestIssuer();
    const foreign = await ours.sign({ ...good, iss: issuer.url });
    await ours.close();
    await refused(foreign, "its signature is wrong");
    const jwk = { ...ours.publicKey(), kid: "mine" };
    await refused(`${encode({ alg: "RS256", jwk })}.${body}.${foreign.split(".")[2]}`, "its signature is wrong");
  });

  test("may use any pair of keys; shared secrets in the issuer's list are left out", async () => {
    for (const algorithm of ["ES256", "ES384", "PS256", "EdDSA"]) {
      await issuer.rotate(algorithm);
      signIn = open();
      assert.equal((await signIn(await issuer.sign(good)))?.kind, "workload", algorithm);
    }
    const k = Buffer.from("shared").toString("base64url");
    issuer.answers.set("/keys", (response) =>
      response.end(JSON.stringify({ keys: [{ kty: "oct", k, kid: "key-5" }, 7] })),
    );
    await refused(await issuer.sign(good), "the issuer has no such key", open());
  });

  test("find a new key at once, and a flood of unknown keys costs the issuer one request a minute", async () => {
    const fetches = (): number => issuer.requests.filter((path) => path === "/keys").length;
    const early = await issuer.sign(good);
    await signIn(early);
    shift(61_000);
    await issuer.rotate();
    assert.equal((await signIn(await issuer.sign(good)))?.kind, "workload");
    assert.equal(fetches(), 2);
    await refused(early, "the issuer has no such key");
    const flood = await Promise.all(Array.from({ length: 50 }, (_, at) => issuer.sign(good, { kid: `made-up-${at}` })));
    await Promise.all(flood.map(signIn));
    assert.equal(fetches(), 2);
    shift(61_000);
    const later = await Promise.all(Array.from({ length: 50 }, (_, at) => issuer.sign(good, { kid: `more-${at}` })));
    await Promise.all(later.map(signIn));
    assert.equal(fetches(), 3);
  });

  test("still sign in for a day where the issuer is down, and not where it never was up", async () => {
    await signIn(await issuer.sign(good));
    for (const path of ["/keys", "/.well-known/openid-configuration"])
      issuer.answers.set(path, (response) => response.writeHead(503).end());
    shift(2 * 60 * 60_000);
    assert.equal((await signIn(await issuer.sign(good)))?.kind, "workload");
    shift(23 * 60 * 60_000);
    await assert.rejects(signIn(await issuer.sign(good)), { code: "upstream_unreachable", message: /answered 503/ });
    const asked = issuer.requests.length;
    const fresh = open();
    for (let at = 0; at < 20; at++)
      await assert.rejects(fresh(await issuer.sign(good)), { code: "upstream_unreachable" });
    assert.equal(issuer.requests.length, asked + 1, "and it is not asked again at once");
  });

  test("are refused where the issuer's documents lead astray", async () => {
    const elsewhere = createServer((_request, response) =>
      response.end(JSON.stringify({ keys: [issuer.publicKey()] })),
    );
    await new Promise<void>((resolve) => elsewhere.listen(0, "127.0.0.1", resolve));
    const inside = `http://127.0.0.1:${(elsewhere.address() as AddressInfo).port}/`;
    const document = { issuer: issuer.url, jwks_uri: `${issuer.url}/keys` };
    const discovery = "/.well-known/openid-configuration";
    const token = await issuer.sign(good);
    const astray: [string, object | string, RegExp][] = [
      [discovery, { ...document, issuer: "https://other.example.org" }, /says that it is/],
      [discovery, { ...document, jwks_uri: "http://10.0.0.1/keys" }, /not protected by https/],
      [discovery, { ...document, jwks_uri: "file:///etc/passwd" }, /not protected by https/],
      [discovery, "<html>", /not JSON/],
      [discovery, [], /not of that form/],
      [discovery, "x".repeat(300_000), /larger than/],
      ["/keys", { keys: Array.from({ length: 101 }, () => issuer.publicKey()) }, /more than 100 keys/],
      ["/keys", { keys: "none" }, /not of that form/],
    ];
    for (const [path, body, message] of astray) {
      issuer.answers.set(path, (response) => response.end(typeof body === "string" ? body : JSON.stringify(body)));
      await assert.rejects(open()(token), { code: "upstream_unreachable", message });
      issuer.answers.delete(path);
    }
    for (const location of [inside, "http://169.254.169.254/latest/meta-data", "file:///etc/passwd"]) {
      issuer.answers.set("/keys", (response) => response.writeHead(302, { location }).end());
      await assert.rejects(open()(token), {
        code: "upstream_unreachable",
        message: /redirects to|only http and https/,
      });
    }
    issuer.answers.clear();
    assert.equal((await open({ jwksUrl: `${issuer.url}/keys` })(token))?.kind, "workload");
    elsewhere.close();
  });
});
