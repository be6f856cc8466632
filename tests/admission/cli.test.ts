import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { runProgram } from "../../src/cli/program.ts";
import { debian, importAdvisories, openSite, pushImage, removeSite, vectors } from "./site.ts";

test("the command line sets the gate, explains a refusal and scans again", async () => {
  const site = await openSite();
  const run = async (...args: string[]): Promise<{ code: number; out: string; err: string }> => {
    const told = { out: "", err: "" };
    const stream = (name: "out" | "err") => ({ write: (text: string) => ((told[name] += text), true) });
    const code = await runProgram({
      args: ["--data", join(site.folder, "data"), ...args],
      environment: {},
      stdout: stream("out"),
      stderr: stream("err"),
      stopped: new AbortController().signal,
      version: "0",
    });
    return { code, ...told };
  };
  try {
    await importAdvisories(site, "tiny", [
      { id: "CVE-2026-1000", ecosystem: "Debian:12", name: "openssl", fixed: "3.0.15-1", vector: vectors.critical },
    ]);
    await pushImage(site, "team/app", { tag: "1", layers: [debian({ openssl: "3.0.11-1" })] });
    assert.match((await run("project", "gate", "team")).out, /gives out everything/);
    const set = await run("project", "gate", "team", "--require-verdict", "--max-severity", "high");
    assert.equal(set.code, 0, set.err);
    assert.match(set.out, /worst severity +high/);
    const scanned = await run("scan", "team/app:1", "--now");
    assert.equal(scanned.code, 0, scanned.err);
    assert.match(scanned.out, /CVE-2026-1000 +critical +openssl +3\.0\.11-1 +3\.0\.15-1/);
    assert.match(scanned.err, /debian 12, 1 packages, read in/);
    assert.match(scanned.err, /Not looked at: packages of languages/);
    const explained = await run("gate", "explain", "team/app:1");
    assert.equal(explained.code, 4);
    assert.match(explained.out, /refused\n.*done\n +deny +CVE-2026-1000 \(critical\) in openssl/);
    assert.match((await run("scan", "--list")).out, /team\/app@sha256:[0-9a-f]{12} +done +.*1 critical/);
    assert.equal((await run("gate", "explain", "team/none:1")).code, 1);
    assert.equal((await run("project", "gate", "team", "--off", "--require-verdict")).code, 2);
    assert.match((await run("project", "gate", "team", "--off")).out, /gives out everything/);
    assert.equal((await run("gate", "explain", "team/app:1")).code, 0);
  } finally {
    await site.stop();
    await removeSite(site);
  }
});
