import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer as createHttpServer } from "node:http";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { sleep } from "../../src/base/clock.ts";
import { mintmark } from "./command-line.ts";
import { pushImage, runServer } from "./running-server.ts";

interface Event {
  readonly sequence: number;
  readonly action: string;
  readonly actor: string;
  readonly address?: string;
  readonly subject: string;
  readonly project?: string;
  readonly details: Readonly<Record<string, unknown>>;
}

async function until<T>(look: () => Promise<T | undefined> | T | undefined): Promise<T> {
  for (let turn = 0; turn < 500; turn++) {
    const found = await look();
    if (found !== undefined) return found;
    await sleep(20);
  }
  throw new Error("waited for ten seconds");
}

test("what happens at the registry is in the audit log, the syslog and the webhooks", async (context) => {
  const home = await mkdtemp(join(tmpdir(), "mintmark-events-"));
  context.after(async () => await rm(home, { recursive: true, force: true }));
  const dataDir = join(home, "data");
  const lines: string[] = [];
  const receiver = createServer((socket) => socket.setEncoding("utf8").on("data", (text: string) => lines.push(text)));
  receiver.listen(0, "127.0.0.1");
  await once(receiver, "listening");
  const bodies: string[] = [];
  const hooks = createHttpServer((request, response) => {
    request.setEncoding("utf8").on("data", (text: string) => bodies.push(text));
    request.on("end", () => response.end());
  });
  hooks.listen(0, "127.0.0.1");
  await once(hooks, "listening");
  const portOf = (server: { address(): unknown }): number => (server.address() as AddressInfo).port;
  const server = await runServer(dataDir, {
    MINTMARK_AUDIT_SYSLOG_RECEIVER: `tcp://127.0.0.1:${portOf(receiver)}`,
    MINTMARK_WEBHOOKS_ALLOWED_HOSTS: "127.0.0.1",
  });
  context.after(async () => {
    await server.close();
    receiver.close();
    hooks.closeAllConnections();
    hooks.close();
  });

  const header = join(home, "header");
  await writeFile(header, "Bearer very-hidden\n");
  const created = await mintmark(
    dataDir,
    ..."webhook create ci --project team --event PUSH_ARTIFACT PULL_ARTIFACT --to".split(" "),
    `http://127.0.0.1:${portOf(hooks)}/hook`,
    "--authorization-file",
    header,
  );
  assert.equal(created.code, 0, created.err);
  assert.match(created.out, /^whsec_[\w-]{43}\n$/);
  const tested = await mintmark(dataDir, "webhook", "test", "ci", "--project", "team");
  assert.equal(tested.code, 0, tested.out + tested.err);

  const image = await pushImage(server, "team/app", "1.0", Buffer.from("layer"));
  const pulled = await fetch(`${server.url}/v2/team/app/manifests/1.0`, {
    headers: { authorization: server.administrator },
  });
  assert.equal(await pulled.text(), image.manifest);
  const wrong = `Basic ${Buffer.from("admin:=cmd|' /C calc'!A0").toString("base64")}`;
  assert.equal((await fetch(`${server.url}/v2/`, { headers: { authorization: wrong } })).status, 401);

  const events = await until(async () => {
    const listed = await mintmark(dataDir, "audit", "list", "--json", "--oldest");
    const { events: all } = JSON.parse(listed.out) as { events: Event[] };
    return all.some(({ action }) => action === "image.pulled") ? all : undefined;
  });
  const told = (action: string): Event => {
    const event = events.find((one) => one.action === action);
    assert.ok(event, `${action} is among ${events.map((one) => one.action).join(" ")}`);
    return event;
  };
  for (const [action, subject] of [
    ["image.pushed", `team/app@${image.digest}`],
    ["image.pulled", `team/app@${image.digest}`],
    ["tag.moved", "team/app:1.0"],
    ["webhook.changed", "ci"],
  ] as const) {
    const event = told(action);
    assert.deepEqual([event.subject, event.project, event.address], [subject, "team", "127.0.0.1"], action);
  }
  assert.equal(told("sign-in.failed").address, "127.0.0.1");
  assert.deepEqual(
    events.map(({ sequence }) => sequence),
    events.map((_, index) => index + 1),
  );

  const kinds = await until(() => {
    const types = bodies.map((body) => (JSON.parse(body) as { type: string }).type);
    return types.includes("mintmark.image.pulled") ? types : undefined;
  });
  assert.deepEqual(kinds, ["mintmark.webhook.tested", "mintmark.image.pushed", "mintmark.image.pulled"]);
  const deliveries = await mintmark(dataDir, "webhook", "deliveries", "ci", "--project", "team", "--json");
  assert.doesNotMatch(deliveries.out, /very-hidden/);
  const [newest] = (JSON.parse(deliveries.out) as { deliveries: { id: string; state: string }[] }).deliveries;
  assert.equal(newest?.state, "delivered");
  assert.equal((await mintmark(dataDir, "webhook", "redeliver", "ci", newest.id, "--project", "team")).code, 0);
  assert.equal(bodies.length, 4);

  await until(() => (lines.join("").includes("image.pulled") ? true : undefined));
  assert.match(lines.join(""), /^\d+ <10\d>1 \S+Z \S+ mintmark - \S+ \[meta sequenceId="\d+"\]\[event@32473 /);

  const csv = await mintmark(dataDir, "audit", "export", "--csv", "--action", "image.*");
  assert.match(csv.out, /^sequence,time,actor,address,action,project,subject,details,hash\r\n/);
  assert.equal(csv.out.trimEnd().split("\r\n").length, 3);
  const found = await mintmark(dataDir, "audit", "search", image.digest.slice(0, 20), "--project", "team");
  assert.match(found.out, /image\.pushed/);
  const verified = await mintmark(dataDir, "audit", "verify", "--json");
  assert.equal(verified.code, 0, verified.err);
  const { head } = JSON.parse(verified.out) as { head: { sequence: number; hash: string } };
  const kept = await mintmark(dataDir, "audit", "verify", "--kept", `${head.sequence}:${"0".repeat(64)}`);
  assert.equal(kept.code, 5);
  assert.match(kept.out, /another hash than the one that was kept outside/);

  const metrics = await (
    await fetch(`${server.url}/metrics`, { headers: { authorization: server.administrator } })
  ).text();
  assert.match(metrics, /mintmark_webhook_attempts_total\{outcome="delivered"\} 4/);
  assert.equal((await fetch(`${server.url}/api/v1/audit?project=team`)).status, 403);
  assert.equal((await mintmark(dataDir, "webhook", "delete", "ci", "--project", "team")).code, 0);
});
