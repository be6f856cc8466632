/** What operators script: replication, garbage collection, the audit log. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { type AdmissionSite, debian, openSite, pushImage, removeSite } from "../admission/site.ts";
import { checkShape, type HarborClient, type Json, openHarborClient } from "./harbor-client.ts";

const wait = async (ms: number): Promise<void> => await new Promise((resolve) => setTimeout(resolve, ms));

describe("the administration of Harbor's API", () => {
  let site: AdmissionSite;
  let harbor: HarborClient;

  before(async () => {
    site = await openSite();
    harbor = openHarborClient(site);
    await pushImage(site, "shop/web/front", { tag: "v1", layers: [debian({ openssl: "3.0.11-1" })] });
    await pushImage(site, "shop/web/front", { tag: "v2", layers: [debian({ openssl: "3.0.15-1" })] });
    await site.factory.admission.settled();
  });

  after(async () => {
    await site.stop();
    await removeSite(site);
  });

  test("replicates to a registry: here itself, which says so much as no", async () => {
    const registry = await harbor.create("/registries", {
      name: "other",
      type: "docker-registry",
      url: "http://127.0.0.1:9",
      credential: { type: "basic", access_key: "bot", access_secret: "s3cret" },
      insecure: true,
    });
    const peer = await harbor.get<Json>(`/registries/${registry}`);
    checkShape(peer, {
      id: "number",
      url: "string",
      name: "string",
      credential: { type: "string", access_key: "string", access_secret: "string" },
      type: "string",
      insecure: "boolean",
      description: "string",
      status: "string",
      creation_time: "instant",
      update_time: "instant",
    });
    assert.doesNotMatch(JSON.stringify(peer), /s3cret/);
    assert.equal((await harbor.ask("POST", "/registries/ping", { body: { id: Number(registry) } })).status, 400);
    assert.equal((await harbor.ask("POST", "/registries/ping", { body: { url: "http://10.0.0.1" } })).status, 501);
    await harbor.change("PUT", `/registries/${registry}`, { body: { description: "elsewhere" } });
    assert.equal((await harbor.get<Json>(`/registries/${registry}`))["description"], "elsewhere");
    const policy = {
      name: "to-other",
      description: "a copy",
      dest_registry: { id: Number(registry) },
      src_registry: null,
      dest_namespace: "mirror",
      dest_namespace_replace_count: 1,
      trigger: { type: "scheduled", trigger_settings: { cron: "0 0 5 * * *" } },
      filters: [
        { type: "name", value: "shop/**" },
        { type: "tag", value: "v*", decoration: "matches" },
      ],
      replicate_deletion: false,
      override: true,
      enabled: true,
      speed: -1,
    };
    const id = await harbor.create("/replication/policies", policy);
    const read = await harbor.get<Json>(`/replication/policies/${id}`);
    checkShape(read, {
      id: "number",
      name: "string",
      description: "string",
      src_registry: { id: "number" },
      dest_registry: { id: "number", name: "string" },
      dest_namespace: "string",
      dest_namespace_replace_count: "number",
      trigger: { type: "string", trigger_settings: { cron: "string" } },
      filters: [{ type: "string", value: "string" }],
      replicate_deletion: "boolean",
      deletion: "boolean",
      override: "boolean",
      enabled: "boolean",
      creation_time: "instant",
      update_time: "instant",
      speed: "number",
      copy_by_chunk: "boolean",
      single_active_replication: "boolean",
    });
    for (const key of [
      "filters",
      "trigger",
      "dest_namespace",
      "dest_namespace_replace_count",
      "description",
      "speed",
    ] as const)
      assert.deepEqual(read[key], policy[key], key);
    await harbor.change("PUT", `/replication/policies/${id}`, { body: { ...policy, trigger: { type: "manual" } } });
    assert.equal((await harbor.ask("DELETE", `/registries/${registry}`)).status, 412);
    const run = await harbor.create("/replication/executions", { policy_id: Number(id) });
    await wait(300);
    const execution = await harbor.get<Json>(`/replication/executions/${run}`);
    checkShape(execution, {
      id: "number",
      policy_id: "number",
      status: "string",
      trigger: "string",
      start_time: "instant",
      end_time: "instant?",
      status_text: "string",
      total: "number",
      failed: "number",
      succeed: "number",
      in_progress: "number",
      stopped: "number",
    });
    const tasks = await harbor.get<Json[]>(`/replication/executions/${run}/tasks`);
    checkShape(tasks, [
      {
        id: "number",
        execution_id: "number",
        status: "string",
        job_id: "string",
        operation: "string",
        resource_type: "string",
        src_resource: "string",
        dst_resource: "string",
        start_time: "instant",
        end_time: "instant?",
      },
    ]);
    for (const task of tasks.slice(0, 1)) {
      const log = await harbor.ask("GET", `/replication/executions/${run}/tasks/${String(task["id"])}/log`);
      assert.equal(log.status, 200);
    }
    await harbor.change("PUT", `/replication/executions/${run}`);
    assert.equal((await harbor.get<Json[]>(`/replication/executions?policy_id=${id}`)).length, 1);
    await harbor.change("DELETE", `/replication/policies/${id}`);
    await harbor.change("DELETE", `/registries/${registry}`);
    assert.deepEqual(await harbor.get("/registries"), []);
  });

  test("collects garbage, and shows what it did", async () => {
    const id = await harbor.create("/system/gc/schedule", {
      schedule: { type: "Manual", cron: "" },
      parameters: { delete_untagged: true, dry_run: true, workers: 1 },
    });
    await site.factory.queue.drain();
    const runs = await harbor.get<Json[]>("/system/gc");
    checkShape(runs, [
      {
        id: "number",
        job_name: "string",
        job_kind: "string",
        job_parameters: "string",
        schedule: { type: "string" },
        job_status: "string",
        deleted: "boolean",
        creation_time: "instant",
        update_time: "instant",
      },
    ]);
    assert.deepEqual([String(runs[0]!["id"]), runs[0]!["job_status"]], [id, "Success"]);
    assert.equal((JSON.parse(String(runs[0]!["job_parameters"])) as Json)["dry_run"], true);
    assert.equal((await harbor.get<Json>(`/system/gc/${id}`))["id"], Number(id));
    assert.equal((await harbor.ask("GET", `/system/gc/${id}/log`)).status, 200);
    assert.equal((await harbor.ask("PUT", `/system/gc/${id}`)).status, 400);
    const schedule = await harbor.get<{ schedule: Json }>("/system/gc/schedule");
    checkShape(schedule, { schedule: { type: "string", cron: "string", next_scheduled_time: "instant" } });
    assert.equal(schedule.schedule["cron"], "0 0 4 * * 1");
    await harbor.change("PUT", "/system/gc/schedule", { body: { schedule: { type: "Custom", cron: "0 0 4 * * 1" } } });
    const other = { schedule: { type: "Daily", cron: "" } };
    assert.equal((await harbor.ask("PUT", "/system/gc/schedule", { body: other })).status, 501);
    await harbor.create("/system/purgeaudit/schedule", {
      schedule: { type: "Manual" },
      parameters: { dry_run: false },
    });
    await harbor.get("/system/purgeaudit");
    await harbor.get("/system/purgeaudit/schedule");
    await harbor.change("POST", "/system/scanAll/schedule", { status: 201, body: { schedule: { type: "Manual" } } });
    await site.factory.queue.drain();
    assert.deepEqual(await harbor.get("/system/scanAll/schedule"), {});
  });

  test("reads who did what", async () => {
    const logs = await harbor.get<Json[]>("/audit-logs?page_size=100");
    checkShape(logs, [
      {
        id: "number",
        username: "string",
        resource: "string",
        resource_type: "string",
        operation: "string",
        op_time: "instant",
      },
    ]);
    assert.ok(logs.every((log) => !("operation_result" in log)));
    const pushes = await harbor.ask(
      "GET",
      `/audit-logs?q=operation=create,resource_type=artifact,resource=~front,username=admin`,
    );
    assert.equal(pushes.headers.get("x-total-count"), "2");
    assert.equal((pushes.json as Json[])[0]!["username"], "admin");
    checkShape(await harbor.get("/auditlog-exts?q=username=admin"), [
      { id: "number", operation_description: "string", operation_result: "boolean", op_time: "instant" },
    ]);
    checkShape(await harbor.get("/projects/shop/logs"), [{ id: "number", username: "string" }]);
    assert.equal(
      (await harbor.get<Json[]>("/projects/shop/auditlog-exts?q=op_time=[2020-01-01 00:00:00~2021-01-01 00:00:00]"))
        .length,
      0,
    );
    assert.equal((await harbor.ask("GET", "/audit-logs?q=op_time=[yesterday~]")).status, 400);
    checkShape(await harbor.get("/auditlog-exts/events"), [{ event_type: "string" }]);
  });
});
