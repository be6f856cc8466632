import assert from "node:assert/strict";
import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { isoSeconds, nowMs, shiftClock } from "../base/clock.ts";
import { listAuditEvents } from "../store/event-records.ts";
import { anonymous, type Directory, ensureAdministrator, openAccounts, tokenService } from "./auth.ts";
import { address, basic, inAnHour, owner, trail, withAccounts } from "./test-accounts.ts";

test("the first run makes one administrator, whose password only its owner may read", async () => {
  await withAccounts(async ({ store, accounts }) => {
    const { created, passwordFile } = await ensureAdministrator(store);
    assert.equal(created, true);
    assert.equal((await stat(passwordFile)).mode & 0o777, 0o600);
    assert.equal((await stat(join(store.dataDir, "keys", "token.key"))).mode & 0o777, 0o600);
    const password = (await readFile(passwordFile, "utf8")).trim();
    assert.equal((await ensureAdministrator(store)).created, false);
    assert.equal((await readFile(passwordFile, "utf8")).trim(), password);
    const admin = await accounts.authenticate(basic("admin", password), address);
    assert.ok(admin?.role === "administrator" && accounts.authorize(admin, "any/thing", "delete"));
    assert.equal(await accounts.authenticate(basic("admin", `${password}x`), address), undefined);
    assert.deepEqual(await trail(store), ["account.created", "sign-in.failed", "sign-in.succeeded"]);
    const { token } = accounts.issueToken(admin, ["repository:a/b:pull,push", "repository:*:pull"], tokenService);
    const narrow = await accounts.authenticate(`Bearer ${token}`, address);
    assert.ok(narrow?.role === "person" && narrow.isToken);
    assert.ok(accounts.authorize(narrow, "a/b", "push") && accounts.authorize(narrow, "a/b", "list"));
    assert.ok(!accounts.authorize(narrow, "a/b", "delete") && !accounts.authorize(narrow, "a/c", "pull"));
    assert.ok(accounts.authorizeAccount(narrow, "a/c", "pull"), "its account may more");
    assert.throws(() => accounts.issueToken(narrow, ["repository:a/b:pull"], tokenService), { code: "unauthorized" });
  });
});

test("the administrator's new password ends the old one, its tokens and its file", async () => {
  await withAccounts(async ({ store, accounts }) => {
    const { passwordFile } = await ensureAdministrator(store);
    const before = basic("admin", (await readFile(passwordFile, "utf8")).trim());
    const admin = await accounts.authenticate(before, address);
    assert.ok(admin);
    const { token } = accounts.issueToken(admin, ["repository:a:pull"], tokenService);
    const { password } = await accounts.people.setPassword({ name: "admin", actor: owner });
    assert.ok(password !== undefined && password.length >= 20);
    assert.equal(await accounts.authenticate(before, address), undefined);
    assert.equal(await accounts.authenticate(`Bearer ${token}`, address), undefined);
    assert.ok(await accounts.authenticate(basic("admin", password), address));
    await assert.rejects(stat(passwordFile));
    assert.equal((await ensureAdministrator(store)).created, false);
    await assert.rejects(accounts.people.remove("admin", owner), { code: "conflict" });
    await assert.rejects(accounts.people.change({ name: "admin", disabled: true, actor: owner }), { code: "conflict" });
  });
});

test("guessing locks one account for one network, parallel guesses too, and one secret is hashed once", async () => {
  await withAccounts(async ({ store, accounts }) => {
    const { passwordFile } = await ensureAdministrator(store);
    const right = basic("admin", (await readFile(passwordFile, "utf8")).trim());
    const same = await Promise.all(Array.from({ length: 20 }, () => accounts.authenticate(right, address)));
    assert.ok(
      same.every((identity) => identity?.name === "admin"),
      "twenty clients with one secret are one attempt",
    );
    const guesses = await Promise.allSettled(
      Array.from({ length: 12 }, (_, index) => accounts.authenticate(basic("admin", `guess${index}`), address)),
    );
    assert.equal(guesses.filter(({ status }) => status === "fulfilled").length, 5);
    // Each further guess doubles the delay: it must outlast a slow machine.
    const turns = [2000, 4000, 8000, 16_000, 32_000];
    try {
      for (const turn of turns) {
        shiftClock(turn);
        assert.equal(await accounts.authenticate(basic("admin", "again"), address), undefined);
      }
      await assert.rejects(accounts.authenticate(right, address), { code: "rate_limited" });
      assert.ok(await accounts.authenticate(right, "192.0.2.2"), "another network is not locked");
      shiftClock(64_000);
      turns.push(64_000);
      assert.ok(await accounts.authenticate(right, address));
    } finally {
      shiftClock(-turns.reduce((sum, turn) => sum + turn, 0));
    }
    assert.equal(await accounts.authenticate(basic("nobody", "my-password"), address), undefined);
    const events = await listAuditEvents(store.db, { limit: 100 });
    assert.ok(events.some(({ subject }) => subject === "unknown") && !JSON.stringify(events).includes("nobody"));
  });
});

test("anonymous callers list and pull where that is allowed, also with a token, and nothing else", async () => {
  await withAccounts(async ({ store, accounts }) => {
    assert.ok(accounts.authorize(anonymous, "a", "pull") && accounts.authorize(anonymous, "a", "list"));
    for (const action of ["push", "delete", "settings", "members"] as const)
      assert.ok(!accounts.authorize(anonymous, "a", action));
    const { token, expiresInSeconds } = accounts.issueToken(anonymous, ["repository:a:pull,push"], tokenService);
    assert.ok(expiresInSeconds >= 60);
    const identity = await accounts.authenticate(`Bearer ${token}`, address);
    assert.ok(identity?.role === "anonymous" && accounts.authorize(identity, "a", "pull"));
    assert.ok(!accounts.authorize(identity, "b", "pull"));
    const keyFile = join(store.dataDir, "keys", "token.key");
    const closed = await openAccounts({ store, keyFile, anonymousPull: false });
    const still = await closed.authenticate(`Bearer ${token}`, address);
    assert.ok(
      still !== undefined && !closed.authorize(still, "a", "pull") && !closed.authorize(anonymous, "a", "pull"),
    );
    await closed.close();
    assert.equal(await accounts.authenticate(undefined, address), anonymous);
    for (const header of ["", "Basic", "Basic !", basic("", "x"), "Basic YWRtaW4=", "Bearer a.b.c", "Digest x"])
      assert.equal(await accounts.authenticate(header, address), undefined);
  });
});

test("public projects are read by everybody, from the moment that they are made so", async () => {
  await withAccounts(
    async ({ accounts }) => {
      await accounts.projects.create({ name: "open", isPublic: true, actor: owner });
      await accounts.projects.create({ name: "shut", isPublic: false, actor: owner });
      await accounts.people.create({ name: "anna", password: "long enough 1", actor: owner });
      const anna = await accounts.authenticate(basic("anna", "long enough 1"), address);
      assert.ok(anna);
      for (const one of [anonymous, anna]) {
        assert.ok(accounts.authorize(one, "open/a", "pull") && accounts.sees(one, "open"));
        assert.ok(!accounts.authorize(one, "open/a", "push"));
        assert.ok(!accounts.authorize(one, "shut/a", "pull") && !accounts.sees(one, "shut"));
        assert.ok(!accounts.authorize(one, "opener/a", "pull"));
      }
      const { token } = accounts.issueToken(anonymous, ["repository:open/a:pull", "registry:catalog:*"], tokenService);
      const bearer = await accounts.authenticate(`Bearer ${token}`, address);
      assert.ok(bearer !== undefined && accounts.authorize(bearer, "open/b", "list"), "the catalog's scope lists");
      assert.ok(!accounts.authorize(bearer, "open/b", "pull") && !accounts.authorize(bearer, "shut/a", "list"));
      await accounts.projects.setPublic({ name: "open", isPublic: false, actor: owner });
      for (const one of [anonymous, anna, bearer]) assert.ok(!accounts.authorize(one, "open/a", "pull"));
    },
    { anonymousPull: false },
  );
});

test("what was not changed here is noticed: another process and another opening of the same store", async () => {
  await withAccounts(async ({ store, accounts }) => {
    const keyFile = join(store.dataDir, "keys", "token.key");
    const other = await openAccounts({ store, keyFile, anonymousPull: false });
    await accounts.people.create({ name: "anna", password: "long enough 1", actor: owner });
    await accounts.projects.create({ name: "team", isPublic: false, actor: owner });
    const pass = basic("anna", "long enough 1");
    const before = await other.authenticate(pass, address);
    assert.ok(before !== undefined && !other.authorize(before, "team/a", "pull"));
    const member = { project: "team", kind: "account" as const, name: "anna", role: "guest", actor: owner };
    await accounts.members.put(member);
    const after = await other.authenticate(pass, address);
    assert.ok(after !== undefined && other.authorize(after, "team/a", "pull"));
    await accounts.projects.setPublic({ name: "team", isPublic: true, actor: owner });
    shiftClock(1001);
    try {
      await other.authenticate(undefined, address);
      assert.ok(other.authorize(anonymous, "team/a", "pull"), "within a second where nobody signs in");
    } finally {
      shiftClock(-1001);
    }
    await other.close();
  });
});

test("uses of accounts and tokens are written down now and then", async () => {
  await withAccounts(async ({ store, accounts }) => {
    await accounts.people.create({ name: "anna", password: "long enough 1", actor: owner });
    const actor = { ...owner, name: "anna", role: "person" as const };
    const expiresAt = isoSeconds(nowMs() + 86_400_000);
    const wish = { account: "anna", label: "laptop", projects: [], actions: [], administrates: false };
    const { secret } = await accounts.tokens.create({ ...wish, expiresAt, actor });
    assert.ok(await accounts.authenticate(basic("anna", secret), address));
    assert.equal((await accounts.people.find("anna"))?.lastUsedAt, undefined, "no request waits for it");
    await accounts.close();
    assert.ok((await accounts.people.find("anna"))?.lastUsedAt !== undefined);
    assert.ok((await accounts.tokens.list("anna"))[0]?.lastUsedAt !== undefined);
    assert.equal(inAnHour() > isoSeconds(nowMs()), true);
    assert.ok(!JSON.stringify(await listAuditEvents(store.db, { limit: 100 })).includes(secret.slice(20)));
  });
});

test("one account is one account for the lockout, in whatever letters its name is written", async () => {
  const asked: string[] = [];
  const directory: Directory = {
    async signIn({ name }) {
      asked.push(name);
      return undefined;
    },
    bearer: async () => undefined,
  };
  await withAccounts(
    async ({ accounts }) => {
      const spellings = ["clara", "CLARA", "Clara", " clara", "clara ", "cLARA", "CLara", "\uff43lara", "clar\u00ada"];
      for (const name of spellings)
        await accounts.authenticate(basic(name, "a guess"), address).catch((error: unknown) => assert.ok(error));
      assert.equal(asked.length, 5, "directories compare names without case: the rest is not looked at");
    },
    { directory },
  );
});
