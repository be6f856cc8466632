/** The commands about projects, people and robots, from a fresh data folder on, without a server and beside one. */
import assert from "node:assert/strict";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { runProgram } from "../../src/cli/program.ts";
import { serve } from "./served.ts";

describe("commands about identity", () => {
  let folder = "";
  before(async () => (folder = await mkdtemp(join(tmpdir(), "mintmark-identity-"))));
  after(async () => await rm(folder, { recursive: true }));

  const run = async (...args: readonly string[]): Promise<{ code: number; out: string; err: string }> => {
    const [out, err]: [string[], string[]] = [[], []];
    const code = await runProgram({
      args: ["--data", folder, "--no-color", ...args],
      environment: { MINTMARK_LOG_LEVEL: "silent" },
      stdout: { write: (text: string) => out.push(text) },
      stderr: { write: (text: string) => err.push(text) },
      stopped: new AbortController().signal,
      version: "0.0.0",
    });
    return { code, out: out.join(""), err: err.join("") };
  };

  test("one command sets the brief's project up, and again changes nothing", async () => {
    const first = await run("project", "bootstrap", "aibox");
    assert.equal(first.code, 0, first.err);
    const lines = first.out.trim().split("\n");
    assert.deepEqual(
      lines.map((line) => line.replace(/ mmr_[\w-]{43}$/, "")),
      ["robot$aibox-ci", "robot$aibox-pull", "robot$aibox-admin"],
    );
    const second = await run("project", "bootstrap", "aibox");
    assert.deepEqual([second.code, second.out], [0, ""]);
    const list = await run("robot", "list");
    assert.match(list.out, /robot\$aibox-admin +active +everything aibox\/\*\*/);
    const served = await serve(folder);
    try {
      const as = (line: string): string => line.replace(" ", ":");
      const status = async (who: string, method: "GET" | "POST", path: string): Promise<number> =>
        (await served.ask({ method, path, as: as(who) })).status;
      assert.equal(await status(lines[0]!, "POST", "/v2/aibox/base/blobs/uploads/"), 202);
      assert.equal(await status(lines[1]!, "POST", "/v2/aibox/base/blobs/uploads/"), 403);
      assert.equal(await status(lines[1]!, "GET", "/v2/aibox/base/tags/list"), 404);
      assert.equal(await status(lines[2]!, "GET", "/projects/aibox/members"), 200);
      assert.equal(await status(lines[0]!, "GET", "/projects/aibox/members"), 403);
      const beside = await run("project", "list", "--json");
      const { projects } = JSON.parse(beside.out) as { projects: { name: string }[] };
      assert.deepEqual(
        projects.map(({ name }) => name),
        ["aibox"],
      );
    } finally {
      await served.close();
    }
  });

  test("a lost administrator's password is replaced on the data folder", async () => {
    const file = join(folder, "admin-password");
    const before = (await readFile(file, "utf8")).trim();
    const set = await run("account", "password", "admin");
    const password = set.out.trim();
    assert.deepEqual([set.code, password.length > 20, password === before], [0, true, false]);
    await assert.rejects(readFile(file));
    const served = await serve(folder);
    try {
      const status = async (as: string): Promise<number> =>
        (await served.ask({ method: "GET", path: "/accounts", as })).status;
      assert.deepEqual([await status(`admin:${password}`), await status(`admin:${before}`)], [200, 401]);
    } finally {
      await served.close();
    }
  });

  test("people, groups, roles, robots and tokens are made, shown and ended", async () => {
    const steps: readonly (readonly [args: readonly string[], shown: RegExp])[] = [
      [["account", "create", "anna", "--email", "anna@corp.example"], /^[\w-]{24}\n$/],
      [["group", "create", "platform"], /made platform/],
      [["group", "add", "platform", "anna"], /anna joined platform/],
      [["role", "create", "auditor", "--action", "list", "audit"], /made auditor: list audit/],
      [["role", "list"], /auditor +custom +list audit/],
      [["project", "add-member", "aibox", "platform", "--group", "--role", "auditor"], /platform is auditor of aibox/],
      [["project", "show", "aibox"], /group +platform +auditor/],
      [["project", "set-public", "aibox"], /aibox is public/],
      [["project", "set-private", "aibox"], /aibox is private/],
      [["robot", "create", "ci", "--project", "aibox", "--action", "pull", "--until", "90d"], /^mmr_[\w-]{43}\n$/],
      [["robot", "rotate", "aibox+ci", "--overlap", "0"], /^mmr_[\w-]{43}\n$/],
      [["robot", "prolong", "aibox+ci", "--until", "never"], /robot\$aibox\+ci ends never/],
      [["robot", "list", "--project", "aibox"], /robot\$aibox\+ci +active +pull aibox\/\*\* +for ever +never/],
      [["robot", "revoke", "aibox+ci"], /revoked/],
      [["robot", "enable", "aibox+ci"], /active/],
      [["robot", "delete", "aibox+ci"], /removed/],
      [
        ["token", "create", "--account", "anna", "--label", "laptop", "--action", "pull", "--until", "30d"],
        /^mmp_[\w-]{59}\n$/,
      ],
      [["token", "list", "--account", "anna"], /anna +laptop +pull +everywhere/],
      [["account", "change", "anna", "--disable"], /anna is disabled/],
      [["project", "remove-member", "aibox", "platform", "--group"], /platform has no role in aibox/],
      [["group", "remove", "platform", "anna"], /anna left platform/],
      [["group", "delete", "platform"], /removed platform/],
      [["role", "delete", "auditor"], /removed auditor/],
      [["account", "delete", "anna"], /removed anna/],
      [["project", "delete", "aibox"], /removed aibox/],
    ];
    const served = await serve(folder);
    try {
      for (const [args, shown] of steps) {
        const { code, out, err } = await run(...args);
        assert.deepEqual([code, shown.test(out)], [0, true], `${args.join(" ")}: ${out}${err}`);
      }
      for (const args of [
        ["robot", "rotate", "none"],
        ["robot", "rotate", "aibox-ci", "--overlap", "soon"],
        ["account", "delete", "admin"],
        ["project", "show", "none"],
        ["token", "revoke", "none"],
      ])
        assert.notEqual((await run(...args)).code, 0, args.join(" "));
    } finally {
      await served.close();
    }
  });
});
