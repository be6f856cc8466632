import assert from "node:assert/strict";
import { test } from "node:test";
import { isoSeconds, nowMs, shiftClock } from "../base/clock.ts";
import { builtInRoles, projectActions, type BuiltInRole } from "../model/permission.ts";
import { listAuditEvents } from "../store/event-records.ts";
import { type Accounts, type Directory, tokenService } from "./auth.ts";
import { type Identity } from "./identity.ts";
import { actorOf, address, basic, inAnHour, owner, withAccounts } from "./test-accounts.ts";

const password = "long enough 1";

async function person(accounts: Accounts, name: string): Promise<Identity> {
  if ((await accounts.people.find(name)) === undefined) await accounts.people.create({ name, password, actor: owner });
  const identity = await accounts.authenticate(basic(name, password), address);
  assert.ok(identity);
  return identity;
}

test("each role allows what it says, in its project only, from the next request on", async () => {
  await withAccounts(
    async ({ accounts }) => {
      for (const name of ["team", "teams"]) await accounts.projects.create({ name, isPublic: false, actor: owner });
      await accounts.members.createRole({ name: "looker", actions: ["audit", "list"], description: "", actor: owner });
      await person(accounts, "anna");
      const expected = { ...builtInRoles, looker: ["list", "audit"] as const };
      for (const role of Object.keys(expected) as (BuiltInRole | "looker")[]) {
        await accounts.members.put({ project: "team", kind: "account", name: "anna", role, actor: owner });
        const anna = await person(accounts, "anna");
        for (const action of projectActions)
          for (const repository of ["team", "team/app", "team/app/deep"])
            assert.equal(
              accounts.authorize(anna, repository, action),
              (expected[role] as readonly string[]).includes(action),
              `${role} ${action} ${repository}`,
            );
        for (const action of projectActions)
          for (const repository of ["teams", "teams/app", "tea/m", "other/team/app", "team-a"])
            assert.ok(!accounts.authorize(anna, repository, action), `${role} ${action} ${repository}`);
      }
      const [member] = await accounts.members.list("team");
      await assert.rejects(accounts.members.removeRole("looker", owner), { code: "conflict" }, "anna has it");
      assert.equal(await accounts.members.remove({ project: "team", id: member!.id, actor: owner }), true);
      assert.ok(!accounts.authorize(await person(accounts, "anna"), "team/app", "list"));
    },
    { anonymousPull: false },
  );
});

test("groups give their members roles, and tokens lose what a member loses", async () => {
  await withAccounts(async ({ accounts }) => {
    await accounts.projects.create({ name: "team", isPublic: false, actor: owner });
    await accounts.groups.create({ name: "platform", kind: "local", actor: owner });
    await accounts.groups.create({ name: "outer", kind: "external", actor: owner });
    await person(accounts, "anna");
    const move = { group: "platform", account: "anna", isMember: true, actor: owner };
    await accounts.groups.move(move);
    await accounts.members.put({ project: "team", kind: "group", name: "platform", role: "developer", actor: owner });
    await accounts.members.put({ project: "team", kind: "account", name: "anna", role: "guest", actor: owner });
    const anna = await person(accounts, "anna");
    assert.deepEqual(anna.groups, ["platform"]);
    assert.ok(accounts.authorize(anna, "team/app", "push"), "of several roles the union");
    const { token } = accounts.issueToken(anna, ["repository:team/app:pull,push"], tokenService);
    const may = async (action: "pull" | "push"): Promise<boolean> => {
      const identity = await accounts.authenticate(`Bearer ${token}`, address);
      return identity !== undefined && accounts.authorize(identity, "team/app", action);
    };
    assert.deepEqual([await may("pull"), await may("push")], [true, true]);
    await accounts.groups.move({ ...move, isMember: false });
    assert.deepEqual([await may("pull"), await may("push")], [true, false]);
    await accounts.people.change({ name: "anna", disabled: true, actor: owner });
    assert.equal(await accounts.authenticate(`Bearer ${token}`, address), undefined);
    assert.equal(await accounts.authenticate(basic("anna", password), address), undefined);
    await assert.rejects(accounts.groups.move({ ...move, group: "outer" }), { code: "conflict" });
    await assert.rejects(accounts.groups.move({ ...move, group: "none" }), { code: "not_found" });
    await assert.rejects(accounts.groups.move({ ...move, account: "none" }), { code: "not_found" });
    assert.equal(await accounts.groups.remove("platform", owner), true);
    assert.deepEqual(
      (await accounts.members.list("team")).map(({ name }) => name),
      ["anna"],
    );
    assert.equal(await accounts.people.remove("anna", owner), true);
    assert.deepEqual(await accounts.members.list("team"), []);
  });
});

test("nobody gives or takes a role that allows more than they may", async () => {
  await withAccounts(async ({ accounts }) => {
    await accounts.projects.create({ name: "team", isPublic: false, actor: owner });
    await accounts.members.createRole({ name: "doorman", actions: ["members", "list"], description: "", actor: owner });
    const put = async (name: string, role: string, actor = owner): Promise<unknown> =>
      await accounts.members.put({ project: "team", kind: "account", name, role, actor });
    await person(accounts, "anna");
    await person(accounts, "ben");
    await put("anna", "doorman");
    const anna = actorOf(accounts, await person(accounts, "anna"));
    await assert.rejects(put("anna", "projectAdmin", anna), { code: "forbidden" });
    await assert.rejects(put("ben", "guest", anna), { code: "forbidden" });
    await put("ben", "doorman", anna);
    await put("ben", "projectAdmin");
    await assert.rejects(put("ben", "doorman", anna), { code: "forbidden" }, "nor degrades who may more");
    const ben = (await accounts.members.list("team")).find(({ name }) => name === "ben")!;
    await assert.rejects(accounts.members.remove({ project: "team", id: ben.id, actor: anna }), { code: "forbidden" });
    await assert.rejects(put("nobody", "guest"), { code: "not_found" });
    await assert.rejects(put("ben", "emperor"), { code: "not_found" });
    await assert.rejects(put("ben", "constructor"), { code: "not_found" });
    await assert.rejects(
      accounts.members.put({ project: "none", kind: "account", name: "ben", role: "guest", actor: owner }),
      {
        code: "not_found",
      },
    );
  });
});

test("names that could be taken for something else, weak passwords and odd addresses are refused", async () => {
  await withAccounts(async ({ accounts }) => {
    const { people, projects, groups, members } = accounts;
    const odd = [
      "",
      "robot$ci",
      "Anna",
      "anonymous",
      "owner",
      "token",
      "a:b",
      "a/b",
      "a b",
      "-a",
      "a\n",
      "x".repeat(101),
    ];
    for (const name of odd) await assert.rejects(people.create({ name, actor: owner }), { code: "usage" }, name);
    for (const bad of ["short", "x".repeat(257), "annalisa99", `mmp_${"x".repeat(59)}`, "eyJhbGciOi"])
      await assert.rejects(people.create({ name: "annalisa99", password: bad, actor: owner }), { code: "usage" }, bad);
    for (const email of ["x", "a b@c", "<a@b>"])
      await assert.rejects(people.create({ name: "anna", email, actor: owner }), { code: "usage" });
    for (const name of ["", "A", "a/b", "_a", "a..b", "a".repeat(256), "../x"])
      await assert.rejects(projects.create({ name, isPublic: false, actor: owner }), { code: "usage" }, name);
    for (const name of ["", "a\nb", "a/b"]) await assert.rejects(groups.create({ name, kind: "local", actor: owner }));
    for (const name of ["guest", "projectAdmin", ""])
      await assert.rejects(members.createRole({ name, actions: ["list"], description: "", actor: owner }), {
        code: "usage",
      });
    await assert.rejects(members.createRole({ name: "x", actions: [], description: "", actor: owner }), {
      code: "usage",
    });
    await people.create({ name: "anna", actor: owner });
    await assert.rejects(people.create({ name: "anna", actor: owner }), { code: "conflict" });
  });
});

test("a personal token does what its owner may, within its own bounds, until it ends", async () => {
  await withAccounts(async ({ store, accounts }) => {
    for (const name of ["team", "other"]) await accounts.projects.create({ name, isPublic: false, actor: owner });
    await person(accounts, "anna");
    const put = async (project: string, role: string): Promise<unknown> =>
      await accounts.members.put({ project, kind: "account", name: "anna", role, actor: owner });
    await put("team", "developer");
    await put("other", "developer");
    const actor = actorOf(accounts, await person(accounts, "anna"));
    const wish = { account: "anna", label: "laptop", administrates: false, expiresAt: inAnHour(), actor };
    const { id, secret } = await accounts.tokens.create({ ...wish, projects: ["team"], actions: ["pull"] });
    assert.match(secret, /^mmp_[\w-]{59}$/);
    const [shown] = await accounts.tokens.list("anna");
    assert.ok(shown?.id === id && !JSON.stringify(shown).includes(secret.slice(20)));
    for (const header of [basic("anna", secret), `Bearer ${secret}`]) {
      const identity = await accounts.authenticate(header, address);
      assert.ok(identity?.isToken && identity.endsAt !== undefined);
      assert.ok(accounts.authorize(identity, "team/a", "pull") && accounts.authorize(identity, "team/a", "list"));
      assert.ok(!accounts.authorize(identity, "team/a", "push") && !accounts.authorize(identity, "other/a", "pull"));
      const scopes = ["repository:team/a:pull,push", "repository:other/a:pull"];
      const issued = accounts.issueToken(identity, scopes, tokenService).token;
      const bearer = await accounts.authenticate(`Bearer ${issued}`, address);
      assert.ok(bearer !== undefined && accounts.authorize(bearer, "team/a", "pull"));
      assert.ok(!accounts.authorize(bearer, "team/a", "push") && !accounts.authorize(bearer, "other/a", "pull"));
      await assert.rejects(
        accounts.tokens.create({ ...wish, projects: [], actions: [], actor: actorOf(accounts, identity) }),
        { code: "forbidden" },
        "a token makes no further tokens",
      );
    }
    const full = await accounts.authenticate(basic("anna", secret), address);
    const { token } = accounts.issueToken(full!, ["repository:team/a:pull"], tokenService);
    assert.equal(await accounts.authenticate(basic("ben", secret), address), undefined, "with its owner's name only");
    assert.equal(await accounts.authenticate(basic("anna", `${secret.slice(0, -1)}_`), address), undefined);
    await put("team", "limitedGuest");
    const less = await accounts.authenticate(`Bearer ${secret}`, address);
    assert.ok(less !== undefined && !accounts.authorize(less, "team/a", "list"), "never more than its owner");
    assert.equal(await accounts.tokens.revoke(id, { ...actor, name: "ben" }), false);
    assert.equal(await accounts.tokens.revoke(id, actor), true);
    for (const header of [basic("anna", secret), `Bearer ${secret}`, `Bearer ${token}`])
      assert.equal(await accounts.authenticate(header, address), undefined);
    const events = JSON.stringify(await listAuditEvents(store.db, { limit: 1000 }));
    assert.ok(!events.includes(secret.slice(20)) && !events.includes(password));
  });
});

test("tokens end, and are made by people for themselves only, or by the administrator", async () => {
  await withAccounts(async ({ accounts }) => {
    await person(accounts, "anna");
    await accounts.people.create({ name: "root", password, isSystemAdmin: true, actor: owner });
    const anna = actorOf(accounts, await person(accounts, "anna"));
    const wish = { account: "anna", label: "x", projects: [], actions: [], administrates: false, actor: anna };
    const { secret } = await accounts.tokens.create({ ...wish, expiresAt: inAnHour() });
    shiftClock(3_600_001);
    try {
      assert.equal(await accounts.authenticate(`Bearer ${secret}`, address), undefined);
    } finally {
      shiftClock(-3_600_001);
    }
    const sound = { ...wish, expiresAt: inAnHour() };
    const robot = await accounts.robots.create({
      name: "ci",
      permissions: [{ repository: "*", actions: ["pull"] }],
      expiresAt: inAnHour(),
      actor: owner,
    });
    const machine = actorOf(accounts, (await accounts.authenticate(basic(robot.name, robot.secret), address))!);
    for (const change of [
      { actor: { ...anna, name: "ben" } },
      { actor: machine },
      { account: "root" },
      { account: robot.name, actor: machine },
    ])
      await assert.rejects(accounts.tokens.create({ ...sound, ...change }), { code: "forbidden" });
    await assert.rejects(accounts.tokens.create({ ...sound, account: robot.name, actor: owner }), {
      code: "not_found",
    });
    for (const change of [
      { label: " " },
      { projects: ["a/b"] },
      { projects: ["../x"] },
      { expiresAt: isoSeconds(nowMs() - 1) },
      { expiresAt: "3000-01-01T00:00:00Z" },
    ])
      await assert.rejects(accounts.tokens.create({ ...sound, ...change }), { code: "usage" });
    const root = { ...sound, account: "root", actor: owner };
    const plain = await accounts.tokens.create(root);
    const mighty = await accounts.tokens.create({ ...root, administrates: true });
    const narrow = await accounts.tokens.create({ ...root, administrates: true, projects: ["team"] });
    const roleOf = async (text: string): Promise<string | undefined> =>
      (await accounts.authenticate(`Bearer ${text}`, address))?.role;
    assert.deepEqual(
      [await roleOf(plain.secret), await roleOf(mighty.secret), await roleOf(narrow.secret)],
      ["person", "administrator", "person"],
    );
  });
});

test("whom a directory vouches for gets an account, the groups of now, and never somebody else's name", async () => {
  const outer = { groups: ["Platform", "inner"], isSystemAdmin: false };
  const directory: Directory = {
    async signIn({ name, password: given }) {
      if (given !== "directory's") return undefined;
      return { kind: "person", origin: "ldap", externalId: `uid=${name}`, name, groups: outer.groups, email: "a@b" };
    },
    async bearer(token) {
      if (token === "eyJrobot.a.b") return { kind: "robot", name: "robot$ci", endsAt: nowMs() + 60_000 };
      if (token !== "eyJwork.a.b") return undefined;
      const grants = [{ repository: "team/**", actions: ["pull"] as const }];
      return { kind: "workload", name: "oidc:ci:repo", grants, endsAt: nowMs() + 60_000 };
    },
  };
  await withAccounts(
    async ({ accounts }) => {
      await accounts.projects.create({ name: "team", isPublic: false, actor: owner });
      await accounts.groups.create({ name: "Platform", kind: "external", actor: owner });
      await accounts.groups.create({ name: "inner", kind: "local", actor: owner });
      for (const [name, role] of [
        ["Platform", "guest"],
        ["inner", "projectAdmin"],
      ] as const)
        await accounts.members.put({ project: "team", kind: "group", name, role, actor: owner });
      const clara = await accounts.authenticate(basic("clara", "directory's"), address);
      assert.ok(clara?.role === "person" && accounts.authorize(clara, "team/a", "pull"));
      assert.deepEqual(clara.groups, ["Platform"], "an outer group never is a local one");
      assert.ok(!accounts.authorize(clara, "team/a", "push"));
      const { token } = accounts.issueToken(clara, ["repository:team/a:pull"], tokenService);
      assert.ok(await accounts.authenticate(`Bearer ${token}`, address));
      assert.equal(await accounts.authenticate(basic("clara", "wrong"), address), undefined);
      await assert.rejects(accounts.people.setPassword({ name: "clara", actor: owner }), { code: "conflict" });
      outer.groups = [];
      shiftClock(61_000);
      try {
        const later = await accounts.authenticate(basic("clara", "directory's"), address);
        assert.ok(later !== undefined && !accounts.authorize(later, "team/a", "pull"));
      } finally {
        shiftClock(-61_000);
      }
      await accounts.people.change({ name: "clara", disabled: true, actor: owner });
      assert.equal(await accounts.authenticate(basic("clara", "directory's"), address), undefined);

      await person(accounts, "anna");
      assert.equal(
        await accounts.authenticate(basic("anna", "directory's"), address),
        undefined,
        "local names are not asked",
      );
      assert.equal(
        await accounts.authenticate(basic("robot$x", "directory's"), address),
        undefined,
        "nor what looks like robots",
      );
      const wish = { name: "ci", permissions: [{ repository: "team/**", actions: ["push"] as const }], actor: owner };
      assert.equal(await accounts.authenticate("Bearer eyJrobot.a.b", address), undefined, "a robot has to be there");
      await accounts.robots.create({ ...wish, expiresAt: inAnHour() });
      for (const header of ["Bearer eyJrobot.a.b", basic("robot$ci", "eyJrobot.a.b"), basic("token", "eyJrobot.a.b")]) {
        const robot = await accounts.authenticate(header, address);
        assert.ok(robot?.name === "robot$ci" && accounts.authorize(robot, "team/a", "push"));
        assert.ok(robot.endsAt !== undefined && robot.endsAt <= nowMs() + 60_000);
      }
      assert.equal(await accounts.authenticate(basic("anna", "eyJrobot.a.b"), address), undefined);
      const work = await accounts.authenticate(basic("token", "eyJwork.a.b"), address);
      assert.ok(
        work !== undefined && accounts.authorize(work, "team/a", "list") && !accounts.authorize(work, "x/a", "list"),
      );
      const issued = accounts.issueToken(work, ["repository:team/a:pull,push"], tokenService);
      assert.ok(issued.expiresInSeconds <= 60);
      const bearer = await accounts.authenticate(`Bearer ${issued.token}`, address);
      assert.ok(bearer !== undefined && accounts.authorize(bearer, "team/a", "pull"));
      assert.ok(!accounts.authorize(bearer, "team/a", "push"));
    },
    { directory, anonymousPull: false },
  );
});
