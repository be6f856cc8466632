/** Every field of the read side: there, of the right type, never null where Harbor leaves it out. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { gzipSync } from "node:zlib";
import { mediaTypes } from "../../src/model/oci.ts";
import { sign } from "../admission/sign.ts";
import {
  type AdmissionSite,
  debian,
  importAdvisories,
  openSite,
  type Pushed,
  pushBlob,
  pushImage,
  pushManifest,
  removeSite,
  vectors,
} from "../admission/site.ts";
import { tarBytes } from "../fixtures/tar-bytes.ts";
import { checkShape, type HarborClient, type Json, openHarborClient, type Shape } from "./harbor-client.ts";

const scannerShape = { name: "string", vendor: "string", version: "string" } as const;
const artifactShape: Shape = {
  id: "number",
  type: "string",
  media_type: "string",
  manifest_media_type: "string",
  artifact_type: "string",
  project_id: "number",
  repository_id: "number",
  repository_name: "string",
  digest: "string",
  size: "number",
  icon: "string",
  push_time: "instant",
  pull_time: "instant",
  extra_attrs: "object?",
  addition_links: "object",
};
const tagShape: Shape = {
  id: "number",
  repository_id: "number",
  artifact_id: "number",
  name: "string",
  push_time: "instant",
  pull_time: "instant",
  immutable: "boolean",
};
const accessoryShape: Shape = {
  id: "number",
  artifact_id: "number",
  subject_artifact_id: "number",
  subject_artifact_digest: "string",
  subject_artifact_repo: "string",
  size: "number",
  digest: "string",
  type: "string",
  icon: "string",
  creation_time: "instant",
};
const repositoryShape: Shape = {
  id: "number",
  project_id: "number",
  name: "string",
  description: "string",
  artifact_count: "number",
  pull_count: "number",
  creation_time: "instant",
  update_time: "instant",
};
const projectShape: Shape = {
  project_id: "number",
  owner_id: "number",
  owner_name: "string",
  name: "string",
  registry_id: "number?",
  creation_time: "instant",
  update_time: "instant",
  deleted: "boolean",
  togglable: "boolean",
  current_user_role_id: "number",
  current_user_role_ids: ["number"],
  repo_count: "number",
  metadata: {
    public: "string",
    auto_scan: "string",
    prevent_vul: "string",
    severity: "string",
    enable_content_trust: "string",
    enable_content_trust_cosign: "string",
    reuse_sys_cve_allowlist: "string",
  },
  cve_allowlist: {
    id: "number",
    project_id: "number",
    items: [{ cve_id: "string" }],
    creation_time: "instant",
    update_time: "instant",
  },
};

describe("the read side of Harbor's API", () => {
  let site: AdmissionSite;
  let harbor: HarborClient;
  let index: Pushed;
  let image: Pushed;
  const base = "/projects/team/repositories/app/artifacts";

  before(async () => {
    site = await openSite();
    harbor = openHarborClient(site);
    await importAdvisories(site, "tiny", [
      { id: "CVE-2026-1000", ecosystem: "Debian:12", name: "openssl", fixed: "3.0.15-1", vector: vectors.critical },
      { id: "CVE-2026-1001", ecosystem: "Debian:12", name: "curl", vector: vectors.high },
    ]);
    image = await pushImage(site, "team/app", { tag: "v1", layers: [debian({ openssl: "3.0.11-1", curl: "1" })] });
    const other = await pushImage(site, "team/app", {
      layers: [debian({ openssl: "3.0.11-1" })],
      architecture: "arm64",
    });
    const amd64 = await pushImage(site, "team/app", { layers: [debian({ openssl: "3.0.11-1", zlib: "1" })] });
    const platform = (architecture: string): object => ({ architecture, os: "linux" });
    index = await pushManifest(site, "team/app", {
      tag: "multi",
      document: {
        schemaVersion: 2,
        mediaType: mediaTypes.index,
        manifests: [
          { ...amd64, platform: platform("amd64") },
          { ...other, platform: platform("arm64") },
        ],
        annotations: { purpose: "test" },
      } as unknown as { mediaType: string },
    });
    await sign(site, "team/app", image.digest);
    await pushImage(site, "team/app", { layers: [debian({ bash: "5" })] });
    await site.factory.admission.settled();
  });

  after(async () => {
    await site.stop();
    await removeSite(site);
  });

  test("projects, their summary and metadata", async () => {
    checkShape(await harbor.get("/projects"), [projectShape]);
    const project = await harbor.get<Json>("/projects/team");
    checkShape(project, projectShape);
    assert.equal(project["repo_count"], 1);
    assert.equal(project["current_user_role_id"], 1);
    assert.deepEqual(await harbor.get(`/projects/${project["project_id"] as number}`), project);
    const named = await harbor.ask("GET", `/projects/${project["project_id"] as number}`, {
      headers: { "x-is-resource-name": "true" },
    });
    assert.equal(named.status, 404);
    checkShape(await harbor.get("/projects/team/summary"), {
      repo_count: "number",
      project_admin_count: "number",
      maintainer_count: "number",
      developer_count: "number",
      guest_count: "number",
      limited_guest_count: "number",
      quota: { hard: { storage: "number" }, used: { storage: "number" } },
      registry: "object?",
    });
    assert.deepEqual(await harbor.get("/projects/team/metadatas/public"), { public: "false" });
    assert.equal((await harbor.ask("HEAD", "/projects?project_name=team")).status, 200);
    assert.equal((await harbor.ask("HEAD", "/projects?project_name=nope")).status, 404);
  });

  test("repositories", async () => {
    for (const path of ["/repositories", "/projects/team/repositories"])
      checkShape(await harbor.get(path), [repositoryShape]);
    const one = await harbor.get<Json>("/projects/team/repositories/app");
    checkShape(one, repositoryShape);
    assert.equal(one["name"], "team/app");
    assert.equal(one["artifact_count"], 3);
  });

  test("artifacts with tags, overviews, accessories and labels", async () => {
    const all = await harbor.get<Json[]>(
      `${base}?with_tag=true&with_label=true&with_scan_overview=true&with_sbom_overview=true&with_accessory=true&with_immutable_status=true`,
    );
    checkShape(all, [artifactShape]);
    assert.equal(all.length, 3, "children of an index and signatures are no artifacts of their own");
    const tagged = all.find(({ digest }) => digest === image.digest)!;
    checkShape(tagged["tags"], [tagShape]);
    checkShape(tagged["accessories"], [accessoryShape]);
    assert.deepEqual(tagged["labels"], []);
    const kinds = (tagged["accessories"] as Json[]).map(({ type }) => type);
    assert.ok(kinds.includes("signature.cosign"), String(kinds));
    checkShape(tagged["extra_attrs"], { architecture: "string", os: "string", author: "string", config: "object" });
    assert.equal(tagged["type"], "IMAGE");
    const overview = tagged["scan_overview"] as Record<string, Json>;
    assert.deepEqual(Object.keys(overview), ["application/vnd.security.vulnerability.report; version=1.1"]);
    const report = Object.values(overview)[0]!;
    checkShape(report, {
      report_id: "string",
      scan_status: "string",
      severity: "string",
      duration: "number",
      summary: { total: "number", fixable: "number", summary: "object" },
      start_time: "instant",
      end_time: "instant",
      complete_percent: "number",
      scanner: scannerShape,
    });
    assert.deepEqual(report["summary"], { total: 2, fixable: 1, summary: { Critical: 1, High: 1 } });
    assert.deepEqual(
      [report["scan_status"], report["severity"], report["complete_percent"]],
      ["Success", "Critical", 100],
    );
    checkShape(tagged["sbom_overview"], {
      start_time: "instant",
      end_time: "instant",
      scan_status: "string",
      report_id: "string",
      scanner: scannerShape,
    });
    const log = await harbor.ask("GET", `${base}/v1/scan/${String(report["report_id"])}/log`);
    assert.deepEqual([log.status, log.headers.get("content-type")], [200, "text/plain; charset=utf-8"]);
    const plain = await harbor.get<Json>(`${base}/v1`);
    assert.deepEqual(
      ["scan_overview", "sbom_overview", "accessories", "labels"].filter((part) => part in plain),
      [],
    );
    assert.ok("tags" in plain);
    assert.ok(!("tags" in (await harbor.get<Json>(`${base}/v1?with_tag=false`))));
    assert.deepEqual((await harbor.get<Json>(`${base}/${image.digest}`))["id"], tagged["id"]);
  });

  test("an index has references and joins the reports of its images", async () => {
    const multi = await harbor.get<Json>(`${base}/multi?with_scan_overview=true`);
    checkShape(multi["references"], [
      {
        parent_id: "number",
        child_id: "number",
        child_digest: "string",
        platform: { architecture: "string", os: "string", "os.version": "string", variant: "string" },
        urls: ["string"],
      },
    ]);
    assert.deepEqual(multi["annotations"], { purpose: "test" });
    assert.equal(multi["digest"], index.digest);
    const report = Object.values(await harbor.get<Record<string, Json>>(`${base}/multi/additions/vulnerabilities`))[0]!;
    const [finding] = report["vulnerabilities"] as Json[];
    assert.equal((report["vulnerabilities"] as Json[]).length, 1);
    assert.equal((finding!["artifact_digests"] as string[]).length, 2);
  });

  test("vulnerabilities, exactly", async () => {
    const body = await harbor.get<Record<string, Json>>(`${base}/v1/additions/vulnerabilities`);
    const report = body["application/vnd.security.vulnerability.report; version=1.1"]!;
    checkShape(report, {
      generated_at: "instant",
      scanner: scannerShape,
      severity: "string",
      vulnerabilities: [
        {
          id: "string",
          package: "string",
          version: "string",
          fix_version: "string",
          severity: "string",
          status: "string",
          description: "string",
          links: ["string"],
          artifact_digests: ["string"],
          preferred_cvss: { score_v3: "null", score_v2: "null", vector_v3: "string", vector_v2: "string" },
          cwe_ids: ["string"],
          vendor_attributes: "object",
        },
      ],
    });
    const older = "application/vnd.scanner.adapter.vuln.report.harbor+json; version=1.0";
    const accept = async (header: string): Promise<string[]> => {
      const answer = await harbor.ask("GET", `${base}/v1/additions/vulnerabilities`, {
        headers: { "x-accept-vulnerabilities": header },
      });
      assert.match(answer.headers.get("content-type") ?? "", /^application\/json/);
      return Object.keys(answer.json as Json);
    };
    assert.deepEqual(await accept(older), [older]);
    assert.deepEqual(await accept("text/plain"), []);
    assert.equal((await harbor.ask("GET", `${base}/nope/additions/vulnerabilities`)).status, 404);
    const layer = await pushBlob(site, "team/thing", gzipSync(tarBytes([])));
    const config = {
      ...(await pushBlob(site, "team/thing", Buffer.from("{}"))),
      mediaType: "application/vnd.acme.thing.config.v1+json",
    };
    const document = { schemaVersion: 2, mediaType: mediaTypes.manifest, config, layers: [layer] };
    await pushManifest(site, "team/thing", { tag: "1", document });
    await site.factory.admission.settled();
    const thing = "/projects/team/repositories/thing/artifacts/1";
    assert.deepEqual(await harbor.get(`${thing}/additions/vulnerabilities`), {});
    const shown = await harbor.get<Json>(`${thing}?with_scan_overview=true`);
    assert.deepEqual([shown["type"], "scan_overview" in shown], ["THING", false]);
  });

  test("tags, accessories, build history and SBOM", async () => {
    checkShape(await harbor.get(`${base}/v1/tags`), [tagShape]);
    checkShape(await harbor.get(`${base}/v1/accessories`), [accessoryShape]);
    assert.deepEqual(await harbor.get(`${base}/v1/additions/build_history`), []);
    assert.equal((await harbor.get<Json>(`${base}/v1/additions/sbom`))["spdxVersion"], "SPDX-2.3");
    assert.equal((await harbor.ask("GET", `${base}/v1/additions/readme.md`)).status, 400);
  });

  test("conditions and order", async () => {
    const digests = async (query: string): Promise<number> => (await harbor.get<Json[]>(`${base}?${query}`)).length;
    assert.equal(await digests("q=tags%3Dnil"), 1);
    assert.equal(await digests("q=tags%253Dnil"), 1);
    assert.equal(await digests("q=tags=*"), 2);
    assert.equal(await digests("q=tags=~V"), 1);
    assert.equal(await digests("q=tags=v1"), 1);
    assert.equal(await digests("q=tags%3D%7Bv1%20multi%7D"), 2);
    assert.equal(await digests(`q=digest=${image.digest}`), 1);
    assert.equal(await digests("q=unknown_key=1"), 3);
    assert.equal((await harbor.ask("GET", `${base}?q=tags`)).status, 400);
    assert.equal((await harbor.ask("GET", `${base}?q=tags=`)).status, 400);
    const names = async (query: string): Promise<unknown[]> =>
      (await harbor.get<Json[]>(`/repositories?${query}`)).map(({ name }) => name);
    assert.deepEqual(await names("sort=-name"), ["team/thing", "team/app"]);
    assert.deepEqual(await names("q=name=~APP"), ["team/app"]);
    assert.deepEqual(await names("q=name=%7Bteam/app%20team/thing%7D"), ["team/app", "team/thing"]);
    assert.equal((await harbor.get<Json[]>("/projects/team/artifacts?latest_in_repository=true")).length, 2);
  });

  test("pages: counts, links, bounds", async () => {
    const first = await harbor.ask("GET", `${base}?page_size=2&with_tag=false`);
    assert.equal(first.headers.get("x-total-count"), "3");
    assert.equal(first.headers.get("link"), `</api/v2.0${base}?page_size=2&with_tag=false&page=2>; rel="next"`);
    assert.match(first.headers.get("x-request-id") ?? "", /^[0-9a-f-]{36}$/);
    const second = await harbor.ask("GET", `${base}?page_size=2&page=2`);
    assert.equal(second.headers.get("link"), `</api/v2.0${base}?page_size=2&page=1>; rel="prev"`);
    assert.equal((second.json as Json[]).length, 1);
    const beyond = await harbor.ask("GET", `${base}?page_size=2&page=9`);
    assert.deepEqual([beyond.status, beyond.json], [200, []]);
    const large = await harbor.ask("GET", "/projects?page_size=101");
    assert.equal(large.status, 422);
    assert.deepEqual(large.json, {
      errors: [
        {
          code: "UNPROCESSABLE_ENTITY",
          message: "validation failure list:\npage_size in query should be less than or equal to 100",
        },
      ],
    });
  });

  test("the system", async () => {
    checkShape(await harbor.get("/health"), { status: "string", components: [{ name: "string", status: "string" }] });
    assert.equal((await harbor.ask("GET", "/ping", { as: null })).text, "Pong");
    checkShape(await harbor.get("/systeminfo"), {
      harbor_version: "string",
      auth_mode: "string",
      registry_url: "string",
      external_url: "string",
      project_creation_restriction: "string",
      self_registration: "boolean",
      read_only: "boolean",
    });
    checkShape(await harbor.get("/statistics"), {
      private_project_count: "number",
      private_repo_count: "number",
      public_project_count: "number",
      public_repo_count: "number",
      total_project_count: "number",
      total_repo_count: "number",
      total_storage_consumption: "number",
    });
    checkShape(await harbor.get("/search?q=app"), {
      project: [projectShape],
      repository: [
        {
          project_id: "number",
          project_name: "string",
          project_public: "boolean",
          repository_name: "string",
          pull_count: "number",
          artifact_count: "number",
        },
      ],
    });
    checkShape(await harbor.get("/users/current"), {
      user_id: "number",
      username: "string",
      sysadmin_flag: "boolean",
      admin_role_in_auth: "boolean",
      creation_time: "instant",
    });
    const summary = await harbor.get<Json>("/security/summary?with_dangerous_cve=true&with_dangerous_artifact=true");
    checkShape(summary, {
      critical_cnt: "number",
      high_cnt: "number",
      medium_cnt: "number",
      low_cnt: "number",
      none_cnt: "number",
      unknown_cnt: "number",
      total_vuls: "number",
      scanned_cnt: "number",
      total_artifact: "number",
      fixable_cnt: "number",
      dangerous_cves: [{ cve_id: "string", severity: "string", desc: "string", package: "string", version: "string" }],
      dangerous_artifacts: [
        {
          project_id: "number",
          repository_name: "string",
          digest: "string",
          critical_cnt: "number",
          high_cnt: "number",
          medium_cnt: "number",
        },
      ],
    });
    assert.deepEqual([summary["critical_cnt"], summary["high_cnt"], summary["total_vuls"]], [3, 1, 4]);
    const found = await harbor.ask("GET", "/security/vul?with_tag=true&page_size=3&page=2");
    assert.equal(found.headers.get("x-total-count"), "4");
    checkShape(found.json, [
      {
        project_id: "number",
        repository_name: "string",
        digest: "string",
        tags: ["string"],
        cve_id: "string",
        severity: "string",
        status: "string",
        cvss_v3_score: "number",
        package: "string",
        version: "string",
        fixed_version: "string",
        desc: "string",
        links: ["string"],
      },
    ]);
    assert.equal((found.json as Json[]).length, 1);
    const high = await harbor.ask("GET", "/security/vul?q=severity=High");
    assert.deepEqual([high.headers.get("x-total-count"), (high.json as Json[])[0]!["cve_id"]], ["1", "CVE-2026-1001"]);
    checkShape(await harbor.get("/scans/all/metrics"), {
      total: "number",
      completed: "number",
      metrics: "object",
      ongoing: "boolean",
      trigger: "string",
    });
    checkShape(await harbor.get("/scanners"), [
      {
        uuid: "string",
        name: "string",
        description: "string",
        url: "string",
        disabled: "boolean",
        is_default: "boolean",
        auth: "string",
        access_credential: "string",
        skip_certVerify: "boolean",
        use_internal_addr: "boolean",
        create_time: "instant",
        update_time: "instant",
        adapter: "string",
        vendor: "string",
        version: "string",
        health: "string",
        capabilities: { support_vulnerability: "boolean", support_sbom: "boolean" },
      },
    ]);
  });
});
