/** The limits on requests over HTTP, in the form that each side's clients read. */
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { shiftClock } from "../../src/base/clock.ts";
import { pushImage, runServer, type RunningServer } from "../registry/running-server.ts";

describe("limits on requests", () => {
  let folder: string;
  let server: RunningServer;
  const run = async (name: string, environment: Readonly<Record<string, string>>): Promise<void> => {
    server = await runServer(join(folder, name), environment);
  };
  const ask = async (path: string, init: RequestInit = {}): Promise<Response> =>
    await fetch(`${server.url}${path}`, init);

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "limits-"));
  });
  after(async () => await rm(folder, { recursive: true }));

  test("by address: 429 with Retry-After, as problem+json under /api and in the registry's form under /v2", async () => {
    await run("address", { MINTMARK_LIMITS_REQUESTS_PER_MINUTE_ADDRESS: "30" });
    try {
      for (let at = 0; at < 30; at++) assert.notEqual((await ask("/images")).status, 429);
      const api = await ask("/api/v1/images");
      assert.equal(api.status, 429);
      assert.match(api.headers.get("retry-after") ?? "", /^[1-9]\d*$/);
      assert.equal(api.headers.get("content-type"), "application/problem+json");
      assert.equal(((await api.json()) as { code: string }).code, "rate_limited");
      const registry = await ask("/v2/team/app/manifests/1");
      assert.equal(registry.status, 429);
      assert.ok(registry.headers.has("retry-after"));
      const { errors } = (await registry.json()) as { errors: { code: string }[] };
      assert.deepEqual(
        errors.map(({ code }) => code),
        ["TOOMANYREQUESTS"],
      );
      assert.equal((await ask("/v2/_token")).status, 429);
      assert.equal((await ask("/health")).status, 200, "whoever watches over the server is always answered");
      shiftClock(61_000);
      const metrics = await (await ask("/metrics")).text();
      assert.match(metrics, /mintmark_rate_limited_requests_total\{by="address"\} 3/);
      assert.equal((await ask("/images")).status, 200);
    } finally {
      shiftClock(-61_000);
      await server.close();
    }
  });

  test("by account: one that asks too much stands in nobody's way, and the parts of an upload count once", async () => {
    await run("identity", { MINTMARK_LIMITS_REQUESTS_PER_MINUTE_IDENTITY: "20" });
    try {
      const { administrator } = server;
      const headers = { authorization: administrator };
      const begun = await ask("/v2/team/app/blobs/uploads/", { method: "POST", headers });
      let location = new URL(begun.headers.get("location")!, server.url).href;
      for (let part = 0; part < 40; part++) {
        const answer = await fetch(location, { method: "PATCH", headers, body: "part" });
        assert.equal(answer.status, 202);
        location = new URL(answer.headers.get("location")!, server.url).href;
      }
      await pushImage(server, "team/app", "1", Buffer.from("layer"));
      let answered = 0;
      for (; (await ask("/images", { headers })).status === 200; answered++) assert.ok(answered < 20);
      assert.ok(answered >= 12, `${answered} of 20 were left`);
      assert.equal((await ask("/v2/team/app/manifests/1", { headers })).status, 429);
      assert.equal((await ask("/v2/team/app/manifests/1")).status, 200, "others from the same address");
      assert.match(await (await ask("/metrics")).text(), /mintmark_rate_limited_requests_total\{by="identity"\} 2/);
    } finally {
      await server.close();
    }
  });

  test("are none by default while the server can be reached from this machine only", async () => {
    await run("open", {});
    try {
      const answers = await Promise.all(Array.from({ length: 300 }, () => ask("/v2/")));
      assert.ok(answers.every(({ status }) => status === 401));
    } finally {
      await server.close();
    }
  });
});
