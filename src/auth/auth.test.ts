import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { isoSeconds, nowMs, shiftClock } from "../base/clock.ts";
import { listAuditEvents } from "../store/event-records.ts";
import { openStore, type Store } from "../store/store.ts";
import { type Accounts, anonymous, ensureAdministrator, openAccounts, tokenService } from "./auth.ts";

const address = "192.0.2.1";
const inAnHour = (): string => isoSeconds(nowMs() + 3_600_000);

async function withAccounts(work: (input: { store: Store; accounts: Accounts }) => Promise<void>): Promise<void> {
  const dataDir = await mkdtemp(join(tmpdir(), "mintmark-auth-"));
  const store = await openStore({ dataDir });
  try {
    await work({
      store,
      accounts: await openAccounts({ store, keyFile: join(dataDir, "keys", "token.key"), anonymousPull: true }),
    });
  } finally {
    await store.close();
    await rm(dataDir, { recursive: true });
  }
}

function basic(name: string, password: string): string {
  return `Basic ${Buffer.from(`${name}:${password}`).toString("base64")}`;
}

async function trail(store: Store): Promise<string[]> {
  return (await listAuditEvents(store.db, { limit: 100 })).map(({ action }) => action).sort();
}

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
    assert.ok(admin?.role === "administrator" && admin.mayBuild && accounts.authorize(admin, "any/thing", "delete"));
    assert.equal(await accounts.authenticate(basic("admin", `${password}x`), address), undefined);
    assert.deepEqual(await trail(store), ["administrator.created", "sign-in.failed"]);
    const { token } = accounts.issueToken(admin, ["repository:a/b:pull,push", "repository:*:pull"], tokenService);
    const narrow = await accounts.authenticate(`Bearer ${token}`, address);
    assert.deepEqual(narrow, {
      name: "admin",
      role: "robot",
      mayBuild: false,
      permissions: [{ repository: "a/b", actions: ["pull", "push"] }],
    });
    assert.ok(narrow);
    assert.throws(() => accounts.issueToken(narrow, ["repository:a/b:pull"], tokenService), { code: "unauthorized" });
  });
});

test("a robot has its permissions until it is rotated, disabled or at its end, and so have its tokens", async () => {
  await withAccounts(async ({ store, accounts }) => {
    const input = {
      permissions: [{ repository: "team/*", actions: ["pull", "push"] as const }],
      mayBuild: true,
      actor: "admin",
    };
    const { name, secret } = await accounts.createRobot({ ...input, name: "ci", expiresAt: inAnHour() });
    assert.equal(name, "robot$ci");
    await assert.rejects(accounts.createRobot({ ...input, name: "ci", expiresAt: inAnHour() }), { code: "conflict" });
    const robot = await accounts.authenticate(basic(name, secret), address);
    assert.ok(robot?.mayBuild);
    assert.deepEqual(robot.permissions, input.permissions);
    assert.ok(accounts.authorize(robot, "team/app", "push"));
    assert.ok(!accounts.authorize(robot, "team/app", "delete") && !accounts.authorize(robot, "teams/app", "pull"));
    const scopes = ["repository:team/app:pull,delete repository:other:pull", "registry:catalog:*"];
    const { token } = accounts.issueToken(robot, scopes, tokenService);
    const bearer = await accounts.authenticate(`Bearer ${token}`, address);
    assert.deepEqual(bearer?.permissions, [{ repository: "team/app", actions: ["pull"] }]);
    assert.equal(
      await accounts.authenticate(`Bearer ${accounts.issueToken(robot, scopes, "other").token}`, address),
      undefined,
    );

    const rotated = await accounts.rotateRobot("ci", "admin");
    assert.equal(await accounts.authenticate(basic(name, secret), address), undefined, "the remembered secret is gone");
    assert.equal(await accounts.authenticate(`Bearer ${token}`, address), undefined, "and its token");
    assert.ok(await accounts.authenticate(basic(name, rotated.secret), address));
    assert.equal(await accounts.disableRobot("ci", "admin"), true);
    assert.equal(await accounts.authenticate(basic(name, rotated.secret), address), undefined);
    assert.equal(await accounts.disableRobot("none", "admin"), false);
    await assert.rejects(accounts.rotateRobot("ci", "admin"), { code: "conflict" });
    await assert.rejects(accounts.rotateRobot("none", "admin"), { code: "not_found" });

    const again = await accounts.createRobot({ ...input, name, expiresAt: inAnHour() });
    const renewed = await accounts.authenticate(basic(name, again.secret), address);
    assert.ok(renewed);
    shiftClock(3_600_000);
    try {
      assert.equal(await accounts.authenticate(basic(name, again.secret), address), undefined);
      assert.deepEqual(
        (await accounts.listRobots()).map((one) => [one.name, one.state, one.mayBuild]),
        [[name, "expired", true]],
      );
    } finally {
      shiftClock(-3_600_000);
    }
    assert.deepEqual(
      (await trail(store)).filter((action) => action !== "sign-in.failed"),
      ["robot.created", "robot.created", "robot.disabled", "robot.rotated"],
    );
    const everything = JSON.stringify(await listAuditEvents(store.db, { limit: 100 }));
    for (const told of [secret, rotated.secret, again.secret]) assert.ok(!everything.includes(told));
  });
});

test("a robot without a sound name, end or permission is refused", async () => {
  await withAccounts(async ({ accounts }) => {
    const sound = {
      name: "ci",
      permissions: [{ repository: "*", actions: ["pull"] as const }],
      mayBuild: false,
      expiresAt: inAnHour(),
      actor: "admin",
    };
    for (const change of [
      { name: "Ci" },
      { name: "admin$x" },
      { expiresAt: "soon" },
      { expiresAt: isoSeconds(nowMs() - 1000) },
      { permissions: [] },
      { permissions: [{ repository: "a*", actions: ["pull"] as const }] },
      { permissions: [{ repository: "a", actions: [] }] },
    ])
      await assert.rejects(accounts.createRobot({ ...sound, ...change }), { code: "usage" });
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

test("anonymous callers pull where that is allowed, also with a token, and nothing else", async () => {
  await withAccounts(async ({ store, accounts }) => {
    assert.ok(accounts.authorize(anonymous, "a", "pull") && !accounts.authorize(anonymous, "a", "push"));
    const { token, expiresInSeconds } = accounts.issueToken(anonymous, ["repository:a:pull,push"], tokenService);
    assert.ok(expiresInSeconds >= 60);
    const identity = await accounts.authenticate(`Bearer ${token}`, address);
    assert.ok(identity?.role === "anonymous" && accounts.authorize(identity, "a", "pull"));
    assert.ok(!accounts.authorize(identity, "b", "pull"));
    const closed = await openAccounts({
      store,
      keyFile: join(store.dataDir, "keys", "token.key"),
      anonymousPull: false,
    });
    const still = await closed.authenticate(`Bearer ${token}`, address);
    assert.ok(
      still !== undefined && !closed.authorize(still, "a", "pull") && !closed.authorize(anonymous, "a", "pull"),
    );
    for (const header of ["", "Basic", "Basic !", basic("", "x"), "Basic YWRtaW4=", "Bearer a.b.c", "Digest x"])
      assert.equal(await accounts.authenticate(header, address), undefined);
  });
});
