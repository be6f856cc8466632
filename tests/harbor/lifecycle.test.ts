/** A client as Terraform's provider is: makes everything, reads it back, changes it, and takes it all down again. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import {
  type AdmissionSite,
  debian,
  importAdvisories,
  openSite,
  pushImage,
  removeSite,
  vectors,
} from "../admission/site.ts";
import { checkShape, type HarborClient, type Json, openHarborClient } from "./harbor-client.ts";

describe("a Terraform-style client", () => {
  let site: AdmissionSite;
  let harbor: HarborClient;
  let project = 0;

  before(async () => {
    site = await openSite();
    harbor = openHarborClient(site);
    await importAdvisories(site, "tiny", [
      { id: "CVE-2026-1000", ecosystem: "Debian:12", name: "openssl", fixed: "3.0.15-1", vector: vectors.critical },
    ]);
  });

  after(async () => {
    await site.stop();
    await removeSite(site);
  });

  test("makes a project with metadata and a quota", async () => {
    const id = await harbor.create("/projects", {
      project_name: "shop",
      metadata: { public: "false", prevent_vul: "false", auto_scan: "true", reuse_sys_cve_allowlist: "true" },
      storage_limit: 1_000_000_000,
    });
    project = Number(id);
    const again = await harbor.ask("POST", "/projects", { body: { project_name: "shop" } });
    assert.deepEqual([again.status, (again.json as { errors: Json[] }).errors[0]!["code"]], [409, "CONFLICT"]);
    const quotas = await harbor.get<Json[]>(`/quotas?reference=project&reference_id=${id}`);
    checkShape(quotas, [
      {
        id: "number",
        ref: { id: "number", name: "string", owner_name: "string" },
        hard: { storage: "number" },
        used: { storage: "number" },
        creation_time: "instant",
        update_time: "instant",
      },
    ]);
    assert.deepEqual(quotas[0]!["hard"], { storage: 1_000_000_000 });
    await harbor.change("PUT", `/quotas/${String(quotas[0]!["id"])}`, { body: { hard: { storage: -1 } } });
    assert.deepEqual((await harbor.get<Json>(`/quotas/${id}`))["hard"], { storage: -1 });
  });

  test("maps metadata to the gate, and refuses what it would not keep", async () => {
    const put = async (metadata: Json): Promise<Json> => {
      await harbor.change("PUT", "/projects/shop", { body: { metadata } });
      return (await harbor.get<Json>("/projects/shop"))["metadata"] as Json;
    };
    const strict = await put({ prevent_vul: "true", severity: "high", enable_content_trust_cosign: "true" });
    assert.deepEqual(
      [strict["prevent_vul"], strict["severity"], strict["enable_content_trust_cosign"]],
      ["true", "high", "true"],
    );
    assert.deepEqual(
      [site.factory.admission.gate("shop")?.maxSeverity, site.factory.admission.gate("shop")?.requireSignature],
      ["medium", true],
    );
    assert.equal((await put({ severity: "low" }))["severity"], "low");
    assert.equal((await put({ public: "true", auto_sbom_generation: "true" }))["auto_sbom_generation"], "true");
    assert.equal((await harbor.get<Json>("/projects/shop/metadatas/"))["public"], "true");
    await harbor.change("PUT", "/projects/shop/metadatas/public", { body: { public: "false" } });
    await harbor.change("DELETE", "/projects/shop/metadatas/auto_sbom_generation");
    const open = await put({ prevent_vul: "false", enable_content_trust_cosign: "false" });
    assert.deepEqual([open["prevent_vul"], open["public"], "auto_sbom_generation" in open], ["false", "false", false]);
    assert.equal(site.factory.admission.gate("shop"), undefined);
    for (const [body, status] of [
      [{ metadata: { enable_content_trust: "true" } }, 501],
      [{ cve_allowlist: { items: [{ cve_id: "CVE-1" }] } }, 501],
      [{ metadata: { severity: "dreadful" } }, 400],
      [{ metadata: { public: { a: 1 } } }, 400],
      [{ project_name: "other" }, 400],
    ] as const)
      assert.equal((await harbor.ask("PUT", "/projects/shop", { body })).status, status, JSON.stringify(body));
  });

  test("adds members", async () => {
    await site.client.createAccount({ name: "anna", password: "correct horse" });
    const id = await harbor.create("/projects/shop/members", { role_id: 2, member_user: { username: "anna" } });
    const member = await harbor.get<Json>(`/projects/shop/members/${id}`);
    checkShape(member, {
      id: "number",
      project_id: "number",
      entity_name: "string",
      role_name: "string",
      role_id: "number",
      entity_id: "number",
      entity_type: "string",
    });
    assert.deepEqual([member["entity_name"], member["role_name"], member["entity_type"]], ["anna", "developer", "u"]);
    await harbor.change("PUT", `/projects/shop/members/${id}`, { body: { role_id: 3 } });
    const [changed] = await harbor.get<Json[]>("/projects/shop/members?entityname=ann");
    assert.equal(changed!["role_id"], 3);
    const anna = openHarborClient(site, "anna:correct horse");
    assert.equal((await anna.get<Json>("/projects/shop"))["current_user_role_id"], 3);
    assert.equal((await anna.ask("PUT", "/projects/shop", { body: {} })).status, 403);
    assert.equal((await anna.ask("GET", "/quotas")).status, 403);
    const twice = await harbor.ask("POST", "/projects/shop/members", {
      body: { role_id: 2, member_user: { username: "anna" } },
    });
    assert.equal(twice.status, 409);
    await harbor.change("DELETE", `/projects/shop/members/${id}`);
    assert.equal((await anna.ask("GET", "/projects/shop")).status, 403);
    assert.equal((await anna.ask("GET", "/projects/none")).status, 403);
    assert.equal((await harbor.ask("GET", "/projects/none")).status, 404);
  });

  let robot = { id: 0, name: "", secret: "" };

  test("makes a robot and pushes with it", async () => {
    const access = [
      { resource: "repository", action: "pull" },
      { resource: "repository", action: "push" },
      { resource: "tag", action: "create" },
      { resource: "scan", action: "create" },
    ];
    const permissions = [{ kind: "project", namespace: "shop", access }];
    const body = { name: "ci", description: "pushes", level: "project", disable: false, duration: 30, permissions };
    const made = await harbor.ask("POST", "/robots", { body });
    assert.equal(made.status, 201);
    checkShape(made.json, {
      id: "number",
      name: "string",
      secret: "string",
      creation_time: "instant",
      expires_at: "number",
    });
    robot = made.json as typeof robot;
    assert.equal(robot.name, "robot$shop+ci");
    assert.equal(made.headers.get("location"), `/api/v2.0/robots/${robot.id}`);
    const read = await harbor.get<Json>(`/robots/${robot.id}`);
    checkShape(read, {
      id: "number",
      name: "string",
      description: "string",
      level: "string",
      duration: "number",
      editable: "boolean",
      disable: "boolean",
      expires_at: "number",
      permissions: [{ kind: "string", namespace: "string", access: [{ resource: "string", action: "string" }] }],
      creator_type: "string",
      creator_ref: "number",
      creation_time: "instant",
      update_time: "instant",
    });
    assert.deepEqual([read["permissions"], read["duration"]], [permissions, 30]);
    const listed = await harbor.get<Json[]>(`/robots?q=Level=project,ProjectID=${project}`);
    assert.deepEqual(
      listed.map(({ id }) => id),
      [robot.id],
    );
    assert.deepEqual(await harbor.get("/robots?q=Level=system"), []);
    const asRobot = `Basic ${Buffer.from(`${robot.name}:${robot.secret}`).toString("base64")}`;
    const pusher: AdmissionSite = {
      ...site,
      ask: async (method, path, content) =>
        await fetch(`http://${site.host}${path}`, {
          method,
          headers: { authorization: asRobot, ...(content === undefined ? {} : { "content-type": content.type }) },
          ...(content === undefined ? {} : { body: new Uint8Array(content.bytes) }),
        }),
    };
    await pushImage(pusher, "shop/web/front", { tag: "v1", layers: [debian({ openssl: "3.0.11-1" })] });
    await pushImage(pusher, "shop/web/front", { tag: "v2", layers: [debian({ openssl: "3.0.15-1" })] });
    const own = openHarborClient(site, `${robot.name}:${robot.secret}`);
    assert.equal((await own.get<Json>("/users/current"))["username"], robot.name);
    assert.deepEqual(
      (await own.get<Json[]>("/projects")).map(({ name }) => name),
      ["shop"],
    );
    assert.deepEqual(
      (await own.get<Json[]>("/projects/shop/repositories")).map(({ name }) => name),
      ["shop/web/front"],
    );
    assert.equal((await own.ask("DELETE", "/projects/shop/repositories/web%252Ffront/artifacts/v1")).status, 403);
    assert.equal((await own.ask("GET", "/robots")).status, 403);
    await own.change("POST", "/projects/shop/repositories/web%252Ffront/artifacts/v1/scan", { status: 202 });
    await own.change("POST", "/projects/shop/repositories/web%252Ffront/artifacts/v1/scan", {
      status: 202,
      body: { scan_type: "sbom" },
    });
    await site.factory.admission.settled();
  });

  const front = "/projects/shop/repositories/web%252Ffront";

  test("changes, rotates and disables the robot", async () => {
    await harbor.change("PUT", `/robots/${robot.id}`, {
      body: { ...robot, description: "ci of the shop", disable: true },
    });
    assert.equal((await harbor.ask("GET", "/users/current", { as: `${robot.name}:${robot.secret}` })).status, 401);
    await harbor.change("PUT", `/robots/${robot.id}`, { body: { disable: false } });
    const fresh = (await harbor.ask("PATCH", `/robots/${robot.id}`, { body: { secret: "" } })).json as {
      secret: string;
    };
    assert.equal((await harbor.ask("GET", "/users/current", { as: `${robot.name}:${fresh.secret}` })).status, 200);
    const chosen = await harbor.ask("PATCH", `/robots/${robot.id}`, { body: { secret: "Chosen-secret-1" } });
    assert.deepEqual(chosen.json, {});
    for (const [body, status] of [
      [
        {
          name: "x",
          level: "system",
          duration: 1,
          permissions: [{ kind: "system", namespace: "/", access: [{ resource: "registry", action: "read" }] }],
        },
        501,
      ],
      [
        {
          name: "x",
          level: "project",
          duration: 1,
          permissions: [{ kind: "project", namespace: "shop", access: [{ resource: "moon", action: "fly" }] }],
        },
        400,
      ],
      [{ name: "x", level: "project", duration: 1, permissions: [] }, 400],
      [
        {
          name: "X Y",
          level: "project",
          duration: 1,
          permissions: [{ kind: "project", namespace: "shop", access: [{ resource: "repository", action: "pull" }] }],
        },
        400,
      ],
      [{ level: "project" }, 422],
    ] as const)
      assert.equal((await harbor.ask("POST", "/robots", { body })).status, status, JSON.stringify(body));
  });

  test("tags, copies, labels and describes", async () => {
    assert.equal(await harbor.create(`${front}/artifacts/v1/tags`, { name: "stable" }), "stable");
    assert.equal((await harbor.ask("POST", `${front}/artifacts/v1/tags`, { body: { name: "stable" } })).status, 409);
    assert.equal((await harbor.ask("POST", `${front}/artifacts/v1/tags`, { body: { name: "no good" } })).status, 400);
    await harbor.create("/projects/shop/repositories/copied/artifacts?from=shop/web/front:v1", undefined);
    const copied = await harbor.get<Json>("/projects/shop/repositories/copied/artifacts/v1");
    assert.deepEqual(
      (copied["tags"] as Json[]).map(({ name }) => name),
      ["stable", "v1"],
    );
    assert.equal(
      (await harbor.ask("POST", "/projects/shop/repositories/x/artifacts?from=shop/web/front:nope")).status,
      404,
    );
    assert.equal((await harbor.ask("POST", "/projects/shop/repositories/x/artifacts?from=???")).status, 400);
    await harbor.change("PUT", front, { body: { description: "the front" } });
    assert.equal((await harbor.get<Json>(front))["description"], "the front");
    const gold = await harbor.create("/labels", { name: "gold", color: "#FFCC00", scope: "p", project_id: project });
    checkShape(await harbor.get(`/labels?scope=p&project_id=${project}`), [
      {
        id: "number",
        name: "string",
        description: "string",
        color: "string",
        scope: "string",
        project_id: "number",
        creation_time: "instant",
        update_time: "instant",
      },
    ]);
    await harbor.change("PUT", `/labels/${gold}`, { body: { name: "gold", description: "good", color: "#FFCC00" } });
    await harbor.change("POST", `${front}/artifacts/v1/labels`, { body: { id: Number(gold) } });
    assert.equal(
      (await harbor.ask("POST", `${front}/artifacts/v1/labels`, { body: { id: Number(gold) } })).status,
      409,
    );
    const labelled = await harbor.get<Json[]>(`${front}/artifacts?with_label=true&q=labels%3D(${gold})`);
    assert.deepEqual(
      labelled.map(({ labels }) => (labels as Json[])[0]!["description"]),
      ["good"],
    );
    await harbor.change("DELETE", `${front}/artifacts/v1/labels/${gold}`);
    await harbor.change("DELETE", `/labels/${gold}`);
    await harbor.change("DELETE", `${front}/artifacts/v1/tags/stable`);
    assert.equal((await harbor.ask("DELETE", `${front}/artifacts/v1/tags/stable`)).status, 404);
  });

  const selectors = (pattern: string, decoration = "matches"): Json => ({
    tag_selectors: [{ kind: "doublestar", decoration, pattern, extras: '{"untagged":true}' }],
    scope_selectors: { repository: [{ kind: "doublestar", decoration: "repoMatches", pattern: "**" }] },
  });

  test("keeps tags by rule: retention, its dry run, and what it would keep", async () => {
    const policy = {
      algorithm: "or",
      rules: [
        { action: "retain", template: "always", params: {}, ...selectors("latest") },
        {
          action: "retain",
          template: "nDaysSinceLastPush",
          params: { nDaysSinceLastPush: 90 },
          ...selectors("*-cve-*"),
        },
        { action: "retain", template: "latestPushedK", params: { latestPushedK: 1 }, ...selectors("**") },
      ],
      trigger: { kind: "Schedule", settings: { cron: "0 0 4 * * 1" }, references: {} },
      scope: { level: "project", ref: project },
    };
    const id = await harbor.create("/retentions", policy);
    assert.equal(((await harbor.get<Json>("/projects/shop"))["metadata"] as Json)["retention_id"], id);
    const read = await harbor.get<Json>(`/retentions/${id}`);
    checkShape(read, {
      id: "number",
      algorithm: "string",
      rules: [
        {
          id: "number",
          priority: "number",
          disabled: "boolean",
          action: "string",
          template: "string",
          params: "object",
          tag_selectors: [{ kind: "string", decoration: "string", pattern: "string", extras: "string" }],
          scope_selectors: { repository: [{ kind: "string", decoration: "string", pattern: "string" }] },
        },
      ],
      trigger: { kind: "string", settings: { cron: "string" }, references: "object" },
      scope: { level: "string", ref: "number" },
    });
    assert.deepEqual((read["trigger"] as Json)["settings"], { cron: "0 0 4 * * 1" });
    const stored = await site.factory.lifetime.retention.find("shop");
    assert.deepEqual(
      stored?.policy.rules.map(({ tagPattern, retainDays, retainCount }) => [tagPattern, retainDays, retainCount]),
      [
        ["latest", undefined, undefined],
        ["*-cve-*", 90, undefined],
        ["**", undefined, 1],
      ],
    );
    await harbor.change("PUT", `/retentions/${id}`, { body: { ...read, rules: (read["rules"] as Json[]).slice(1) } });
    assert.equal(((await harbor.get<Json>(`/retentions/${id}`))["rules"] as Json[]).length, 2);
    const run = await harbor.create(`/retentions/${id}/executions`, { dry_run: true });
    await site.factory.queue.drain();
    const executions = await harbor.get<Json[]>(`/retentions/${id}/executions`);
    checkShape(executions, [
      {
        id: "number",
        policy_id: "number",
        start_time: "instant",
        end_time: "instant?",
        status: "string",
        trigger: "string",
        dry_run: "boolean",
      },
    ]);
    assert.deepEqual(
      [String(executions[0]!["id"]), executions[0]!["status"], executions[0]!["dry_run"]],
      [run, "Success", true],
    );
    const tasks = await harbor.get<Json[]>(`/retentions/${id}/executions/${run}/tasks`);
    checkShape(tasks, [
      {
        id: "number",
        execution_id: "number",
        repository: "string",
        job_id: "string",
        status: "string",
        status_code: "number",
        status_revision: "number",
        start_time: "instant",
        end_time: "instant?",
        total: "number",
        retained: "number",
      },
    ]);
    const task = tasks.find(({ repository }) => repository === "web/front")!;
    assert.deepEqual([task["total"], task["retained"]], [2, 1]);
    const log = await harbor.ask("GET", `/retentions/${id}/executions/${run}/tasks/${String(task["id"])}`);
    assert.match(log.text, /^kept v2 .*\n?/m);
    assert.match(log.text, /^dropped v1 /m);
    await harbor.change("PATCH", `/retentions/${id}/executions/${run}`, { body: { action: "stop" } });
    const excluding = { ...policy, rules: [{ ...policy.rules[0], ...selectors("x", "excludes") }] };
    assert.equal((await harbor.ask("PUT", `/retentions/${id}`, { body: excluding })).status, 501);
    assert.equal((await harbor.ask("POST", "/retentions", { body: policy })).status, 400);
    checkShape(await harbor.get("/retentions/metadatas"), {
      templates: [{ rule_template: "string", params: "object" }],
      scope_selectors: "object",
      tag_selectors: "object",
    });
    await harbor.change("DELETE", `/retentions/${id}`);
    assert.equal((await harbor.ask("GET", `/retentions/${id}`)).status, 404);
    await site.factory.lifetime.retention.set(
      "shop",
      'schedule: "0 4 * * 1"\nretention:\n  rules:\n    - tag_pattern: "*"\n      retain_count: 8\n      retain_days: 9\n',
      "test",
    );
    const ours = await harbor.get<Json>(`/retentions/${id}`);
    assert.deepEqual(
      (ours["rules"] as Json[]).map(({ template }) => template),
      ["latestPushedK", "nDaysSinceLastPush"],
    );
    assert.deepEqual((ours["trigger"] as Json)["settings"], { cron: "0 0 4 * * 1" });
    await harbor.change("DELETE", `/retentions/${id}`);
  });

  test("pins tags, and what is pinned is 412", async () => {
    const place = "/projects/shop/immutabletagrules";
    const id = await harbor.create(place, {
      action: "immutable",
      template: "immutable_template",
      disabled: false,
      ...selectors("v*"),
    });
    const rules = await harbor.get<Json[]>(place);
    checkShape(rules, [
      {
        id: "number",
        priority: "number",
        disabled: "boolean",
        action: "string",
        template: "string",
        params: "object",
        tag_selectors: [{ kind: "string", decoration: "string", pattern: "string", extras: "string" }],
        scope_selectors: { repository: [{ kind: "string", decoration: "string", pattern: "string" }] },
      },
    ]);
    const tags = await harbor.get<Json[]>(`${front}/artifacts/v1/tags?with_immutable_status=true`);
    assert.equal(tags[0]!["immutable"], true);
    for (const path of [`${front}/artifacts/v1`, `${front}/artifacts/v1/tags/v1`, front]) {
      const refused = await harbor.ask("DELETE", path);
      assert.deepEqual(
        [refused.status, (refused.json as { errors: Json[] }).errors[0]!["code"]],
        [412, "PRECONDITION"],
        path,
      );
    }
    await harbor.change("PUT", `${place}/${id}`, { body: { ...rules[0], ...selectors("stable", "excludes") } });
    const [changed] = await harbor.get<Json[]>(place);
    assert.deepEqual(
      [String(changed!["id"]), (changed!["tag_selectors"] as Json[])[0]!["decoration"]],
      [id, "excludes"],
    );
    assert.equal((await harbor.ask("PUT", `${place}/${id}`, { body: { ...rules[0], disabled: true } })).status, 501);
    await harbor.change("DELETE", `${place}/${id}`);
    assert.deepEqual(await harbor.get(place), []);
  });

  test("tells others by webhook", async () => {
    const place = "/projects/shop/webhook/policies";
    const target = {
      type: "http",
      address: "https://hooks.corp.example/in?token=s3cret",
      auth_header: "Bearer abc",
      skip_cert_verify: false,
    };
    const body = {
      name: "ci hook",
      description: "tells CI",
      enabled: true,
      event_types: ["PUSH_ARTIFACT", "SCANNING_COMPLETED"],
      targets: [target],
    };
    const id = await harbor.create(place, body);
    const read = await harbor.get<Json>(`${place}/${id}`);
    checkShape(read, {
      id: "number",
      name: "string",
      description: "string",
      project_id: "number",
      targets: [
        {
          type: "string",
          address: "string",
          auth_header: "string",
          skip_cert_verify: "boolean",
          payload_format: "string",
        },
      ],
      event_types: ["string"],
      creator: "string",
      creation_time: "instant",
      update_time: "instant",
      enabled: "boolean",
    });
    assert.deepEqual(read["event_types"], body.event_types);
    assert.doesNotMatch(JSON.stringify(read), /s3cret|abc/);
    await harbor.change("PUT", `${place}/${id}`, {
      body: { ...body, enabled: false, event_types: ["DELETE_ARTIFACT"] },
    });
    const changed = await harbor.get<Json>(`${place}/${id}`);
    assert.deepEqual([changed["enabled"], changed["event_types"]], [false, ["DELETE_ARTIFACT"]]);
    await harbor.change("PUT", `${place}/${id}`, { body: { enabled: true } });
    assert.equal((await harbor.get<Json[]>(place)).length, 1);
    checkShape(await harbor.get("/projects/shop/webhook/events"), {
      event_type: ["string"],
      notify_type: ["string"],
      payload_formats: "object",
    });
    checkShape(await harbor.get("/projects/shop/webhook/lasttrigger"), [
      {
        policy_name: "string",
        event_type: "string",
        enabled: "boolean",
        creation_time: "instant",
        last_trigger_time: "instant",
      },
    ]);
    const insecure = { ...body, name: "b", targets: [{ ...target, skip_cert_verify: true }] };
    assert.equal((await harbor.ask("POST", place, { body: insecure })).status, 501);
    assert.equal(
      (await harbor.ask("POST", place, { body: { ...body, name: "b", event_types: ["NOPE"] } })).status,
      400,
    );
    await harbor.change("DELETE", `${place}/${id}`);
    assert.equal((await harbor.ask("GET", `${place}/${id}`)).status, 404);
  });

  test("takes everything down", async () => {
    const full = await harbor.ask("DELETE", "/projects/shop");
    assert.equal(full.status, 412);
    assert.equal((await harbor.get<Json>("/projects/shop/_deletable"))["deletable"], false);
    const image = await harbor.get<Json>(`${front}/artifacts/v1`);
    await harbor.change("DELETE", `${front}/artifacts/v1`);
    assert.equal((await harbor.ask("GET", `${front}/artifacts/${String(image["digest"])}`)).status, 404);
    await harbor.change("DELETE", front);
    assert.equal((await harbor.ask("GET", front)).status, 404);
    await harbor.change("DELETE", "/projects/shop/repositories/copied");
    await harbor.change("DELETE", `/robots/${robot.id}`);
    assert.equal((await harbor.get<Json>("/projects/shop/_deletable"))["deletable"], true);
    await harbor.change("DELETE", "/projects/shop");
    assert.equal((await harbor.ask("GET", "/projects/shop")).status, 404);
  });
});
