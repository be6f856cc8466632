import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { nowMs, sleep } from "../../base/clock.ts";
import { silentLog } from "../../base/log.ts";
import { openSecretBox } from "../../base/secret-box.ts";
import { addAuditEvent, listAuditEvents } from "../../store/event-records.ts";
import { openStore, type Store } from "../../store/store.ts";
import type { DispatchPace } from "./dispatcher.ts";
import { type NewWebhook, openWebhooks, type Webhooks, type WebhooksOptions } from "./webhooks.ts";

/** A receiver that does what it is told, and remembers what it got. */
class Receiver {
  readonly got: { readonly headers: IncomingMessage["headers"]; readonly body: string; readonly path: string }[] = [];
  /** What to do with each request to come; 200 when there is nothing more. */
  readonly plan: ((response: ServerResponse) => void)[] = [];
  readonly server: Server;

  constructor() {
    this.server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on("data", (chunk: Buffer) => chunks.push(chunk));
      request.on("end", () => {
        this.got.push({ headers: request.headers, body: Buffer.concat(chunks).toString(), path: request.url ?? "" });
        const step = this.plan.shift();
        if (step === undefined) response.end("thanks");
        else step(response);
      });
    });
  }

  async listen(): Promise<string> {
    this.server.listen(0, "127.0.0.1");
    await once(this.server, "listening");
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}/hook?x=1`;
  }

  subjects(): string[] {
    return this.got.map(({ body }) => (JSON.parse(body) as { subject: string }).subject);
  }
}

const answer =
  (status: number, headers: Record<string, string> = {}) =>
  (response: ServerResponse): void =>
    void response.writeHead(status, headers).end("no\u0007\u001b[31m");

const pace: DispatchPace = { retryDelayMs: () => 10, attemptsMax: 4, timeoutMs: 400 };
const allow = { allowPrivate: false, allowedHosts: ["127.0.0.1"] };

describe("webhooks", () => {
  let folder: string;
  let store: Store;
  let webhooks: Webhooks;
  let receiver: Receiver;
  let url: string;

  const open = async (more: Partial<WebhooksOptions> = {}): Promise<Webhooks> =>
    await openWebhooks({
      store,
      log: silentLog,
      box: await openSecretBox(join(folder, "keys", "secrets.key")),
      allow,
      source: "https://mint.example",
      isStanding: true,
      pace,
      ...more,
    });
  const hook = (more: Partial<NewWebhook> = {}): NewWebhook => ({
    name: "ci",
    project: "team",
    events: ["image.pushed", "DELETE_ARTIFACT"],
    repositories: [],
    tags: [],
    enabled: true,
    targets: [{ url, format: "cloudevents", authorization: "Bearer hidden-word" }],
    actor: "admin",
    ...more,
  });
  const happen = async (action: string, subject: string, details: Record<string, unknown> = {}): Promise<void> =>
    await addAuditEvent(store.db, { actor: "alice", action, subject, details });
  const until = async (isSo: () => boolean | Promise<boolean>): Promise<void> => {
    const end = nowMs() + 5000;
    while (!(await isSo())) {
      assert.ok(nowMs() < end, "waited for five seconds");
      await sleep(10);
    }
  };
  const clear = async (): Promise<void> => {
    for (const webhook of await webhooks.list()) await webhooks.delete(webhook, "admin");
    receiver.got.length = 0;
    receiver.plan.length = 0;
  };

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "webhooks-"));
    store = await openStore({ dataDir: folder });
    receiver = new Receiver();
    url = await receiver.listen();
    webhooks = await open();
  });
  after(async () => {
    await webhooks.close();
    receiver.server.closeAllConnections();
    receiver.server.close();
    await store.close();
    await rm(folder, { recursive: true });
  });

  test("tell of the chosen events of their project, signed, as CloudEvents", async () => {
    await clear();
    const { webhook, secrets } = await webhooks.create(hook());
    await happen("image.pushed", "team/app@sha256:aa", { tags: ["1.0"], sizeBytes: 5 });
    await happen("image.pushed", "other/app@sha256:bb");
    await happen("image.pulled", "team/app@sha256:aa");
    await happen("image.deleted", "team/app@sha256:aa");
    await until(() => receiver.got.length === 2);
    const [{ headers, body, path }] = receiver.got as [(typeof receiver.got)[number]];
    assert.equal(path, "/hook?x=1");
    assert.equal(headers["content-type"], "application/cloudevents+json; charset=utf-8");
    assert.equal(headers.authorization, "Bearer hidden-word");
    const [, seconds, hex] = /^t=(\d+),v1=([0-9a-f]{64})$/.exec(String(headers["mintmark-signature"]))!;
    assert.ok(Math.abs(Number(seconds) * 1000 - nowMs()) < 10_000);
    assert.equal(hex, createHmac("sha256", secrets[0]!).update(`${seconds}.${body}`).digest("hex"));
    const event = JSON.parse(body) as Record<string, unknown>;
    assert.deepEqual(
      [event["specversion"], event["type"], event["source"], event["subject"]],
      ["1.0", "mintmark.image.pushed", "https://mint.example", "team/app@sha256:aa"],
    );
    assert.deepEqual(event["data"], {
      action: "image.pushed",
      actor: "alice",
      project: "team",
      repository: "team/app",
      digest: "sha256:aa",
      tags: ["1.0"],
      details: { tags: ["1.0"], sizeBytes: 5 },
    });
    assert.deepEqual(receiver.subjects(), ["team/app@sha256:aa", "team/app@sha256:aa"]);
    await until(async () => (await webhooks.deliveries(webhook, { state: "delivered", limit: 10 })).length === 2);
    const [newest] = await webhooks.deliveries(webhook, { limit: 10 });
    assert.deepEqual([newest?.status, newest?.answer, newest?.attempt], [200, "thanks", 1]);
  });

  test("filter by repository and tag, and system-wide ones hear of all projects", async () => {
    await clear();
    await webhooks.create(hook({ name: "released", repositories: ["team/**"], tags: ["v*"] }));
    await webhooks.create(hook({ name: "all", project: undefined, events: ["robot.expiring", "image.pushed"] }));
    await happen("image.pushed", "team/a@sha256:01", { tags: ["latest"] });
    await happen("image.pushed", "team/b/c@sha256:02", { tags: ["latest", "v2"] });
    await happen("image.pushed", "other/a@sha256:03", { tags: ["v3"] });
    await happen("robot.expiring", "robot$ci");
    await until(() => receiver.got.length >= 5);
    assert.deepEqual(
      receiver.subjects().toSorted(),
      ["other/a@sha256:03", "robot$ci", "team/a@sha256:01", "team/b/c@sha256:02", "team/b/c@sha256:02"].toSorted(),
    );
  });

  test("try again in order while a receiver fails, and go on in order afterwards", async () => {
    await clear();
    const { webhook } = await webhooks.create(hook());
    const cut = (response: ServerResponse): void => void response.socket?.destroy();
    receiver.plan.push(answer(500), cut, answer(302, { location: url }));
    for (const digest of ["01", "02", "03"]) await happen("image.pushed", `team/app@sha256:${digest}`);
    await until(() => receiver.got.length === 6);
    assert.deepEqual(
      receiver.subjects().map((subject) => subject.slice(-2)),
      ["01", "01", "01", "01", "02", "03"],
    );
    await until(async () => (await webhooks.deliveries(webhook, { state: "delivered", limit: 10 })).length === 3);
    const deliveries = await webhooks.deliveries(webhook, { limit: 10 });
    assert.deepEqual(
      deliveries.map(({ attempt }) => attempt),
      [1, 1, 4],
    );
    assert.equal((await webhooks.find(webhook.id))?.targets[0]?.failureCount, 0);
  });

  test("give up what is refused, go on with the next, and send it again by hand", async () => {
    await clear();
    const { webhook } = await webhooks.create(hook());
    receiver.plan.push(answer(400), answer(400), answer(400));
    await happen("image.pushed", "team/app@sha256:01");
    await happen("image.pushed", "team/app@sha256:02");
    await until(async () => (await webhooks.deliveries(webhook, { state: "delivered", limit: 10 })).length === 1);
    const [dead] = await webhooks.deliveries(webhook, { state: "dead", limit: 10 });
    assert.deepEqual([dead?.attempt, dead?.status, dead?.answer], [3, 400, "no [31m"]);
    const again = await webhooks.redeliver(webhook, dead!.id);
    assert.deepEqual([again?.state, again?.cause], ["delivered", "again"]);
    assert.equal(receiver.got.at(-1)?.body, dead?.body);
    assert.equal(await webhooks.redeliver(webhook, "none"), undefined);
    receiver.plan.push(...Array.from({ length: 4 }, () => answer(503)));
    await happen("image.pushed", "team/app@sha256:03");
    await until(async () => (await webhooks.deliveries(webhook, { state: "dead", limit: 10 })).length === 2);
  });

  test("do not wait for a receiver that hangs, and serve others meanwhile", async () => {
    await clear();
    receiver.plan.push((response) => void response.writeHead(200).write("never"));
    const { webhook } = await webhooks.create(hook({ name: "hangs" }));
    const [hanging] = await Promise.all([
      webhooks.test(webhook, "admin"),
      sleep(100).then(async () => {
        const other = await webhooks.create(hook({ name: "quick" }));
        const [quick] = await webhooks.test(other.webhook, "admin");
        assert.equal(quick?.state, "delivered");
      }),
    ]);
    assert.deepEqual([hanging[0]?.state, hanging[0]?.answer], ["dead", "no answer within 0.4 s"]);
  });

  test("keep what waits across a restart", async () => {
    await clear();
    const { webhook } = await webhooks.create(hook());
    receiver.plan.push(answer(500));
    await webhooks.close();
    await happen("image.pushed", "team/app@sha256:01");
    webhooks = await open();
    await until(async () => (await webhooks.deliveries(webhook, { state: "delivered", limit: 10 })).length === 1);
    assert.equal(receiver.got.length, 2);
  });

  test("do not reach private addresses unless allowed, by whatever name", async () => {
    await clear();
    const port = (receiver.server.address() as AddressInfo).port;
    for (const host of [
      "127.0.0.2",
      "127.1.2",
      "0x7f.0.0.2",
      "2130706434",
      "[::1]",
      "[::ffff:127.0.0.2]",
      "10.0.0.1",
      "169.254.169.254",
    ])
      await assert.rejects(
        webhooks.create(
          hook({ targets: [{ url: `http://${host}:${port}/`, format: "slack", authorization: undefined }] }),
        ),
        { code: "forbidden" },
        host,
      );
    const strict = await open({ isStanding: false, allow: { allowPrivate: false, allowedHosts: [] } });
    const { webhook } = await strict.create(
      hook({ targets: [{ url: `http://localhost:${port}/`, format: "slack", authorization: undefined }] }),
    );
    const [refused] = await strict.test(webhook, "admin");
    assert.equal(refused?.state, "dead");
    assert.match(refused.answer!, /private address/);
    assert.equal(receiver.got.length, 0);
  });

  test("are refused where they make no sense, and never tell a secret", async () => {
    await clear();
    const bad: Partial<NewWebhook>[] = [
      { name: "" },
      { name: "a\nb" },
      { events: [] },
      { events: ["image.pushed", "nonsense"] },
      { repositories: ["[a"] },
      { targets: [] },
      { targets: [{ url: "ftp://x.example/", format: "slack", authorization: undefined }] },
      { targets: [{ url: "http://u:p@x.example/", format: "slack", authorization: undefined }] },
      { targets: [{ url, format: "slack", authorization: "a\r\nx: y" }] },
    ];
    for (const change of bad) await assert.rejects(webhooks.create(hook(change)), { code: "usage" });
    const { secrets, webhook } = await webhooks.create(hook());
    await assert.rejects(webhooks.create(hook()), { code: "conflict" });
    const told = JSON.stringify([await webhooks.list(), webhook, await listAuditEvents(store.db, { limit: 1000 })]);
    for (const secret of [secrets[0]!, "hidden-word", "/hook"]) assert.ok(!told.includes(secret), secret);
    await webhooks.switch(webhook, false, "admin");
    await happen("image.pushed", "team/app@sha256:01");
    await sleep(500);
    assert.equal(receiver.got.length, 0, "what is off is silent");
  });
});
