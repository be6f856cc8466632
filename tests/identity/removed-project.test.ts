/** A project is removed, and somebody else makes one of its name: nothing of the old one is left. */
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { isoSeconds, nowMs } from "../../src/base/clock.ts";
import { insertLabel, listLabels, putRepositoryDescription } from "../../src/store/label-records.ts";
import { digestOf, manifestOf, push, serve, type Served } from "./served.ts";

const layer = "a layer of the old project";
const manifest = digestOf(manifestOf(layer));
const until = "2999-01-01T00:00:00Z";
const soon = isoSeconds(nowMs() + 86_400_000);
const image = { repository: "team/app", tag: "1", layer };

/** One thing that is kept under a project's name: how it comes to be, and what is to be seen of it afterwards. */
interface Row {
  readonly set: (site: Site) => Promise<unknown>;
  /** Throws where something is left. */
  readonly look: (site: Site) => Promise<void>;
}

interface Site extends Served {
  /** The JSON that somebody gets who rules over the new project, and its status. */
  readonly seen: (path: string) => Promise<{ readonly status: number; readonly json: Record<string, unknown> }>;
  /** `NAME:PASSWORD` of the old project's owner and of the new one's. */
  readonly old: string;
  readonly heir: string;
}

const policy = JSON.stringify({ retention: { rules: [{ tag_pattern: "*", action: "retain", retain_count: 5 }] } });

/** In the order in which they are set: the proxy cache comes last, since nobody pushes into one. */
const rows: Readonly<Record<string, Row>> = {
  "the gate": {
    set: async ({ own }) => await own("POST", "/projects/team/gate", { requireSignature: true }),
    async look({ seen, ask, heir }) {
      assert.equal((await seen("/projects/team/gate")).json["gate"], undefined);
      const pulled = await ask({ method: "GET", path: "/v2/team/new/manifests/1", as: heir });
      assert.equal(pulled.status, 200, pulled.text);
    },
  },
  "the quota": {
    set: async ({ own }) => await own("POST", "/projects/team/quota", { quotaBytes: 10_000 }),
    look: async ({ seen }) => assert.equal((await seen("/projects/team/quota")).json["quotaBytes"], undefined),
  },
  "immutability and hold rules": {
    async set({ own }) {
      await own("POST", "/projects/team/immutability", { tagPattern: "release-*" });
      await own("POST", "/projects/team/hold-rules", { tagPattern: "release-*", days: 1, reason: "x" });
    },
    look: async ({ seen }) =>
      assert.deepEqual((await seen("/projects/team/lifetime-rules")).json, { immutability: [], holds: [] }),
  },
  "the retention policy and its runs": {
    async set({ own, ask, old }) {
      await own("POST", "/projects/team/retention", { text: policy });
      const { id } = await own<{ id: string }>("POST", "/projects/team/retention/runs", { dryRun: true });
      assert.match((await ask({ method: "GET", path: "/jobs", as: old })).text, /"kind":"retention"/);
      for (let tries = 0; tries < 200; tries++) {
        const { state } = await own<{ state: string }>("GET", `/projects/team/retention/runs/${id}`);
        if (state === "succeeded") return;
      }
      assert.fail("the run does not end");
    },
    async look({ seen }) {
      assert.deepEqual((await seen("/projects/team/retention")).json, { project: "team" });
      assert.deepEqual((await seen("/projects/team/retention/runs")).json["runs"], []);
      assert.deepEqual((await seen("/jobs")).json, { jobs: [] }, "jobs of the old project are not the new one's");
    },
  },
  "robots and webhooks": {
    async set({ own }) {
      const permissions = [{ repository: "team/**", actions: ["pull"] }];
      await own("POST", "/robots", { name: "ci", project: "team", permissions, expiresAt: until });
      const targets = [{ url: "https://listener.example/hook" }];
      await own("POST", "/webhooks", { name: "w", project: "team", events: ["image.pushed"], targets });
    },
    async look({ seen }) {
      assert.deepEqual((await seen("/robots?project=team")).json["robots"], []);
      assert.deepEqual((await seen("/webhooks?project=team")).json["webhooks"], []);
    },
  },
  members: {
    set: async ({ own }) =>
      await own("POST", "/projects/team/members", { kind: "account", name: "mole", role: "guest" }),
    async look({ seen }) {
      const { members } = (await seen("/projects/team/members")).json as { members: { name: string }[] };
      assert.deepEqual(
        members.map(({ name }) => name),
        ["heir"],
      );
    },
  },
  "the project scopes of personal tokens": {
    async set({ own }) {
      for (const projects of [["team"], ["other", "team"]])
        await own("POST", "/tokens", { account: "mole", label: projects.join(), projects, expiresAt: soon });
    },
    async look({ own }) {
      const { tokens } = await own<{ tokens: { label: string; projects: string[] }[] }>("GET", "/tokens?all=true");
      assert.deepEqual(
        tokens.map(({ label, projects }) => [label, projects]),
        [["other,team", ["other"]]],
        "one that reached nothing else must not come to reach all",
      );
    },
  },
  "labels and descriptions": {
    async set({ store: { db } }) {
      await insertLabel(db, { name: "gold", description: "", color: "", project: "team" });
      await putRepositoryDescription(db, "team/app", "the old words");
    },
    async look({ store: { db } }) {
      assert.deepEqual(await listLabels(db, "team"), []);
      assert.deepEqual(await db.selectFrom("repository_descriptions").selectAll().execute(), []);
    },
  },
  exceptions: {
    set: async ({ own }) =>
      await own("POST", "/exceptions", {
        vulnerability: "CVE-2026-0001",
        reason: "x",
        repository: "team/app",
        expiresAt: until,
      }),
    async look({ own }) {
      const { exceptions } = await own<{ exceptions: { expiresAt: string }[] }>("GET", "/exceptions");
      assert.equal(exceptions.length, 1, "it stays on record");
      assert.ok(Date.parse(exceptions[0]!.expiresAt) <= nowMs(), "but it has ended");
    },
  },
  "holds, the history of tags, and the trash": {
    async set({ own, ask, old }) {
      await push({ ask } as Served, old, image);
      const hold = { repository: "team/app", reference: "1", until: soon, reason: "x" };
      const { id } = await own<{ id: string }>("POST", "/holds", hold);
      await own("POST", `/holds/${id}/release`, { reason: "x" });
      const path = `/v2/team/app/manifests/${manifest}`;
      assert.equal((await ask({ method: "DELETE", path, as: old })).status, 202);
    },
    async look({ seen, own, ask, heir }) {
      assert.deepEqual((await seen("/projects/team/holds")).json["holds"], []);
      assert.ok(!JSON.stringify((await seen("/tags/history?repository=team/app&tag=1")).json).includes("sha256:"));
      assert.deepEqual((await seen("/gc/trash")).json["manifests"], []);
      assert.deepEqual((await seen("/gc/trash")).json["blobs"], []);
      const { manifests } = await own<{ manifests: unknown[] }>("GET", "/gc/trash");
      assert.deepEqual(manifests, []);
      const restore = { digest: manifest, repository: "team/app" };
      assert.equal((await ask({ method: "POST", path: "/gc/restore", as: heir, body: restore })).status, 404);
      const undo = { repository: "team/app", tag: "1", reason: "x" };
      assert.equal((await ask({ method: "POST", path: "/tags/undo", as: heir, body: undo })).status, 404);
      for (const path of [`/v2/team/app/manifests/${manifest}`, `/v2/team/app/blobs/${digestOf(layer)}`])
        assert.equal((await ask({ method: "HEAD", path, as: heir })).status, 404, path);
      const mount = `/v2/team/new/blobs/uploads/?mount=${digestOf(layer)}&from=team/app`;
      assert.equal(
        (await ask({ method: "POST", path: mount, as: heir })).status,
        202,
        "the digest alone opens nothing",
      );
    },
  },
  "the audit trail": {
    set: async ({ own }) => await own("POST", "/projects/team/visibility", { isPublic: true }),
    async look({ seen }) {
      for (const path of ["/audit?project=team&limit=1000", "/api/v2.0/projects/team/auditlog-exts?page_size=100"]) {
        const { status, json } = await seen(path);
        assert.equal(status, 200);
        assert.ok(!JSON.stringify(json).includes(manifest), path);
        assert.ok(JSON.stringify(json).includes("team/new"), path);
      }
    },
  },
  "the proxy cache": {
    async set({ own }) {
      await own("POST", "/peers", { name: "far", url: "http://127.0.0.1:1" });
      await own("POST", "/projects/team/proxy", { peer: "far" });
    },
    look: async ({ own }) => assert.deepEqual(await own("GET", "/proxies"), { proxies: [] }),
  },
};

describe("who makes a project of a removed one's name finds nothing left of", () => {
  let folder = "";
  let site: Site;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "mintmark-removed-"));
    const served = await serve(folder);
    const { own, ask } = served;
    const as = new Map<string, string>();
    for (const name of ["founder", "heir", "mole"])
      as.set(name, `${name}:${(await own<{ password: string }>("POST", "/accounts", { name })).password}`);
    const heir = as.get("heir")!;
    site = {
      ...served,
      old: as.get("founder")!,
      heir,
      async seen(path) {
        const { status, text } = await ask({ method: "GET", path, as: heir });
        return { status, json: JSON.parse(text) as Record<string, unknown> };
      },
    };
    const found = async (owner: string): Promise<void> => {
      await own("POST", "/projects", { name: "team" });
      await own("POST", "/projects/team/members", { kind: "account", name: owner, role: "projectAdmin" });
    };
    await found("founder");
    // What is set first would be in the way of what comes later, such as the gate and the quota of a push.
    for (const row of Object.values(rows).toReversed().toSorted(proxyLast)) await row.set(site);
    await own("DELETE", "/projects/team");
    await found("heir");
    await push(site, heir, { repository: "team/new", tag: "1", layer: "a layer of the new project" });
  });
  after(async () => {
    await site.close();
    await rm(folder, { recursive: true });
  });

  for (const [title, row] of Object.entries(rows)) test(title, async () => await row.look(site));
});

function proxyLast(a: Row, b: Row): number {
  return Number(a === rows["the proxy cache"]) - Number(b === rows["the proxy cache"]);
}
