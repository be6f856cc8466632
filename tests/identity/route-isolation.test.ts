/** Every route of the API, and what it tells people and robots of a private project in which they have no say: nothing. */
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { severities } from "../../src/model/finding.ts";
import { projectActions } from "../../src/model/permission.ts";
import { stepNames } from "../../src/model/progress.ts";
import { putImageRecord } from "../../src/store/images-records.ts";
import { digestOf, manifestOf, push, serve, type Served } from "./served.ts";

const layer = "the layer of hush";
const configType = "application/vnd.oci.image.config.v1+json";
const manifest = digestOf(manifestOf(layer, configType));
const until = "2999-01-01T00:00:00Z";
const soon = "2027-06-01T00:00:00Z";
const nothing = "01890000-0000-7000-8000-000000000000";

/** Words of the private project that no answer to others may have unless the request itself said them. */
const secretWords = ["hush", "whisper", "listener.example", manifest.slice(7), digestOf(layer).slice(7)];

type Method = "GET" | "POST" | "DELETE";

/** What each caller gets: a stranger without any role, nobody, a robot of another project, a limited guest of this one. */
type Statuses = readonly [stranger: number, nobody: number, robot: number, guest: number];

interface Row {
  readonly statuses: Statuses;
  /** Where it differs from the route; names of the set-up stand in angle brackets. */
  readonly path?: string;
  readonly body?: unknown;
}

const open: Statuses = [200, 200, 200, 200];
const signedIn: Statuses = [200, 401, 200, 200];
/** Only the administrator's. */
const ruled: Statuses = [403, 401, 403, 403];
/** It is not there for whom it does not concern. */
const hidden: Statuses = [404, 401, 404, 404];
/** The guest of the project may not either, but sees that there is one. */
const guarded: Statuses = [404, 401, 404, 403];

const place = { repository: "hush/app", tag: "1", reason: "because" };

/** One row for each route of the API, which is asked about the private project `hush`. */
const rows: Readonly<Record<string, Row>> = {
  "GET /health": { statuses: open },
  "GET /ready": { statuses: open },
  "GET /metrics": { statuses: signedIn },
  "GET /about": { statuses: signedIn },
  "GET /images": { statuses: signedIn },
  "GET /images/{id}": { path: "/images/hush/app:1", statuses: [404, 401, 404, 200] },
  "GET /images/{id}/sbom": { path: "/images/hush/app:1/sbom", statuses: [404, 401, 404, 200] },
  "GET /images/{id}/scan": { path: `/images/${manifest}/scan`, statuses: [404, 401, 404, 422] },
  "GET /images/{id}/verdict": { path: `/images/${manifest}/verdict`, statuses: [404, 401, 404, 422] },
  "GET /images/{id}/verification": { path: "/images/hush/app:none/verification", statuses: hidden },
  "GET /images/{id}/why": { path: `/images/hush/app@${manifest}/why`, statuses: [404, 401, 404, 404] },
  "GET /images/{id}/difference": {
    path: "/images/hush/app:1/difference?with=hush/app:1",
    statuses: [404, 401, 404, 200],
  },
  "POST /images/build": { body: { recipe: "hush" }, statuses: ruled },
  "GET /builds/{id}": { path: `/builds/${nothing}`, statuses: hidden },
  "POST /builds/{id}/cancel": { path: `/builds/${nothing}/cancel`, statuses: hidden },
  "GET /builds/{id}/log": { path: `/builds/${nothing}/log`, statuses: hidden },
  "POST /locks": { body: { recipe: "hush" }, statuses: ruled },
  "GET /jobs": { statuses: signedIn },
  "GET /jobs/{id}": { path: "/jobs/<job>", statuses: hidden },
  "GET /jobs/{id}/log": { path: "/jobs/<job>/log", statuses: hidden },
  "POST /jobs/{id}/cancel": { path: "/jobs/<job>/cancel", statuses: hidden },
  "POST /jobs/{id}/retry": { path: "/jobs/<job>/retry", statuses: hidden },
  "POST /backups": { body: { folder: "/nowhere" }, statuses: ruled },
  "GET /backups": { path: "/backups?folder=/nowhere", statuses: ruled },
  "POST /backups/proof": { body: { folder: "/nowhere" }, statuses: ruled },
  "GET /peers": { statuses: ruled },
  "POST /peers": { body: { name: "x", url: "https://peer.example" }, statuses: ruled },
  "GET /peers/{name}": { statuses: ruled },
  "POST /peers/{name}": { body: {}, statuses: ruled },
  "DELETE /peers/{name}": { statuses: ruled },
  "POST /peers/{name}/check": { statuses: ruled },
  "GET /replication/rules": { statuses: ruled },
  "POST /replication/rules": { body: {}, statuses: ruled },
  "DELETE /replication/rules/{name}": { statuses: ruled },
  "POST /replication/rules/{name}/start": { statuses: ruled },
  "GET /replication/executions": { statuses: ruled },
  "GET /replication/executions/{id}": { statuses: ruled },
  "POST /replication/executions/{id}/stop": { statuses: ruled },
  "GET /replication/executions/{id}/tasks": { statuses: ruled },
  "POST /replication/tasks/{id}/retry": { statuses: ruled },
  "GET /proxies": { statuses: ruled },
  "POST /projects/{project}/proxy": { path: "/projects/hush/proxy", body: { peer: "x" }, statuses: ruled },
  "DELETE /projects/{project}/proxy": { path: "/projects/hush/proxy", statuses: ruled },
  "GET /projects/{project}/proxy/clients": { path: "/projects/hush/proxy/clients", statuses: ruled },
  "POST /archives/export": { body: { images: ["hush/app:1"], file: "/nowhere/x" }, statuses: ruled },
  "POST /archives/import": { body: { file: "/nowhere/x" }, statuses: ruled },
  "POST /gc": { body: {}, statuses: ruled },
  "POST /scrub": { body: {}, statuses: ruled },
  "GET /gc/runs": { statuses: ruled },
  "GET /gc/plan": { statuses: ruled },
  "GET /gc/explain/{digest}": { path: `/gc/explain/${digestOf(layer)}`, statuses: signedIn },
  "GET /gc/trash": { statuses: signedIn },
  "POST /gc/restore": { body: { digest: digestOf("gone"), repository: "hush/app" }, statuses: ruled },
  "GET /exceptions": { statuses: signedIn },
  "POST /exceptions": { body: { vulnerability: "CVE-2026-0001", reason: "x", expiresAt: until }, statuses: ruled },
  "POST /exceptions/{id}/end": { path: "/exceptions/<exception>/end", body: { reason: "x" }, statuses: hidden },
  "GET /advisories": { statuses: signedIn },
  "POST /advisories/import": { body: { source: "/nowhere" }, statuses: ruled },
  "GET /audit": { path: "/audit?project=hush", statuses: ruled },
  "GET /audit/export": { path: "/audit/export?project=hush", statuses: ruled },
  "GET /audit/verification": { statuses: ruled },
  "GET /webhooks": { path: "/webhooks?project=hush", statuses: signedIn },
  "POST /webhooks": {
    body: { name: "x", project: "hush", events: ["image.pushed"], targets: [{ url: "https://evil.example" }] },
    statuses: ruled,
  },
  "POST /webhooks/{id}/switch": { path: "/webhooks/<webhook>/switch", body: { enabled: false }, statuses: hidden },
  "DELETE /webhooks/{id}": { path: "/webhooks/<webhook>", statuses: hidden },
  "POST /webhooks/{id}/test": { path: "/webhooks/<webhook>/test", statuses: hidden },
  "GET /webhooks/{id}/deliveries": { path: "/webhooks/<webhook>/deliveries", statuses: hidden },
  "POST /webhooks/{id}/deliveries/{delivery}/redeliver": {
    path: `/webhooks/<webhook>/deliveries/${nothing}/redeliver`,
    statuses: hidden,
  },
  "GET /robots": { path: "/robots?project=hush", statuses: ruled },
  "POST /robots": {
    body: { name: "x", project: "hush", permissions: [{ repository: "hush/**", actions: ["pull"] }], expiresAt: until },
    statuses: ruled,
  },
  "GET /robots/{name}": { path: "/robots/robot$hush+ci", statuses: hidden },
  "POST /robots/{name}": { path: "/robots/robot$hush+ci", body: { disabled: true }, statuses: hidden },
  "DELETE /robots/{name}": { path: "/robots/robot$hush+ci", statuses: hidden },
  "POST /robots/{name}/rotate": { path: "/robots/robot$hush+ci/rotate", body: {}, statuses: hidden },
  "GET /projects": { statuses: signedIn },
  "POST /projects": { body: { name: "x" }, statuses: ruled },
  "GET /projects/{name}": { statuses: [404, 401, 404, 200] },
  "DELETE /projects/{name}": { statuses: ruled },
  "POST /projects/{name}/visibility": { body: { isPublic: true }, statuses: guarded },
  "POST /projects/{name}/bootstrap": { body: { expiresAt: until }, statuses: ruled },
  "GET /projects/{name}/members": { statuses: guarded },
  "POST /projects/{name}/members": {
    body: { kind: "account", name: "stranger", role: "guest" },
    statuses: guarded,
  },
  "DELETE /projects/{name}/members/{id}": { path: "/projects/hush/members/1", statuses: guarded },
  "GET /whoami": { statuses: signedIn },
  "GET /accounts": { statuses: ruled },
  "POST /accounts": { body: { name: "x" }, statuses: ruled },
  "POST /accounts/{name}": { path: "/accounts/whisper", body: { disabled: true }, statuses: ruled },
  "DELETE /accounts/{name}": { path: "/accounts/whisper", statuses: ruled },
  "POST /accounts/{name}/password": {
    path: "/accounts/whisper/password",
    body: { password: "a password of some length" },
    statuses: ruled,
  },
  "GET /groups": { statuses: ruled },
  "POST /groups": { body: { name: "x" }, statuses: ruled },
  "DELETE /groups/{name}": { statuses: ruled },
  "POST /groups/{name}/members": { body: { account: "stranger" }, statuses: ruled },
  "DELETE /groups/{name}/members/{account}": { path: "/groups/x/members/whisper", statuses: ruled },
  "GET /roles": { statuses: signedIn },
  "POST /roles": { body: { name: "x", actions: ["list"] }, statuses: ruled },
  "DELETE /roles/{name}": { statuses: ruled },
  "GET /tokens": { statuses: signedIn },
  "POST /tokens": { body: { account: "whisper", label: "x", expiresAt: soon }, statuses: ruled },
  "DELETE /tokens/{id}": { path: "/tokens/<token>", statuses: hidden },
  "GET /scans": { path: "/scans?limit=1", statuses: signedIn },
  "POST /scans": { body: { image: "hush/app:1" }, statuses: guarded },
  "GET /scans/report": { path: "/scans/report?image=hush/app:1", statuses: guarded },
  "GET /pull-verdict": { path: "/pull-verdict?image=hush/app:1", statuses: [404, 401, 404, 200] },
  "GET /scans/log": { path: "/scans/log?image=hush/app:1", statuses: guarded },
  "GET /scans/sbom": { path: "/scans/sbom?image=hush/app:1", statuses: guarded },
  "GET /projects/{name}/gate": { statuses: hidden },
  "POST /projects/{name}/gate": { body: {}, statuses: hidden },
  "DELETE /projects/{name}/gate": { statuses: hidden },
  "GET /tags": { path: "/tags?repository=hush/app", statuses: hidden },
  "GET /tags/history": { path: "/tags/history?repository=hush/app&tag=1", statuses: hidden },
  "POST /tags/undo": { body: place, statuses: hidden },
  "POST /tags/restore": { body: place, statuses: hidden },
  "GET /projects/{name}/lifetime-rules": { statuses: hidden },
  "POST /projects/{name}/immutability": { body: { tagPattern: "*" }, statuses: hidden },
  "DELETE /projects/{name}/immutability/{id}": { path: "/projects/hush/immutability/<pin>", statuses: hidden },
  "POST /projects/{name}/hold-rules": { body: { tagPattern: "*", days: 1, reason: "x" }, statuses: hidden },
  "POST /projects/{name}/hold-rules/{id}/remove": {
    path: `/projects/hush/hold-rules/${nothing}/remove`,
    body: { reason: "x" },
    statuses: hidden,
  },
  "GET /projects/{name}/holds": { statuses: hidden },
  "POST /holds": { body: { repository: "hush/app", reference: "1", until, reason: "x" }, statuses: hidden },
  "POST /holds/{id}/release": { path: "/holds/<hold>/release", body: { reason: "x" }, statuses: hidden },
  "GET /projects/{name}/retention": { statuses: hidden },
  "POST /projects/{name}/retention": { body: { text: "retention: []" }, statuses: hidden },
  "DELETE /projects/{name}/retention": { statuses: hidden },
  "POST /projects/{name}/retention/runs": { body: { dryRun: true }, statuses: hidden },
  "GET /projects/{name}/retention/runs": { statuses: hidden },
  "GET /projects/{name}/retention/runs/{id}": { path: "/projects/hush/retention/runs/<run>", statuses: hidden },
  "GET /projects/{name}/retention/runs/{id}/outcomes": {
    path: "/projects/hush/retention/runs/<run>/outcomes",
    statuses: hidden,
  },
  "GET /quotas": { path: "/quotas?limit=1&after=alpha", statuses: signedIn },
  "GET /projects/{name}/quota": { statuses: hidden },
  "POST /projects/{name}/quota": { body: { quotaBytes: 1 }, statuses: ruled },
  "GET /mirrors": { statuses: signedIn },
  "POST /mirrors": { body: { name: "x", format: "npm", kind: "hosted" }, statuses: ruled },
  "GET /mirrors/{name}": { path: "/mirrors/none", statuses: hidden },
  "POST /mirrors/{name}": { body: {}, statuses: ruled },
  "DELETE /mirrors/{name}": { statuses: ruled },
  "GET /mirrors/{name}/clients": { path: "/mirrors/none/clients", statuses: hidden },
  "POST /mirrors/-/detection": { body: {}, statuses: ruled },
  "GET /mirrors/-/rules": { statuses: signedIn },
  "POST /mirrors/-/rules/{scope}": { path: "/mirrors/-/rules/x", body: {}, statuses: ruled },
  "DELETE /mirrors/-/rules/{scope}": { path: "/mirrors/-/rules/x", statuses: ruled },
  "GET /mirrors/-/exceptions": { statuses: signedIn },
  "POST /mirrors/-/exceptions": { body: {}, statuses: ruled },
  "DELETE /mirrors/-/exceptions/{id}": { path: `/mirrors/-/exceptions/${nothing}`, statuses: ruled },
  "POST /mirrors/-/checks": { body: {}, statuses: ruled },
  "GET /mirrors/-/findings": { statuses: signedIn },
  "POST /mirrors/-/cleanings": { body: {}, statuses: ruled },
  "POST /mirrors/-/prefetches": { body: {}, statuses: ruled },
  "POST /mirrors/-/exports": { body: {}, statuses: ruled },
  "POST /mirrors/-/imports": { body: {}, statuses: ruled },
};

describe("what a route tells of a private project", () => {
  let folder = "";
  let served: Served;
  /** What the angle brackets of paths stand for. */
  const named = new Map<string, string>();
  let callers: readonly (readonly [name: string, as: string | undefined])[] = [];

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "mintmark-isolation-"));
    served = await serve(folder);
    const { own } = served;
    const passwords = new Map<string, string>();
    for (const name of ["stranger", "whisper", "guest"]) {
      const { password } = await own<{ password: string }>("POST", "/accounts", { name });
      passwords.set(name, `${name}:${password}`);
    }
    for (const name of ["alpha", "hush", "zulu"]) await own("POST", "/projects", { name });
    const member = { kind: "account", name: "whisper", role: "projectAdmin" };
    await own("POST", "/projects/hush/members", member);
    await own("POST", "/projects/hush/members", { ...member, name: "guest", role: "limitedGuest" });
    await own("POST", "/projects/hush/bootstrap", { expiresAt: until });
    const permissions = (project: string): unknown => [{ repository: `${project}/**`, actions: projectActions }];
    const robot = async (project: string): Promise<string> => {
      const wish = { name: "ci", project, permissions: permissions(project), expiresAt: until };
      const { name, secret } = await own<{ name: string; secret: string }>("POST", "/robots", wish);
      return `${name}:${secret}`;
    };
    const other = await robot("alpha");
    await robot("hush");
    await push(served, other, { repository: "alpha/app", tag: "1", layer: "the layer of alpha", configType });
    await push(served, passwords.get("whisper")!, { repository: "hush/app", tag: "1", layer, configType });
    await fill(served, named);
    callers = [
      ["a stranger", passwords.get("stranger")!],
      ["nobody", undefined],
      ["a robot of another project", other],
      ["a limited guest", passwords.get("guest")!],
    ];
  });
  after(async () => {
    await served.close();
    await rm(folder, { recursive: true });
  });

  test("every route has a row, and every row a route", async () => {
    const { text } = await served.ask({ method: "GET", path: "/openapi.json" });
    const { paths } = JSON.parse(text) as { paths: Record<string, Record<string, unknown>> };
    const routes = Object.entries(paths).flatMap(([path, operations]) =>
      Object.keys(operations).map((method) => `${method.toUpperCase()} ${path}`),
    );
    assert.deepEqual(Object.keys(rows).toSorted(), routes.toSorted());
  });

  test("each caller gets what its row says, and no word of the project", async () => {
    const wrong: string[] = [];
    for (const [route, { statuses, body, path: special }] of Object.entries(rows)) {
      const [method, plain] = route.split(" ") as [Method, string];
      const path = (special ?? plain.replace(/\{name\}/, "hush").replace(/\{id\}/, nothing)).replace(
        /<(\w+)>/,
        (_, name: string) => named.get(name)!,
      );
      for (const [at, [who, as]] of callers.entries()) {
        const told = await served.ask({
          method,
          path,
          ...(as === undefined ? {} : { as }),
          ...(body === undefined ? {} : { body }),
        });
        const expected = statuses[at]!;
        if (told.status !== expected) wrong.push(`${route} as ${who}: ${told.status}, not ${expected}: ${told.text}`);
        if (who === "a limited guest") continue;
        const asked = `${path} ${JSON.stringify(body)}`;
        const leaked = secretWords.filter((word) => told.text.includes(word) && !asked.includes(word));
        if (leaked.length > 0) wrong.push(`${route} tells ${who} of ${leaked.join(", ")}: ${told.text}`);
      }
    }
    assert.deepEqual(wrong, []);
  });

  test("a page of a list names nothing hidden as the place where the next one begins", async () => {
    const [, as] = callers[0]!;
    for (const path of ["/scans?limit=1", "/scans?limit=2"]) {
      const { text } = await served.ask({ method: "GET", path, as: as! });
      assert.deepEqual(JSON.parse(text), { scans: [] }, path);
    }
    const [, robot] = callers[2]!;
    const { text } = await served.ask({ method: "GET", path: "/scans?limit=1", as: robot! });
    const { scans, next } = JSON.parse(text) as { scans: { repository: string }[]; next?: string };
    assert.deepEqual([scans.map(({ repository }) => repository), next], [["alpha/app"], undefined]);
    for (const [who, path, projects] of [
      [as!, "/quotas?limit=1", []],
      [as!, "/quotas?limit=1&after=alpha", []],
      [robot!, "/quotas?limit=1", ["alpha"]],
      [robot!, "/quotas?limit=1&after=alpha", []],
    ] as const) {
      const told = JSON.parse((await served.ask({ method: "GET", path, as: who })).text) as QuotaPage;
      assert.deepEqual([told.quotas.map(({ project }) => project), told.next], [projects, undefined], path);
    }
  });
});

interface QuotaPage {
  readonly quotas: readonly { readonly project: string }[];
  readonly next?: string;
}

/** Gives the private project one of each thing that a route may tell of. */
async function fill({ own, store }: Served, named: Map<string, string>): Promise<void> {
  const exception = { vulnerability: "CVE-2026-0001", reason: "hush now", expiresAt: until, repository: "hush/app" };
  named.set("exception", (await own<{ id: string }>("POST", "/exceptions", exception)).id);
  const targets = [{ url: "https://listener.example/hook" }];
  const webhook = { name: "whisper", project: "hush", events: ["image.pushed"], targets };
  named.set("webhook", (await own<{ webhook: { id: string } }>("POST", "/webhooks", webhook)).webhook.id);
  const pin = { tagPattern: "whisper-*" };
  named.set("pin", (await own<{ id: string }>("POST", "/projects/hush/immutability", pin)).id);
  const hold = { repository: "hush/app", reference: "1", until: soon, reason: "whispered" };
  named.set("hold", (await own<{ id: string }>("POST", "/holds", hold)).id);
  const token = { account: "whisper", label: "whispered", expiresAt: soon };
  named.set("token", (await own<{ id: string }>("POST", "/tokens", token)).id);
  const text = JSON.stringify({ retention: { rules: [{ tag_pattern: "*", action: "retain", retain_count: 5 }] } });
  await own("POST", "/projects/hush/retention", { text });
  const run = await own<{ id: string }>("POST", "/projects/hush/retention/runs", { dryRun: true });
  named.set("run", run.id);
  const { jobs } = await own<{ jobs: { id: string; kind: string }[] }>("GET", "/jobs");
  named.set("job", jobs.find(({ kind }) => kind === "retention")!.id);
  await recordImage(store);
}

/** The image counts as minted here, with a bill of materials. */
async function recordImage(store: Served["store"]): Promise<void> {
  const bill = await store.blobs.put(Buffer.from("{}"));
  const summary = {
    digest: manifest,
    repository: "hush/app",
    tags: ["1"],
    recipe: "hush",
    distribution: "debian:13",
    architecture: "amd64",
    builtAt: "2026-11-21T00:00:00Z",
    sizeBytes: 1,
    unpackedBytes: 1,
    layerCount: 1,
    packageCount: 1,
    severities: Object.fromEntries(severities.map((severity) => [severity, 0])),
    verdict: "pass",
    signed: true,
    evidence: [{ kind: "cyclonedx", digest: bill.digest }],
    lockDigest: digestOf("lock"),
    durations: Object.fromEntries(stepNames.map((step) => [step, 1])),
    reproduced: "yes",
  };
  await putImageRecord(store.db, {
    digest: manifest,
    repository: "hush/app",
    recipe: "hush",
    lockDigest: digestOf("lock"),
    summary: JSON.stringify(summary),
    builtAtMs: 1,
  });
}
