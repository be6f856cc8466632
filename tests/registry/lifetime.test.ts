import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { mintmark, type Ran } from "./command-line.ts";
import { pushImage, runServer, type RunningServer } from "./running-server.ts";

/** Section 4 of the platform team's runbook, as it stands there. */
const runbook = `# Harbor GC schedule (configured in Harbor admin)
schedule: "0 4 * * 1"  # Monday 04:00 UTC
retention:
  rules:
    - tag_pattern: "latest"
      action: retain
    - tag_pattern: "*-cve-*"
      retain_days: 90
    - tag_pattern: "*"
      retain_count: 8
      scope: per_repository
`;

describe("the lifetime of tags, by the command line against a server", () => {
  let home = "";
  let dataDir = "";
  let server: RunningServer;
  before(async () => {
    home = await mkdtemp(join(tmpdir(), "mintmark-lifetime-"));
    dataDir = join(home, "data");
    server = await runServer(dataDir);
    for (let week = 1; week <= 10; week++)
      await pushImage(server, "aibox/base", `24.04-w${String(week).padStart(2, "0")}`, Buffer.from(`week ${week}`));
    await pushImage(server, "aibox/base", "24.04-w10-cve-2026-1", Buffer.from("emergency"));
    await pushImage(server, "aibox/base", "latest", Buffer.from("week 10"));
  });
  after(async () => {
    await server.close();
    await rm(home, { recursive: true, force: true });
  });

  const run = async (...args: readonly string[]): Promise<Ran> => {
    const ran = await mintmark(dataDir, ...args);
    assert.equal(ran.code, 0, ran.err);
    return ran;
  };
  const tags = async (): Promise<string[]> => {
    const headers = { authorization: server.administrator };
    const answer = await fetch(`${server.url}/v2/aibox/base/tags/list`, { headers });
    return ((await answer.json()) as { tags: string[] }).tags;
  };

  test("keeps the runbook's policy: a dry run shows what the run then does", async () => {
    const file = join(home, "retention.yaml");
    await writeFile(file, runbook.replace("retain_days", "retain_dasy"));
    const refused = await mintmark(dataDir, "retention", "set", "aibox", "--file", file);
    assert.equal(refused.code, 2);
    assert.match(refused.err, /line 8: the key "retain_dasy" is unknown\nhint: +Did you mean retain_days\?/);
    await writeFile(file, runbook);
    assert.match((await run("retention", "set", "aibox", "--file", file)).out, /3 rules say; runs at "0 4 \* \* 1"/);
    assert.equal((await run("retention", "show", "aibox")).out, runbook);
    assert.ok((await server.factory.schedules.list()).some(({ name }) => name === "retention:aibox"));

    const dry = await run("retention", "run", "aibox", "--dry-run");
    const lines = dry.out.trimEnd().split("\n").slice(1);
    assert.equal(lines.length, 12);
    assert.match(dry.err, /10 tags would be kept, 2 dropped; that would free \d/);
    assert.match(
      lines.join("\n"),
      /dropped +aibox\/base:24\.04-w01 +\d+ B +no rule keeps it: rule 3 "\*": number 10 of/,
    );
    assert.match(lines.join("\n"), /kept +aibox\/base:latest +rule 1 "latest": always/);
    assert.equal((await tags()).length, 12);
    const done = await run("retention", "run", "aibox");
    assert.deepEqual(done.out.split("\n").slice(1).toSorted(), dry.out.split("\n").slice(1).toSorted());
    assert.deepEqual(await tags(), [
      ...["03", "04", "05", "06", "07", "08", "09", "10"].map((week) => `24.04-w${week}`),
      "24.04-w10-cve-2026-1",
      "latest",
    ]);
    assert.match(
      (await run("retention", "history", "aibox")).out,
      /run +succeeded +10 +2 .*\n.*dry run +succeeded +10 +2/,
    );
  });

  test("brings a dropped tag back, and undoes a move", async () => {
    const back = await run("tag", "restore", "aibox/base:24.04-w02", "--reason", "still in use");
    assert.match(back.out, /^aibox\/base:24\.04-w02 is sha256:\w+; taken from the trash\n$/);
    const headers = { authorization: server.administrator };
    const pulled = await fetch(`${server.url}/v2/aibox/base/manifests/24.04-w02`, { headers });
    assert.equal(pulled.status, 200);
    const layer = ((await pulled.json()) as { layers: { digest: string }[] }).layers[0]?.digest;
    assert.equal((await fetch(`${server.url}/v2/aibox/base/blobs/${layer}`, { headers })).status, 200);
    const before = await pushImage(server, "aibox/base", "latest", Buffer.from("broken"));
    const undone = await run("tag", "undo", "aibox/base:latest", "--reason", "broken build", "--json");
    assert.equal((JSON.parse(undone.out) as { from: string }).from, before.digest);
    const history = await run("tag", "history", "aibox/base:latest");
    assert.match(history.out, /undo +owner +broken build\n/);
    const missing = await mintmark(dataDir, "tag", "undo", "aibox/base:never", "--reason", "x");
    assert.equal(missing.code, 1);
  });

  test("pins and holds, and says so to clients and in the list", async () => {
    const id = /^(\S+): its tags/.exec((await run("tag", "immutable", "aibox", "--add", "24.04-*")).out)?.[1] ?? "";
    await assert.rejects(pushImage(server, "aibox/base", "24.04-w10", Buffer.from("other")), /403 .*DENIED.*24\.04-\*/);
    const wish = ["aibox/base:24.04-w10", "--until", "30d", "--reason", "audit"];
    const hold = /^(\S+): sha256:\w+ is held until/.exec((await run("tag", "hold", ...wish)).out)?.[1] ?? "";
    await run("tag", "hold", "aibox:*-cve-*", "--days", "365", "--reason", "support");
    const list = await run("tag", "list", "aibox/base");
    assert.match(list.out, /24\.04-w10 .*immutable, held until \S+: audit\n/);
    assert.match(list.out, /24\.04-w10-cve-2026-1 .*immutable, held until \S+: support/);
    assert.match((await run("tag", "holds", "aibox")).out, /365 days from the push +owner +support/);
    const headers = { authorization: server.administrator };
    const url = `${server.url}/v2/aibox/base/manifests`;
    const digest = (await fetch(`${url}/24.04-w10`, { method: "HEAD", headers })).headers.get("docker-content-digest");
    assert.equal((await fetch(`${url}/${digest}`, { method: "DELETE", headers })).status, 403);
    await run("tag", "release", hold, "--reason", "over");
    await run("tag", "immutable", "aibox", "--remove", id);
    assert.equal((await fetch(`${url}/${digest}`, { method: "DELETE", headers })).status, 202);
    assert.equal((await mintmark(dataDir, "tag", "immutable", "aibox", "--remove", id)).code, 1);
  });

  test("counts pulls by GET, not by HEAD", async () => {
    const headers = { authorization: server.administrator };
    const url = `${server.url}/v2/aibox/base/manifests/24.04-w03`;
    await fetch(url, { method: "HEAD", headers });
    for (let count = 0; count < 3; count++) await (await fetch(url, { headers })).text();
    await server.factory.lifetime.pulls.flush();
    const told = (await run("tag", "list", "aibox/base", "--json")).out.trimEnd().split("\n");
    const tag = told
      .map((line) => JSON.parse(line) as { name: string; pullCount: number })
      .find(({ name }) => name === "24.04-w03");
    assert.equal(tag?.pullCount, 3);
  });

  test("bounds what a project stores", async () => {
    const used = JSON.parse((await run("quota", "show", "aibox", "--json")).out) as { usedBytes: number };
    await run("quota", "set", "aibox", String(used.usedBytes + 100));
    await assert.rejects(pushImage(server, "aibox/base", "big", Buffer.alloc(101)), /403 .*DENIED.*quota of/);
    assert.match((await run("quota", "list")).out, /aibox +\d.* 9\d %/);
    const exceeded = await run("audit", "list", "--action", "quota.exceeded", "--json");
    assert.match(exceeded.out, /"quota\.exceeded"/);
    assert.equal((await mintmark(dataDir, "quota", "set", "aibox", "many")).code, 2);
    await run("quota", "set", "aibox", "none");
    await pushImage(server, "aibox/base", "big", Buffer.alloc(101));
  });

  test("asks for the right to change the lifetime of tags", async () => {
    const anonymous = await fetch(`${server.url}/api/v1/projects/aibox/retention`, { method: "DELETE" });
    assert.equal(anonymous.status, 401);
    const created = await run("robot", "create", "looker", "--repository", "aibox/*", "--until", "1d");
    const secret = created.out.trim().split("\n")[0] ?? "";
    const authorization = `Basic ${Buffer.from(`robot$looker:${secret}`).toString("base64")}`;
    const headers = { authorization, "content-type": "application/json" };
    const told = await fetch(`${server.url}/api/v1/projects/aibox/retention/runs`, {
      method: "POST",
      headers,
      body: "{}",
    });
    assert.ok([403, 404].includes(told.status), String(told.status));
    assert.equal(
      (await fetch(`${server.url}/api/v1/projects/aibox/quota`, { method: "POST", headers, body: "{}" })).status,
      403,
    );
  });
});
