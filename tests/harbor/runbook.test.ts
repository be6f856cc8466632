/** The lines of the runbook, character for character but for the host, through real curl and jq. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { after, before, describe, test } from "node:test";
import { promisify } from "node:util";
import {
  type AdmissionSite,
  debian,
  importAdvisories,
  openSite,
  pushImage,
  removeSite,
  vectors,
} from "../admission/site.ts";

const run = promisify(execFile);

describe("the runbook's lines", () => {
  let site: AdmissionSite;
  const shell = async (line: string): Promise<string> => (await run("sh", ["-c", line])).stdout;

  before(async () => {
    site = await openSite();
    await importAdvisories(site, "tiny", [
      { id: "CVE-2026-1000", ecosystem: "Debian:12", name: "openssl", fixed: "3.0.15-1", vector: vectors.critical },
      { id: "CVE-2026-1001", ecosystem: "Debian:12", name: "curl", vector: vectors.high },
    ]);
    for (const repository of ["aibox/base", "aibox/java", "aibox/tools/lint"])
      await pushImage(site, repository, {
        tag: "latest",
        layers: [debian({ openssl: "3.0.11-1", curl: repository.length > 10 ? "2" : "1" })],
      });
    await site.factory.admission.settled();
  });

  after(async () => {
    await site.stop();
    await removeSite(site);
  });

  test("confirm new images", async () => {
    const out = await shell(`curl -s http://${site.host}/api/v2.0/projects/aibox/repositories | jq '.[].name'`);
    assert.equal(out, '"aibox/base"\n"aibox/java"\n"aibox/tools/lint"\n');
  });

  test("check scan results", async () => {
    const url = `http://${site.host}/api/v2.0/projects/aibox/repositories/base/artifacts/latest/additions/vulnerabilities`;
    const plain = JSON.parse(await shell(`curl -s ${url}`)) as Record<string, unknown>;
    assert.deepEqual(Object.keys(plain), ["application/vnd.security.vulnerability.report; version=1.1"]);
    const critical = await shell(`curl -s ${url} | jq -r '.[].vulnerabilities[] | select(.severity=="Critical").id'`);
    assert.equal(critical, "CVE-2026-1000\n");
  });

  test("slashes in names: escaped twice, once, or not at all", async () => {
    for (const name of ["tools%252Flint", "tools%2Flint", "tools/lint", "tools%252flint"]) {
      const place = `http://${site.host}/api/v2.0/projects/aibox/repositories/${name}`;
      assert.equal(await shell(`curl -sf ${place} | jq -r .name`), "aibox/tools/lint\n", name);
      const additions = `${place}/artifacts/latest/additions/vulnerabilities`;
      assert.equal(await shell(`curl -sf ${additions} | jq '.[].vulnerabilities | length'`), "2\n", name);
      assert.equal(await shell(`curl -sf ${place}/artifacts?page_size=1 | jq length`), "1\n", name);
    }
  });
});
