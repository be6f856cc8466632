import assert from "node:assert/strict";
import { test } from "node:test";
import { isoSeconds, nowMs, shiftClock } from "../base/clock.ts";
import { listAuditEvents } from "../store/event-records.ts";
import { bootstrapProject, tokenService } from "./auth.ts";
import { countRobotsEndingSoon } from "./robot-ends.ts";
import { actorOf, address, basic, inAnHour, owner, trail, withAccounts } from "./test-accounts.ts";

const dayMs = 86_400_000;
const sound = { permissions: [{ repository: "team/*", actions: ["pull", "push"] as const }], actor: owner };

test("a robot has its permissions until it is rotated, disabled or at its end, and so have its tokens", async () => {
  await withAccounts(async ({ store, accounts }) => {
    const { robots } = accounts;
    const { name, secret } = await robots.create({ ...sound, name: "ci", expiresAt: inAnHour() });
    assert.equal(name, "robot$ci");
    await assert.rejects(robots.create({ ...sound, name: "ci", expiresAt: inAnHour() }), { code: "conflict" });
    const robot = await accounts.authenticate(basic(name, secret), address);
    assert.ok(robot?.role === "robot");
    assert.ok(accounts.authorize(robot, "team/app", "push") && accounts.authorize(robot, "team/app", "list"));
    assert.ok(!accounts.authorize(robot, "team/app", "delete") && !accounts.authorize(robot, "teams/app", "pull"));
    assert.ok(!accounts.authorize(robot, "team", "push"), "below is not the project's own name");
    const scopes = ["repository:team/app:pull,delete repository:other:pull", "registry:catalog:*"];
    const { token } = accounts.issueToken(robot, scopes, tokenService);
    const bearer = await accounts.authenticate(`Bearer ${token}`, address);
    assert.ok(bearer !== undefined && accounts.authorize(bearer, "team/app", "pull"));
    assert.ok(!accounts.authorize(bearer, "team/app", "push") && accounts.authorize(bearer, "team/b", "list"));
    const foreign = accounts.issueToken(robot, scopes, "other").token;
    assert.equal(await accounts.authenticate(`Bearer ${foreign}`, address), undefined);

    const rotated = await robots.rotate({ name: "ci", overlapSeconds: 0, actor: owner });
    assert.equal(await accounts.authenticate(basic(name, secret), address), undefined, "the remembered secret is gone");
    assert.equal(await accounts.authenticate(`Bearer ${token}`, address), undefined, "and its token");
    assert.ok(await accounts.authenticate(basic(name, rotated.secret), address));
    assert.equal(await robots.disable("ci", owner), true);
    assert.equal(await accounts.authenticate(basic(name, rotated.secret), address), undefined);
    assert.equal(await robots.disable("none", owner), false);
    await assert.rejects(robots.rotate({ name: "ci", actor: owner }), { code: "conflict" });
    await assert.rejects(robots.rotate({ name: "none", actor: owner }), { code: "not_found" });

    const again = await robots.create({ ...sound, name, expiresAt: inAnHour() });
    assert.ok(await accounts.authenticate(basic(name, again.secret), address));
    shiftClock(3_600_000);
    try {
      assert.equal(await accounts.authenticate(basic(name, again.secret), address), undefined);
      assert.equal((await robots.find("ci"))?.state, "expired");
      await robots.change({ name: "ci", expiresAt: inAnHour(), actor: owner });
      assert.ok(await accounts.authenticate(basic(name, again.secret), address), "a later end revives it");
    } finally {
      shiftClock(-3_600_000);
    }
    assert.equal(await robots.remove("ci", owner), true);
    assert.deepEqual(
      (await trail(store)).filter((action) => action.startsWith("robot.")),
      ["robot.changed", "robot.changed", "robot.created", "robot.created", "robot.deleted", "robot.rotated"],
    );
    const everything = JSON.stringify(await listAuditEvents(store.db, { limit: 100 }));
    for (const told of [secret, rotated.secret, again.secret])
      assert.ok(!everything.includes(told.slice(0, 12)) && !everything.includes("scrypt$"));
  });
});

test("the old secret of a rotated robot stays good for a day, and only the one before", async () => {
  await withAccounts(async ({ accounts }) => {
    const expiresAt = isoSeconds(nowMs() + 40 * dayMs);
    const { name, secret: first } = await accounts.robots.create({ ...sound, name: "ci", expiresAt });
    const signedIn = async (secret: string): Promise<boolean> =>
      (await accounts.authenticate(basic(name, secret), address)) !== undefined;
    const robot = await accounts.authenticate(basic(name, first), address);
    const { token } = accounts.issueToken(robot!, ["repository:team/a:pull"], tokenService);
    const second = await accounts.robots.rotate({ name, actor: owner });
    assert.ok(second.oldSecretUntil !== undefined);
    assert.deepEqual([await signedIn(first), await signedIn(second.secret)], [true, true]);
    assert.ok(await accounts.authenticate(`Bearer ${token}`, address), "tokens of the old secret too");
    const third = await accounts.robots.rotate({ name, actor: owner, overlapSeconds: 60 });
    assert.deepEqual(
      [await signedIn(first), await signedIn(second.secret), await signedIn(third.secret)],
      [false, true, true],
    );
    shiftClock(61_000);
    try {
      assert.deepEqual([await signedIn(second.secret), await signedIn(third.secret)], [false, true]);
    } finally {
      shiftClock(-61_000);
    }
    for (const overlapSeconds of [-1, 0.5, 31 * 86_400, Number.NaN])
      await assert.rejects(accounts.robots.rotate({ name, actor: owner, overlapSeconds }), { code: "usage" });
    const chosen = await accounts.robots.rotate({ name, actor: owner, secret: "Harbor12345" });
    assert.equal(chosen.secret, "Harbor12345");
    assert.deepEqual([await signedIn(third.secret), await signedIn("Harbor12345")], [true, true]);
    await assert.rejects(accounts.robots.rotate({ name, actor: owner, secret: "short" }), { code: "usage" });
  });
});

test("a robot without a sound name, end or permission is refused", async () => {
  await withAccounts(async ({ accounts }) => {
    const ci = { ...sound, name: "ci", expiresAt: inAnHour() };
    for (const change of [
      { name: "Ci" },
      { name: "admin$x" },
      { name: "a+b+c" },
      { name: "team+" },
      { name: "../x" },
      { name: "x", project: "team/sub" },
      { name: "other+x", project: "team" },
      { expiresAt: "soon" },
      { expiresAt: isoSeconds(nowMs() - 1000) },
      { permissions: [] },
      { permissions: [{ repository: "a*", actions: ["pull"] as const }] },
      { permissions: [{ repository: "a/b/**", actions: ["pull"] as const }] },
      { permissions: [{ repository: "a", actions: [] }] },
      { permissions: [{ repository: "a", actions: ["fly" as "pull"] }] },
      { project: "team", permissions: [{ repository: "teams/*", actions: ["pull"] as const }] },
      { project: "team", permissions: [{ repository: "*", actions: ["pull"] as const }] },
      { secret: "short" },
      { secret: `mmp_${"x".repeat(59)}` },
    ])
      await assert.rejects(accounts.robots.create({ ...ci, ...change }), { code: "usage" }, JSON.stringify(change));
  });
});

test("who manages the robots of a project gives no more than they have, and nothing outlives a robot that made it", async () => {
  await withAccounts(async ({ accounts }) => {
    const { robots } = accounts;
    await accounts.projects.create({ name: "team", isPublic: false, actor: owner });
    const expiresAt = isoSeconds(nowMs() + 2 * dayMs);
    const permissions = [{ repository: "team/**", actions: ["pull", "push", "robots"] as const }];
    const maker = await robots.create({ name: "maker", project: "team", permissions, expiresAt, actor: owner });
    assert.equal(maker.name, "robot$team+maker");
    const identity = await accounts.authenticate(basic(maker.name, maker.secret), address);
    const actor = actorOf(accounts, identity!);
    const child = { name: "child", project: "team", expiresAt: inAnHour(), actor };
    await robots.create({ ...child, permissions: [{ repository: "team/a", actions: ["push"] }] });
    const refused = { code: "forbidden" };
    const more = { ...child, name: "more" };
    await assert.rejects(
      robots.create({ ...more, permissions: [{ repository: "team/a", actions: ["delete"] }] }),
      refused,
    );
    await assert.rejects(robots.create({ ...more, permissions, expiresAt: isoSeconds(nowMs() + 3 * dayMs) }), refused);
    await assert.rejects(robots.create({ ...more, permissions, expiresAt: null }), refused);
    await assert.rejects(robots.create({ ...sound, name: "system", expiresAt: inAnHour(), actor }), refused);
    const never = await robots.create({ ...sound, name: "ever", expiresAt: null });
    assert.equal((await robots.find("ever"))?.expiresAt, undefined);
    await assert.rejects(robots.rotate({ name: never.name, actor }), refused);
    await assert.rejects(robots.change({ name: never.name, disabled: true, actor }), refused);
    await assert.rejects(robots.remove(never.name, actor), refused);
    const strong = { permissions: [{ repository: "team/**", actions: ["delete"] as const }], expiresAt, actor: owner };
    await robots.create({ ...strong, name: "strong", project: "team" });
    await assert.rejects(
      robots.rotate({ name: "team+strong", actor }),
      refused,
      "its secret would let the maker delete",
    );
    assert.ok((await robots.rotate({ name: "team+maker", actor })).secret, "its own secret");
    const all = [{ repository: "team/**", actions: ["members"] as const }];
    await assert.rejects(robots.change({ name: "team+child", permissions: all, actor }), refused);
  });
});

test("no personal token makes a robot that outlives it", async () => {
  await withAccounts(async ({ accounts }) => {
    const { robots, tokens } = accounts;
    await accounts.projects.create({ name: "team", isPublic: false, actor: owner });
    await accounts.people.create({ name: "anna", password: "a password of anna's", actor: owner });
    await accounts.members.put({ project: "team", kind: "account", name: "anna", role: "projectAdmin", actor: owner });
    const wish = { account: "anna", label: "ci", projects: [], actions: [], administrates: false };
    const { secret } = await tokens.create({ ...wish, expiresAt: inAnHour(), actor: owner });
    const actor = actorOf(accounts, (await accounts.authenticate(`Bearer ${secret}`, address))!);
    const robot = { project: "team", permissions: [{ repository: "team/**", actions: ["pull"] as const }], actor };
    const late = isoSeconds(nowMs() + dayMs);
    const refused = { code: "forbidden" };
    await assert.rejects(robots.create({ ...robot, name: "late", expiresAt: late }), refused);
    await robots.create({ ...robot, name: "brief", expiresAt: isoSeconds(nowMs() + 600_000) });
    await assert.rejects(robots.change({ name: "team+brief", expiresAt: late, actor }), refused);
    const anna = actorOf(accounts, (await accounts.authenticate(basic("anna", "a password of anna's"), address))!);
    await robots.change({ name: "team+brief", expiresAt: late, actor: anna });
  });
});

test("the end of a robot is warned of 30, 7 and 1 days before, once each", async () => {
  await withAccounts(async ({ store, accounts }) => {
    const { robots } = accounts;
    await robots.create({ ...sound, name: "long", expiresAt: isoSeconds(nowMs() + 100 * dayMs) });
    await robots.create({ ...sound, name: "short", expiresAt: isoSeconds(nowMs() + 10 * dayMs) });
    await robots.create({ ...sound, name: "ever", expiresAt: null });
    let turned = 0;
    const warnedAfter = async (days: number): Promise<number> => {
      shiftClock(days * dayMs - turned);
      turned = days * dayMs;
      return await robots.warn();
    };
    try {
      assert.equal(await warnedAfter(0), 0, "who makes a robot for ten days knows");
      assert.equal(await warnedAfter(4), 1, "short, 7 days");
      assert.equal(await countRobotsEndingSoon(store), 1);
      assert.equal(await warnedAfter(4), 0);
      assert.equal(await warnedAfter(9.5), 1, "short, 1 day");
      assert.equal(await warnedAfter(71), 1, "long, 30 days");
      assert.equal(await warnedAfter(99.5), 1, "long, the nearest only");
      assert.equal(await warnedAfter(99.6), 0);
      await robots.change({ name: "long", expiresAt: isoSeconds(nowMs() + 60 * dayMs), actor: owner });
      assert.equal(await robots.warn(), 0);
      assert.equal(await warnedAfter(135), 1, "anew for a new end");
    } finally {
      shiftClock(-turned);
    }
    const events = (await listAuditEvents(store.db, { limit: 100 })).filter(
      ({ action }) => action === "robot.expiring",
    );
    assert.deepEqual(
      events.map(({ subject, details }) => [subject, details["withinDays"]]),
      [
        ["robot$short", 7],
        ["robot$short", 1],
        ["robot$long", 30],
        ["robot$long", 1],
        ["robot$long", 30],
      ],
    );
  });
});

test("one command makes the project of the brief with its roles and robots, and again nothing", async () => {
  await withAccounts(async ({ accounts }) => {
    const wish = { project: "aibox", expiresAt: isoSeconds(nowMs() + 365 * dayMs), actor: owner };
    const made = await bootstrapProject(accounts, wish);
    assert.deepEqual(
      made.map(({ name, role }) => [name, role]),
      [
        ["robot$aibox-ci", "aibox-push"],
        ["robot$aibox-pull", "aibox-pull"],
        ["robot$aibox-admin", "aibox-admin"],
      ],
    );
    const may = async (index: number, action: "pull" | "push" | "delete" | "members"): Promise<boolean> => {
      const { name, secret } = made[index]!;
      const identity = await accounts.authenticate(basic(name, secret!), address);
      return (
        accounts.authorize(identity!, "aibox/base", action) && !accounts.authorize(identity!, "other/base", action)
      );
    };
    assert.deepEqual([await may(0, "pull"), await may(0, "push"), await may(0, "delete")], [true, true, false]);
    assert.deepEqual([await may(1, "pull"), await may(1, "push")], [true, false]);
    assert.deepEqual([await may(2, "delete"), await may(2, "members")], [true, true]);
    const again = await bootstrapProject(accounts, wish);
    assert.deepEqual(
      again.map(({ secret }) => secret),
      [undefined, undefined, undefined],
    );
    await accounts.robots.disable("aibox-pull", owner);
    assert.ok((await bootstrapProject(accounts, wish))[1]?.secret, "one that has ended is made again");
    await accounts.members.createRole({ name: "b-push", actions: ["delete"], description: "", actor: owner });
    await assert.rejects(bootstrapProject(accounts, { ...wish, project: "b" }), { code: "conflict" });
  });
});

test("robots keep nothing in a project that was removed, also not where another is made under its name", async () => {
  await withAccounts(async ({ accounts, store }) => {
    const expiresAt = inAnHour();
    const [ci] = await bootstrapProject(accounts, { project: "team", expiresAt, actor: owner });
    const permissions = ["team/**", "team/app", "teams/**"].map((repository) => ({
      repository,
      actions: ["pull"] as const,
    }));
    const wide = await accounts.robots.create({ name: "wide", permissions, expiresAt, actor: owner });
    const issued = accounts.issueToken(
      (await accounts.authenticate(basic(wide.name, wide.secret), address))!,
      ["repository:team/app:pull"],
      tokenService,
    );
    await accounts.projects.remove("team", owner);
    await accounts.projects.create({ name: "team", isPublic: false, actor: owner });
    assert.equal(await accounts.authenticate(basic(ci!.name, ci!.secret!), address), undefined);
    const identity = await accounts.authenticate(basic(wide.name, wide.secret), address);
    assert.equal(accounts.authorize(identity!, "team/app", "pull"), false);
    assert.equal(accounts.authorize(identity!, "teams/app", "pull"), true);
    const bearer = await accounts.authenticate(`Bearer ${issued.token}`, address);
    assert.ok(bearer === undefined || !accounts.authorize(bearer, "team/app", "pull"));
    assert.ok((await trail(store)).includes("robot.changed"));
    const again = await bootstrapProject(accounts, { project: "team", expiresAt, actor: owner });
    assert.ok(
      again.every(({ secret }) => secret !== undefined),
      "all are made again, with other secrets",
    );
  });
});
