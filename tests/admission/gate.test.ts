import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { gzipSync } from "node:zlib";
import { shiftClock } from "../../src/base/clock.ts";
import { mediaTypes } from "../../src/model/oci.ts";
import { listAuditEvents } from "../../src/store/event-records.ts";
import { tarBytes } from "../fixtures/tar-bytes.ts";
import { sign } from "./sign.ts";
import {
  alpine,
  debian,
  importAdvisories,
  openSite,
  pushBlob,
  pushImage,
  pushManifest,
  removeSite,
  vectors,
  type AdmissionSite,
  type Pushed,
} from "./site.ts";

interface Refused {
  readonly status: number;
  readonly code: string;
  readonly message: string;
  readonly detail: { images: { findings: { id: string; fixedVersion?: string }[]; missing: string[] }[] };
  readonly retryAfter: string | null;
}

describe("the gate of a project", () => {
  let site: AdmissionSite;

  before(async () => {
    site = await openSite();
    await importAdvisories(site, "tiny", [
      { id: "CVE-2026-1000", ecosystem: "Debian:12", name: "openssl", fixed: "3.0.15-1", vector: vectors.critical },
      { id: "CVE-2026-1001", ecosystem: "Debian:12", name: "curl", vector: vectors.high },
      {
        id: "CVE-2026-1002",
        ecosystem: "Alpine:v3.20",
        name: "busybox",
        fixed: "1.36.1-r30",
        vector: vectors.critical,
      },
    ]);
  });

  after(async () => {
    await site.stop();
    await removeSite(site);
  });

  async function pull(repository: string, reference: string): Promise<Refused> {
    const answer = await site.ask("GET", `/v2/${repository}/manifests/${reference}`);
    const body = (await answer.json()) as { errors?: [{ code: string; message: string; detail: Refused["detail"] }] };
    const first = body.errors?.[0];
    return {
      status: answer.status,
      code: first?.code ?? "",
      message: first?.message ?? "",
      detail: first?.detail ?? { images: [] },
      retryAfter: answer.headers.get("retry-after"),
    };
  }

  const gate = { requireVerdict: false, allowUnfixed: false, requireSignature: false, trustedKeys: [] } as const;

  test("a project without one gives out everything, and its images are scanned all the same", async () => {
    const image = await pushImage(site, "open/app", { tag: "1", layers: [debian({ openssl: "3.0.11-1" })] });
    await site.factory.admission.settled();
    assert.equal((await pull("open/app", "1")).status, 200);
    const { images } = await site.client.scanReports("open/app:1");
    assert.equal(images[0]!.scan.state, "done");
    assert.equal(images[0]!.scan.digest, image.digest);
    assert.deepEqual(
      images[0]!.report!.findings.map(({ id }) => id),
      ["CVE-2026-1000"],
    );
    assert.deepEqual([images[0]!.scan.summary!.total, images[0]!.scan.summary!.fixable], [1, 1]);
    assert.equal((await site.client.explainPull("open/app:1")).result, "open");
    const log = await site.client.scanLog("open/app:1");
    assert.ok(log.lines.some(({ line }) => line.includes("1 packages of dpkg on debian 12")));
  });

  test("refuses what was found, by tag, digest, GET and HEAD, and says how to be let through", async () => {
    await site.client.setProjectGate("team", { ...gate, maxSeverity: "high" });
    const image = await pushImage(site, "team/app", {
      tag: "1",
      layers: [debian({ openssl: "3.0.11-1", curl: "7.88.1-10" })],
    });
    await site.factory.admission.settled();
    for (const reference of ["1", image.digest]) {
      const refused = await pull("team/app", reference);
      assert.equal(refused.status, 412);
      assert.equal(refused.code, "PROJECTPOLICYVIOLATION");
      assert.match(
        refused.message,
        /^The project "team" does not give out team\/app@sha256:[0-9a-f]{12}: CVE-2026-1000 \(critical\) in openssl 3\.0\.11-1, fixed in 3\.0\.15-1\./,
      );
      assert.match(
        refused.message,
        /mintmark exception create CVE-2026-1000 --package openssl --repository team\/app --until 14d --reason/,
      );
      assert.equal(refused.detail.images[0]!.findings[0]!.fixedVersion, "3.0.15-1");
      assert.equal(refused.retryAfter, null);
    }
    assert.equal((await site.ask("HEAD", "/v2/team/app/manifests/1")).status, 412);
    await site.client.setProjectGate("team", { ...gate, maxSeverity: "medium" });
    assert.match(
      (await pull("team/app", "1")).message,
      /CVE-2026-1001 \(high\) in curl 7\.88\.1-10, no fixed version yet/,
    );
    await site.client.setProjectGate("team", { ...gate, maxSeverity: "medium", allowUnfixed: true });
    assert.doesNotMatch((await pull("team/app", "1")).message, /CVE-2026-1001/);
  });

  test("an exception lets the image through until its end, and not a moment longer", async () => {
    await site.client.setProjectGate("team", { ...gate, maxSeverity: "high" });
    const expiresAt = new Date(Date.now() + 60 * 60_000).toISOString().replace(/\.\d+Z/, "Z");
    const wish = {
      vulnerability: "CVE-2026-1000",
      repository: "team/app",
      reason: "only used against ourselves",
      expiresAt,
    };
    const exception = await site.client.createException(wish);
    assert.equal((await pull("team/app", "1")).status, 200);
    assert.match((await site.client.explainPull("team/app:1")).images[0]!.allowed[0]!, /only used against ourselves/);
    await site.client.endException(exception.id, "it is fixed now");
    assert.equal((await pull("team/app", "1")).status, 412, "an ended exception refuses again");
    await site.client.createException(wish);
    assert.equal((await pull("team/app", "1")).status, 200);
    shiftClock(61 * 60_000);
    try {
      assert.equal((await pull("team/app", "1")).status, 412, "it ends by the clock, too");
    } finally {
      shiftClock(-61 * 60_000);
    }
  });

  test("what a later import says counts at once, without another scan", async () => {
    await pushImage(site, "team/later", { tag: "1", layers: [debian({ zlib1g: "1:1.2.13-1" })] });
    await site.factory.admission.settled();
    assert.equal((await pull("team/later", "1")).status, 200);
    await importAdvisories(site, "later", [
      { id: "CVE-2026-2000", ecosystem: "Debian:12", name: "zlib1g", fixed: "1:1.3-1", vector: vectors.critical },
    ]);
    assert.match((await pull("team/later", "1")).message, /CVE-2026-2000/);
  });

  test("an index is given out if every one of its images is, and attachments do not count", async () => {
    await site.client.setProjectGate("multi", { ...gate, maxSeverity: "high" });
    const good = await pushImage(site, "multi/app", { layers: [alpine({ busybox: "1.36.1-r30" })] });
    const bad = await pushImage(site, "multi/app", {
      layers: [alpine({ busybox: "1.36.1-r29" })],
      architecture: "arm64",
    });
    const attestation = await pushEvidence("multi/app");
    const index = async (tag: string, children: readonly [Pushed, string][]): Promise<Pushed> =>
      await pushManifest(site, "multi/app", {
        tag,
        document: {
          schemaVersion: 2,
          mediaType: mediaTypes.index,
          manifests: children.map(([{ digest, size, mediaType }, architecture]) => ({
            digest,
            size,
            mediaType,
            platform: { os: architecture === "unknown" ? "unknown" : "linux", architecture },
          })),
        } as never,
      });
    await index("all", [
      [good, "amd64"],
      [bad, "arm64"],
      [attestation, "unknown"],
    ]);
    await index("good", [
      [good, "amd64"],
      [attestation, "unknown"],
    ]);
    await site.factory.admission.settled();
    const refused = await pull("multi/app", "all");
    assert.equal(refused.status, 412);
    assert.match(
      refused.message,
      /linux\/arm64: CVE-2026-1002 \(critical\) in busybox 1\.36\.1-r29, fixed in 1\.36\.1-r30/,
    );
    assert.doesNotMatch(refused.message, /amd64/);
    assert.equal((await pull("multi/app", "good")).status, 200);
    assert.equal((await pull("multi/app", good.digest)).status, 200);
    assert.equal((await pull("multi/app", bad.digest)).status, 412);
    assert.equal((await pull("multi/app", attestation.digest)).status, 200, "evidence stays readable");
    assert.equal((await site.client.scanReports("multi/app:all")).images.length, 2);
  });

  /** As buildkit stores provenance: with the configuration type of an image. */
  async function pushEvidence(
    repository: string,
    content = '{"_type":"https://in-toto.io/Statement/v1"}',
  ): Promise<Pushed> {
    const layer = {
      ...(await pushBlob(site, repository, Buffer.from(content))),
      mediaType: "application/vnd.in-toto+json",
    };
    const config = { ...(await pushBlob(site, repository, Buffer.from("{}"))), mediaType: mediaTypes.config };
    const document = { schemaVersion: 2, mediaType: mediaTypes.manifest, config, layers: [layer] };
    return await pushManifest(site, repository, { document });
  }

  test("an image does not get through by calling itself an attachment", async () => {
    await site.client.setProjectGate("sly", { ...gate, requireVerdict: true });
    const layer = gzipSync(tarBytes(debian({ openssl: "1" })));
    const disguised = { ...(await pushBlob(site, "sly/app", layer)), mediaType: "application/vnd.in-toto+json" };
    const config = { ...(await pushBlob(site, "sly/app", Buffer.from("{}"))), mediaType: mediaTypes.config };
    const base = { schemaVersion: 2, mediaType: mediaTypes.manifest, config, layers: [disguised] };
    const plain = await pushManifest(site, "sly/app", { document: base });
    const named = await pushManifest(site, "sly/app", {
      document: { ...base, artifactType: "application/vnd.example.sbom", subject: plain } as never,
    });
    await site.factory.admission.settled();
    for (const { digest } of [plain, named]) assert.match((await pull("sly/app", digest)).message, /CVE-2026-1000/);
    const chart = { ...base, config: { ...config, mediaType: "application/vnd.cncf.helm.config.v1+json" } };
    const { digest } = await pushManifest(site, "sly/app", { document: chart });
    assert.equal((await pull("sly/app", digest)).status, 200, "what no client runs is no image");
  });

  test("a scan does not read the layers of other repositories for who only names them", async () => {
    const layer = gzipSync(tarBytes(debian({ "secret-package": "1" })));
    const owned = await pushBlob(site, "owned/app", layer);
    const config = { ...(await pushBlob(site, "nosy/app", Buffer.from("{}"))), mediaType: mediaTypes.config };
    const named = { ...owned, mediaType: "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip" };
    const document = { schemaVersion: 2, mediaType: mediaTypes.manifest, config, layers: [named] };
    const { digest } = await pushManifest(site, "nosy/app", { document });
    await site.factory.admission.settled();
    const [judged] = (await site.factory.admission.scans("nosy/app", digest))!;
    assert.equal(judged?.scan.state, "unscannable");
    assert.equal(judged.scan.packageCount, undefined);
    assert.equal(await site.factory.admission.sbom("nosy/app", digest, "spdx"), undefined);
  });

  test("without a verdict the answer is no, with the reason", async () => {
    await site.client.setProjectGate("strict", { ...gate, requireVerdict: true });
    const cases: [string, Parameters<typeof pushImage>[2]["layers"], RegExp][] = [
      ["scratch", [[{ path: "app", content: "x" }]], /no verdict: it cannot be scanned: it has no package database/],
      ["rpm", [[{ path: "var/lib/rpm/rpmdb.sqlite", content: "x" }]], /no verdict: unsupported package database rpm/],
      [
        "bomb",
        [gzipSync(tarBytes([{ path: "zeros", content: Buffer.alloc(80 * 1024 * 1024) }]), { level: 9 })],
        /no verdict: it cannot be scanned: the layer sha256:[0-9a-f]{64} of \d+ bytes expands beyond/,
      ],
      ["broken", [Buffer.from("no layer at all")], /no verdict: it cannot be scanned: it is cut short/],
      [
        "unknown",
        [
          [
            { path: "etc/os-release", content: "ID=kali\n" },
            { path: "var/lib/dpkg/status", content: "Package: a\nVersion: 1\n" },
          ],
        ],
        /no verdict: No advisory feed with content covers the image/,
      ],
    ];
    for (const [name, layers] of cases) await pushImage(site, `strict/${name}`, { tag: "1", layers });
    await site.factory.admission.settled();
    for (const [name, , message] of cases) {
      const refused = await pull(`strict/${name}`, "1");
      assert.equal(refused.status, 412, name);
      assert.match(refused.message, message);
      assert.equal(refused.retryAfter, null);
    }
    const page = await site.client.scans({ state: "unscannable" });
    assert.deepEqual(page.scans.map(({ repository }) => repository).sort(), [
      "nosy/app",
      "strict/bomb",
      "strict/broken",
      "strict/rpm",
      "strict/scratch",
    ]);
  });

  test("a signature by a trusted key is needed where the project says so", async () => {
    const image = await pushImage(site, "signed/app", { tag: "1", layers: [debian({ base: "1" })] });
    await site.client.setProjectGate("signed", { ...gate, requireSignature: true });
    assert.match(
      (await pull("signed/app", "1")).message,
      /no signature by a trusted key \([0-9a-f]{12}\): none exists/,
    );
    await sign(site, "signed/app", image.digest);
    assert.equal((await pull("signed/app", "1")).status, 200);
    assert.equal((await site.client.explainPull("signed/app:1")).images[0]!.signedBy, site.factory.keys.release.id);
    await site.client.setProjectGate("signed", {
      ...gate,
      requireSignature: true,
      trustedKeys: [site.factory.keys.evidence.publicPem],
    });
    assert.equal((await pull("signed/app", "1")).status, 412, "another key does not count");
    await assert.rejects(
      site.client.setProjectGate("signed", { ...gate, requireSignature: true, trustedKeys: ["no key"] }),
      /Cannot trust a key/,
    );
  });

  test("what happened is in the audit log and in the metrics", async () => {
    await site.factory.admission.settled();
    const events = await listAuditEvents(site.factory.store.db, { limit: 1000 });
    const refused = events.filter(({ action }) => action === "pull.refused");
    assert.ok(refused.some(({ details }) => (details["reasons"] as string[]).includes("CVE-2026-1000 in openssl")));
    assert.ok(events.some(({ action, subject }) => action === "scan.completed" && subject.startsWith("team/app@")));
    const set = events.find(({ action, subject }) => action === "project.changed" && subject === "team");
    assert.ok(set !== undefined);
    assert.equal((set.details["pullGate"] as { maxSeverity: string }).maxSeverity, "high");
    const text = await (await site.ask("GET", "/metrics")).text();
    assert.match(text, /mintmark_scans_total\{outcome="unscannable"\} 5/);
    assert.match(text, /mintmark_pulls_refused_total\{reason="findings"\} [1-9]/);
    assert.match(text, /mintmark_scans_waiting 0/);
  });
});
