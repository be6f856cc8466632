import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { ContainerfileLock, LockedRequest } from "../../model/containerfile-lock.ts";
import {
  containerfileLockChanges,
  formatContainerfileLock,
  isContainerfileLock,
  isOtherContent,
  parseContainerfileLock,
} from "./lock-file.ts";

function lockOf(requests: readonly LockedRequest[]): ContainerfileLock {
  const sha256 = "0".repeat(64);
  return {
    schemaVersion: 1,
    kind: "containerfile",
    recipe: { name: "a", sha256 },
    containerfile: { path: "Containerfile", sha256 },
    context: { sha256, fileCount: 0 },
    architecture: "amd64",
    args: {},
    epochSeconds: 1,
    bases: [{ reference: "base", digest: `sha256:${sha256}` }],
    upstreams: [],
    requests: [...requests],
  };
}

const request = (address: string, digit: string, purl?: string): LockedRequest => ({
  method: "GET",
  address,
  status: 200,
  sha256: digit.repeat(64),
  sizeBytes: 1,
  ...(purl === undefined ? {} : { purl }),
});

describe("a lock of a Containerfile", () => {
  it("has one request a line and is read back as it was written", () => {
    const lock = lockOf([request("npm/a", "1"), request("npm/a/-/a-1.tgz", "2", "pkg:npm/a@1")]);
    const text = formatContainerfileLock(lock);
    assert.equal(text.split("\n").filter((line) => line.includes('"address"')).length, 2);
    assert.ok(isContainerfileLock(text));
    assert.deepEqual(parseContainerfileLock(text, "x"), lock);
    assert.deepEqual(parseContainerfileLock(formatContainerfileLock(lockOf([])), "x"), lockOf([]));
  });

  it("tells packages and their versions first", () => {
    const before = lockOf([request("npm/a", "1"), request("npm/a/-/a-1.tgz", "2", "pkg:npm/a@1")]);
    const after = lockOf([
      request("npm/a", "3"),
      request("npm/a/-/a-2.tgz", "4", "pkg:npm/a@2"),
      request("pypi/b.whl", "5", "pkg:pypi/b@1%2B1"),
    ]);
    assert.deepEqual(containerfileLockChanges(before, after), [
      "~ pkg:npm/a 1 → 2",
      "+ pkg:pypi/b 1+1",
      `~ GET npm/a ${"1".repeat(12)} → ${"3".repeat(12)}`,
    ]);
    assert.ok(isOtherContent(before, after));
  });

  it("is no other where only indexes moved", () => {
    const before = lockOf([request("apt/InRelease", "1"), request("apt/a.deb", "2", "pkg:deb/a@1")]);
    assert.ok(
      !isOtherContent(before, lockOf([request("apt/InRelease", "9"), request("apt/a.deb", "2", "pkg:deb/a@1")])),
    );
  });
});
