import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { tickMs } from "../../src/base/clock.ts";
import { beginScan, findScan } from "../../src/store/admission-records.ts";
import { debian, importAdvisories, openSite, pushImage, removeSite, vectors, type AdmissionSite } from "./site.ts";

const gate = {
  requireVerdict: true,
  maxSeverity: "high",
  allowUnfixed: false,
  requireSignature: false,
  trustedKeys: [],
} as const;
const openssl = {
  id: "CVE-2026-1000",
  ecosystem: "Debian:12",
  name: "openssl",
  fixed: "3.0.15-1",
  vector: vectors.critical,
};

async function message(
  site: AdmissionSite,
  path: string,
): Promise<{ status: number; message: string; retryAfter: string | null }> {
  const answer = await site.ask("GET", path);
  const body = (await answer.json()) as { errors?: [{ message: string }] };
  return {
    status: answer.status,
    message: body.errors?.[0].message ?? "",
    retryAfter: answer.headers.get("retry-after"),
  };
}

test("a process that dies between push and scan loses neither", async () => {
  const folder = await mkdtemp(join(tmpdir(), "mintmark-killed-"));
  const child = spawn(process.execPath, [join(import.meta.dirname, "killed-push.ts"), folder], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let digest = "";
  child.stdout.on("data", (chunk: Buffer) => (digest += chunk.toString()));
  const signal = await new Promise((resolve) => child.on("close", (_code, name) => resolve(name)));
  assert.equal(signal, "SIGKILL");
  const site = await openSite(folder);
  try {
    await site.factory.admission.settled();
    const { images } = await site.client.scanReports("team/app:1");
    assert.equal(images[0]!.scan.digest, digest);
    assert.equal(images[0]!.scan.state, "done");
  } finally {
    await site.stop();
    await rm(folder, { recursive: true, force: true });
  }
});

test("what waits is refused with the moment to come back, and is scanned after a restart", async () => {
  let site = await openSite(undefined, { isStanding: false });
  await site.client.setProjectGate("team", gate);
  const { digest } = await pushImage(site, "team/app", { tag: "1", layers: [debian({ openssl: "3.0.11-1" })] });
  const waiting = await message(site, "/v2/team/app/manifests/1");
  assert.equal(waiting.status, 412);
  assert.match(
    waiting.message,
    /no verdict yet: its scan was queued at 20\d\d-\d\d-\d\dT[\d:]+Z; pull again in a moment/,
  );
  assert.equal(waiting.retryAfter, "5");
  // As a killed process leaves it: begun, and three times before.
  const { db } = site.factory.store;
  for (let attempt = 1; attempt <= 3; attempt++) await beginScan(db, { digest, runId: "dead", now: 1 });
  await site.stop();
  site = await openSite(site.folder);
  try {
    await importAdvisories(site, "tiny", [openssl]);
    await site.factory.admission.settled();
    assert.equal((await findScan(site.factory.store.db, digest))!.attempts, 4);
    assert.match(
      (await message(site, "/v2/team/app/manifests/1")).message,
      /CVE-2026-1000/,
      "the gate outlasts a restart",
    );
    const again = await site.client.startScan("team/app:1");
    assert.equal(again.scans.length, 1);
    await site.factory.admission.settled();
    assert.equal((await findScan(site.factory.store.db, digest))!.attempts, 1);
  } finally {
    await site.stop();
    await removeSite(site);
  }
});

test("an image that ends the process each time is given up, with the reason", async () => {
  let site = await openSite(undefined, { isStanding: false });
  await site.client.setProjectGate("team", gate);
  const { digest } = await pushImage(site, "team/app", { tag: "1", layers: [debian({ openssl: "3.0.11-1" })] });
  for (let attempt = 1; attempt <= 4; attempt++)
    await beginScan(site.factory.store.db, { digest, runId: "dead", now: 1 });
  await site.stop();
  site = await openSite(site.folder);
  try {
    await site.factory.admission.settled();
    assert.match(
      (await message(site, "/v2/team/app/manifests/1")).message,
      /no verdict: its scan failed \(it was tried too often\); scan it again with `mintmark scan team\/app@sha256:[0-9a-f]{64} --now`/,
    );
  } finally {
    await site.stop();
    await removeSite(site);
  }
});

test("the first pull through a proxy is held until the verdict is there, or for a bounded time", async () => {
  const site = await openSite(undefined, { isStanding: false });
  try {
    await importAdvisories(site, "tiny", [openssl]);
    await site.client.setProjectGate("proxy", gate);
    const { admission } = site.factory;
    const good = await pushImage(site, "proxy/app", { tag: "1", layers: [debian({ openssl: "3.0.15-1" })] });
    await admission.hold("proxy/app", good.digest);
    assert.equal((await message(site, "/v2/proxy/app/manifests/1")).status, 200);
    const other = await pushImage(site, "proxy/app", { tag: "2", layers: [debian({ openssl: "3.0.15-2" })] });
    await admission.close();
    const started = tickMs();
    await admission.hold("proxy/app", other.digest, { waitMs: 150 });
    assert.ok(tickMs() - started >= 140 && tickMs() - started < 1500);
    assert.equal((await message(site, "/v2/proxy/app/manifests/2")).retryAfter, "5");
    await admission.hold("free/app", other.digest);
  } finally {
    await site.stop();
    await removeSite(site);
  }
});

test("a push of what could not be scanned has it scanned again", async () => {
  const site = await openSite();
  try {
    const parts = { tag: "1", layers: [Buffer.from("no layer")] };
    const { digest } = await pushImage(site, "team/app", parts);
    await site.factory.admission.settled();
    const first = await findScan(site.factory.store.db, digest);
    assert.equal(first!.state, "unscannable");
    await pushImage(site, "team/app", parts);
    await site.factory.admission.settled();
    const second = await findScan(site.factory.store.db, digest);
    assert.equal(second!.state, "unscannable");
    assert.notEqual(second!.runId, first!.runId);
  } finally {
    await site.stop();
    await removeSite(site);
  }
});

const hasSkopeo = spawnSync("skopeo", ["--version"]).status === 0;

test("skopeo prints why", { skip: hasSkopeo ? false : "skopeo is not installed" }, async () => {
  const site = await openSite();
  try {
    await importAdvisories(site, "tiny", [openssl]);
    await site.client.setProjectGate("team", gate);
    await pushImage(site, "team/app", { tag: "1", layers: [debian({ openssl: "3.0.11-1" })] });
    await site.factory.admission.settled();
    const { code, output } = await skopeo("inspect", "--tls-verify=false", `docker://${site.host}/team/app:1`);
    assert.notEqual(code, 0);
    assert.match(output, /does not give out team\/app@sha256:[0-9a-f]{12}: CVE-2026-1000 \(critical\) in openssl/);
    assert.match(output, /mintmark exception create/);
  } finally {
    await site.stop();
    await removeSite(site);
  }
});

/** Runs a client beside the server in this process, which must go on answering. */
async function skopeo(...args: string[]): Promise<{ readonly code: number | null; readonly output: string }> {
  const child = spawn("skopeo", args, { stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk: Buffer) => (output += chunk.toString()));
  const code = await new Promise<number | null>((resolve) => child.on("close", resolve));
  return { code, output };
}
