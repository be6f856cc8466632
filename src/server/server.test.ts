/**
 * Routes and shapes of the API. The Factory here is a tiny stand-in of the test's own, because this suite asks how
 * requests are read, refused and answered, not how images are made; tests/ drives the real pipeline.
 */
import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, stat } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { silentLog } from "../base/log.ts";
import { loadConfig } from "../config/config.ts";
import type { Config } from "../config/config.ts";
import type { BuildRequest, BuildRun, Factory, ImageSummary, RunEvent } from "../pipeline/factory.ts";
import { openStore, type Store } from "../store/store.ts";
import { startServer, type Server } from "./server.ts";

const digest = `sha256:${"a".repeat(64)}` as const;
const runId = "01900000-0000-7000-8000-000000000001";
const steps = [
  "resolve",
  "lock",
  "fetch",
  "layers",
  "configure",
  "sbom",
  "scan",
  "gate",
  "publish",
  "sign",
  "attest",
  "verify",
] as const;
const image: ImageSummary = {
  digest,
  repository: "team/tools/base",
  tags: ["latest"],
  recipe: "base",
  distribution: "debian:12",
  architecture: "amd64",
  builtAt: "2026-01-02T03:04:05Z",
  sizeBytes: 10,
  unpackedBytes: 20,
  layerCount: 3,
  packageCount: 4,
  severities: { critical: 0, high: 1, medium: 0, low: 0, negligible: 0, unknown: 0 },
  verdict: "pass",
  signed: true,
  evidence: [{ kind: "sbom", digest }],
  lockDigest: digest,
  durations: Object.fromEntries(steps.map((step) => [step, 1])) as ImageSummary["durations"],
  reproduced: "yes",
};

/** What the tests let the stand-in see. */
interface Seen {
  readonly requests: BuildRequest[];
  watchEnded: boolean;
}

function tinyFactory(store: Store, config: Config, seen: Seen): Factory {
  const run: BuildRun = { id: runId, state: "running", request: { recipe: "base", mode: "auto", actor: "x" } };
  const none = (): Promise<never> => Promise.reject(new Error("secret inside of a bug"));
  const isImage = (id: string): boolean => [digest, "team/tools/base:latest", `team/tools/base@${digest}`].includes(id);
  return {
    store,
    config,
    registry: undefined as never,
    queue: { define: () => undefined } as never,
    lifetime: undefined as never,
    mirror: undefined as never,
    mirrorCare: undefined as never,
    schedules: {
      set: async () => undefined,
      remove: async () => undefined,
      list: async () => [],
      tick: async () => undefined,
      close: () => undefined,
    },
    followEvents: undefined as never,
    backups: undefined as never,
    movement: {
      proxies: { upstreams: undefined, counts: () => ({ requests: { stale: 1 }, fetchedBytes: 2 }) },
      replication: { counts: async () => ({ tasks: { failed: 1 }, bytes: { push: 2 } }) },
    } as never,
    collection: { secondsSinceSuccess: async () => 0 } as never,
    webhooks: { counts: async () => ({ delivered: 0, failed: 0, dead: 0, waiting: 0 }) } as never,
    admission: {
      check: async () => undefined,
      counts: async () => ({ scans: { done: 2 }, refusals: { findings: 1 }, waiting: 3 }),
    } as never,
    log: silentLog,
    startBuild: async (request) => (seen.requests.push(request), runId),
    async *watch(_id, last = 0, signal) {
      for (let sequence = last + 1; sequence <= 3; sequence++)
        yield {
          sequence,
          at: "2026-01-02T03:04:05Z",
          event: { kind: "log", step: "fetch", line: `line ${sequence}` },
        } satisfies RunEvent;
      if (last < 100) return;
      await new Promise<void>((resolve) => signal?.addEventListener("abort", () => resolve()));
      seen.watchEnded = true;
    },
    run: async (id) => (id === runId ? run : undefined),
    cancelBuild: async () => true,
    images: async () => [image],
    image: async (id) => (isImage(id) ? image : undefined),
    lock: async () => ({ path: "lock.json", changes: [] }),
    sbom: async (_reference, format) => `{ "format":   "${format}" }`,
    scan: none,
    gate: async () => ({
      schemaVersion: 1,
      result: "pass",
      judgedAt: "2026-01-02T03:04:05Z",
      policy: { name: "p", sha256: "0" },
      reasons: [],
    }),
    verify: async () => ({
      schemaVersion: 1,
      result: "pass",
      repository: image.repository,
      reference: "latest",
      digest,
      checks: [],
      signatures: [],
      evidence: [],
    }),
    difference: async () => ({ config: [], files: [], sharedLayers: 0 }),
    why: async (reference) => ({ reference }),
    importAdvisories: none,
    keys: undefined as never,
    announce: () => undefined,
    settled: async () => undefined,
    close: async () => undefined,
  };
}

describe("server", () => {
  let folder = "";
  let store: Store;
  let config: Config;
  let server: Server;
  const seen: Seen = { requests: [], watchEnded: false };
  const robotHeader = async (): Promise<Record<string, string>> => {
    robot ??= (await (
      await post(
        "/robots",
        {
          name: "ci",
          permissions: [{ repository: "team/*", actions: ["pull"] }],
          mayBuild: true,
          expiresAt: "2999-01-01T00:00:00Z",
        },
        await ownerHeader(),
      )
    ).json()) as { name: string; secret: string };
    return { authorization: `Basic ${Buffer.from(`${robot.name}:${robot.secret}`).toString("base64")}` };
  };
  let robot: { name: string; secret: string } | undefined;

  const listen = (changes: Partial<Config> = {}): Promise<Server> =>
    startServer({
      factory: tinyFactory(store, config, seen),
      config: { ...config, ...changes },
      log: silentLog,
      version: "0.0.1",
    });
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "mintmark-server-"));
    config = await loadConfig({
      flags: { data: folder, listen: "127.0.0.1:0", shutdownSeconds: 1 },
      environment: {},
      cwd: folder,
    });
    store = await openStore({ dataDir: folder });
    server = await listen();
  });
  after(async () => {
    await server.close();
    await store.close();
    await rm(folder, { recursive: true });
  });

  const get = (path: string, headers: Record<string, string> = {}): Promise<Response> =>
    fetch(server.url + path, { headers });
  const post = (path: string, body: unknown, headers: Record<string, string> = {}): Promise<Response> =>
    fetch(server.url + path, {
      method: "POST",
      headers: { "content-type": "application/json", ...headers },
      body: JSON.stringify(body),
    });
  const ownerHeader = async (): Promise<Record<string, string>> => {
    const { token } = JSON.parse(await readFile(join(folder, "server.json"), "utf8")) as { token: string };
    return { authorization: `Bearer ${token}` };
  };

  test("answers health and readiness on both forms of the path", async () => {
    for (const path of ["/health", "/api/v1/health"])
      assert.deepEqual(await (await get(path)).json(), { status: "ok" });
    const ready = (await (await get("/ready")).json()) as { status: string; checks: { name: string; ok: boolean }[] };
    assert.equal(ready.status, "ready");
    assert.deepEqual(
      ready.checks.map(({ name }) => name),
      ["serving", "database", "blobs", "disk"],
    );
  });

  test("names images with slashes, tags and digests, escaped or not", async () => {
    for (const id of [digest, "team/tools/base:latest", "team%2Ftools%2Fbase%3Alatest", `team/tools/base@${digest}`])
      for (const prefix of ["", "/api/v1"]) {
        const answer = await get(`${prefix}/images/${id}`);
        assert.equal(answer.status, 200, id);
        assert.deepEqual(await answer.json(), image);
      }
    assert.equal(await (await get("/images/team/tools/base:latest/sbom?format=spdx")).text(), '{ "format":   "spdx" }');
    assert.deepEqual(await (await get("/images/team/tools/base:latest/why")).json(), {
      reference: `team/tools/base@${digest}`,
    });
    assert.equal(
      ((await (await get("/images/team/tools/base:latest/verdict")).json()) as { result: string }).result,
      "pass",
    );
    assert.equal(((await (await get("/images?repository=none")).json()) as { total: number }).total, 0);
  });

  test("tells failures as problem+json, and nothing of the inside of a bug", async () => {
    const missing = await get("/images/none:1");
    assert.equal(missing.status, 404);
    assert.match(missing.headers.get("content-type")!, /^application\/problem\+json/);
    const problem = (await missing.json()) as Record<string, unknown>;
    assert.equal(problem["code"], "not_found");
    assert.match(String(problem["detail"]), /Cannot find the image "none:1"/);
    const bug = await get(`/images/${digest}/scan`);
    assert.equal(bug.status, 500);
    assert.doesNotMatch(await bug.text(), /secret inside/);
    assert.equal((await get("/nothing")).status, 404);
    assert.equal((await get("/%zz")).status, 400);
    assert.equal((await get("/builds/x")).status, 400);
  });

  test("tells failures under /v2 as OCI errors", async () => {
    const answer = await get("/v2/_token", { authorization: "Basic d3Jvbmc6d3Jvbmc=" });
    assert.equal(answer.status, 401);
    const { errors } = (await answer.json()) as { errors: { code: string; message: string }[] };
    assert.equal(errors[0]?.code, "UNAUTHORIZED");
  });

  test("sends clients of /v2 to its token service and takes its tokens", async () => {
    const refused = await get("/v2/");
    const challenge = refused.headers.get("www-authenticate") ?? "";
    assert.equal(refused.status, 401);
    const realm = /^Bearer realm="([^"]+)",service="mintmark"$/.exec(challenge)?.[1];
    assert.equal(realm, `${server.url}/v2/_token`);
    const scope = "?service=mintmark&scope=repository:team/app:pull";
    for (const headers of [{}, await robotHeader()]) {
      const issued = (await (await fetch(realm + scope, { headers })).json()) as { token: string; expires_in: number };
      assert.ok(issued.expires_in > 0);
      assert.equal((await get("/v2/", { authorization: `Bearer ${issued.token}` })).status, 200);
      assert.equal(
        (await get("/robots", { authorization: `Bearer ${issued.token}` })).status,
        "authorization" in headers ? 403 : 401,
      );
    }
    const { name = "", secret = "" } = robot ?? {};
    const body = new URLSearchParams({ grant_type: "password", service: "mintmark", username: name, password: secret });
    assert.equal((await fetch(realm!, { method: "POST", body })).status, 200);
  });

  test("queues a build for those who may, and nobody else", async () => {
    assert.equal((await post("/images/build", { recipe: "base" })).status, 401);
    assert.equal(
      (await post("/images/build", { recipe: "base" }, { authorization: "Basic d3Jvbmc6d3Jvbmc=" })).status,
      401,
    );
    const accepted = await post("/images/build", { recipe: "base" }, await robotHeader());
    assert.equal(accepted.status, 202);
    assert.equal(accepted.headers.get("location"), `/api/v1/builds/${runId}`);
    assert.deepEqual(seen.requests.at(-1), { recipe: "base", mode: "auto", actor: "robot$ci" });
    assert.equal((await post("/images/build", { recipe: "../../etc" }, await robotHeader())).status, 403);
    assert.equal((await post("/images/build", { recipe: "/tmp/x" }, await ownerHeader())).status, 202);
    assert.equal((await get("/robots", await robotHeader())).status, 403);
    assert.equal((await get("/robots", await ownerHeader())).status, 200);
  });

  test("takes only JSON bodies of a bounded size with known fields", async () => {
    const headers = await ownerHeader();
    assert.equal((await post("/images/build", { recipe: "base", extra: 1 }, headers)).status, 400);
    assert.equal((await post("/images/build", { recipe: "x".repeat(2 ** 20) }, headers)).status, 413);
    const form = await fetch(`${server.url}/images/build`, {
      method: "POST",
      headers: { ...headers, "content-type": "text/plain" },
      body: "{}",
    });
    assert.equal(form.status, 400);
  });

  test("refuses anonymous reads that come through a proxy or by another name", async () => {
    assert.equal((await get("/images", { "x-forwarded-for": "192.0.2.1" })).status, 401);
    const answer = await raw(server, "GET /images HTTP/1.1\r\nHost: rebound.test\r\nConnection: close\r\n\r\n");
    assert.match(answer, /^HTTP\/1\.1 401 /);
    assert.match(answer, /www-authenticate: Basic/i);
    const closed = await listen({ anonymousRead: false, dataDir: await mkdtemp(join(folder, "closed-")) });
    assert.equal((await fetch(`${closed.url}/images`)).status, 401);
    assert.equal((await fetch(`${closed.url}/health`)).status, 200);
    await closed.close();
  });

  test("streams a build log in both forms and goes on where the reader was", async () => {
    const lines = (await (await get(`/builds/${runId}/log?after=1`)).text()).trim().split("\n");
    assert.deepEqual(
      lines.map((line) => (JSON.parse(line) as RunEvent).sequence),
      [2, 3],
    );
    const events = await (
      await get(`/builds/${runId}/log`, { accept: "text/event-stream", "last-event-id": "2" })
    ).text();
    assert.match(events, /^retry: 2000\n\nid: 3\ndata: \{.*\}\n\nevent: end\ndata: \{\}\n\n$/s);
  });

  test("lets go of a log whose reader has left", async () => {
    const reader = new AbortController();
    const answer = await fetch(`${server.url}/builds/${runId}/log?after=100`, { signal: reader.signal }).catch(
      () => undefined,
    );
    assert.ok(answer);
    reader.abort();
    while (!seen.watchEnded) await new Promise((resolve) => setTimeout(resolve, 5));
  });

  test("keeps exceptions with author, reason and end", async () => {
    const headers = await ownerHeader();
    const body = { vulnerability: "CVE-2026-1", reason: "not reachable", expiresAt: "2999-01-01T00:00:00Z" };
    const created = (await (await post("/exceptions", body, headers)).json()) as Record<string, string>;
    assert.equal(created["author"], "owner");
    assert.equal((await post("/exceptions", { ...body, expiresAt: "2001-01-01T00:00:00Z" }, headers)).status, 422);
    const ended = await post(`/exceptions/${created["id"]}/end`, { reason: "fixed" }, headers);
    assert.equal(ended.status, 200);
    assert.equal(((await (await get("/exceptions")).json()) as { exceptions: unknown[] }).exceptions.length, 1);
  });

  test("sends security headers, and a page whose policy names its own script", async () => {
    const { headers } = await get("/health");
    assert.equal(headers.get("x-content-type-options"), "nosniff");
    assert.equal(headers.get("content-security-policy"), "default-src 'none'; frame-ancestors 'none'");
    const page = await get("/api");
    assert.match(page.headers.get("content-security-policy")!, /script-src 'sha256-[^']+'; style-src 'sha256-/);
    assert.match(page.headers.get("content-type")!, /^text\/html/);
  });

  test("describes itself in OpenAPI 3.1", async () => {
    const document = (await (await get("/openapi.json")).json()) as { openapi: string; paths: Record<string, unknown> };
    assert.equal(document.openapi, "3.1.0");
    for (const path of ["/images", "/images/{id}", "/images/build", "/builds/{id}/log", "/ready"])
      assert.ok(path in document.paths, path);
  });

  test("measures by route template, never by name", async () => {
    const text = await (await get("/metrics")).text();
    assert.match(
      text,
      /mintmark_http_request_duration_seconds_count\{method="GET",route="\/api\/v1\/images\/:id",code="200"\} \d+/,
    );
    assert.match(text, /mintmark_images\{verdict="pass"\} 1/);
    assert.match(text, /mintmark_builds\{state="queued"\} 0/);
    assert.doesNotMatch(text, /team|sha256/);
  });

  test("leaves server.json for its owner only and stops in time though a reader is slow", async () => {
    const dataDir = await mkdtemp(join(folder, "second-"));
    const second = await listen({ dataDir });
    assert.equal((await stat(join(dataDir, "server.json"))).mode & 0o777, 0o600);
    const stuck = connect(Number(new URL(second.url).port), "127.0.0.1");
    stuck.on("error", () => undefined);
    await new Promise<void>((resolve) => stuck.once("connect", resolve));
    stuck.write(`GET /builds/${runId}/log?after=100 HTTP/1.1\r\nHost: localhost\r\n\r\n`);
    await new Promise((resolve) => setTimeout(resolve, 50));
    await second.close();
    await assert.rejects(stat(join(dataDir, "server.json")));
    await assert.rejects(fetch(`${second.url}/health`));
  });

  test("says which port is taken", async () => {
    const listenTaken = { host: "127.0.0.1", port: Number(new URL(server.url).port) };
    await assert.rejects(
      listen({ listen: listenTaken }),
      /Cannot listen on "127\.0\.0\.1:\d+": another program does already/,
    );
  });
});

async function raw(server: Server, text: string): Promise<string> {
  const socket = connect(Number(new URL(server.url).port), "127.0.0.1");
  socket.end(text);
  const chunks: Buffer[] = [];
  for await (const chunk of socket) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString("utf8");
}
