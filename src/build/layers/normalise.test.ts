import assert from "node:assert/strict";
import { test } from "node:test";
import { dropReason, normaliseContent } from "./normalise.ts";

test("dropReason leaves out secrets, caches and the builder's own names", () => {
  for (const path of [
    "etc/ssh/ssh_host_rsa_key",
    "etc/ssh/ssh_host_rsa_key.pub",
    "etc/hostname",
    "etc/resolv.conf",
    "var/log/dpkg.log",
    "var/log/apt/history.log",
    "var/cache/ldconfig/aux-cache",
    "etc/passwd-",
    "dev/null",
    "usr/sbin/policy-rc.d",
  ])
    assert.notEqual(dropReason(path), undefined, path);
});

test("dropReason keeps what a system needs", () => {
  for (const path of [
    "etc/ssh/sshd_config",
    "etc/passwd",
    "var/log/wtmp",
    "var/log/apt",
    "var/lib/dpkg/status",
    "var/lib/dpkg/info/bash.list",
    "run/lock",
    "run/sshd",
    "dev",
    "tmp",
    "var/lib/apt/lists",
  ])
    assert.equal(dropReason(path), undefined, path);
});

test("normaliseContent gives shadow the lock's day, empties the machine id and sorts the package database", () => {
  const normal = (path: string, text: string): string =>
    normaliseContent(path, Buffer.from(text), 86_400 * 20_000).toString();
  assert.equal(
    normal("etc/shadow", "root:*:1:0:99999:7:::\ndev:!:2:0:99999:7:::\n"),
    "root:*:20000:0:99999:7:::\ndev:!:20000:0:99999:7:::\n",
  );
  assert.equal(normal("etc/machine-id", "abc\n"), "");
  assert.equal(
    normal("var/lib/dpkg/status", "Package: b\nArchitecture: all\n\nPackage: a\nArchitecture: all\n"),
    "Package: a\nArchitecture: all\n\nPackage: b\nArchitecture: all\n\n",
  );
  assert.equal(normal("var/lib/dpkg/triggers/File", "/b x\n/a y\n/a y\n"), "/a y\n/b x\n");
  assert.equal(normal("var/lib/dpkg/triggers/Unincorp", "ldconfig -\n"), "");
  assert.equal(normal("etc/motd", "x"), "x");
});
