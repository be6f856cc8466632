import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { type DistributionPath, parsePath } from "./path.ts";

const part = fc.oneof(
  fc.constantFrom("blobs", "uploads", "manifests", "tags", "list", "referrers", "v2", "a", "a-b", "a__b", "0"),
  fc.stringMatching(/^[a-z0-9]{1,8}$/),
);
const repository = fc.array(part, { minLength: 1, maxLength: 6 }).map((parts) => parts.join("/"));
const digest = fc.stringMatching(/^[0-9a-f]{64}$/).map((hex) => `sha256:${hex}`);
const tag = fc.stringMatching(/^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,20}$/);

const named: fc.Arbitrary<{ readonly path: string; readonly expected: DistributionPath }> = fc.oneof(
  repository.map((name) => ({ path: `/v2/${name}/tags/list`, expected: { kind: "tags" as const, repository: name } })),
  fc.tuple(repository, fc.oneof(tag, digest)).map(([name, reference]) => ({
    path: `/v2/${name}/manifests/${reference}`,
    expected: { kind: "manifest" as const, repository: name, reference },
  })),
  fc.tuple(repository, digest).map(([name, one]) => ({
    path: `/v2/${name}/blobs/${one}`,
    expected: { kind: "blob" as const, repository: name, digest: one },
  })),
  fc.tuple(repository, digest).map(([name, one]) => ({
    path: `/v2/${name}/referrers/${one}`,
    expected: { kind: "referrers" as const, repository: name, digest: one },
  })),
  repository.map((name) => ({
    path: `/v2/${name}/blobs/uploads/`,
    expected: { kind: "uploads" as const, repository: name },
  })),
  fc.tuple(repository, fc.uuid()).map(([name, id]) => ({
    path: `/v2/${name}/blobs/uploads/${id}`,
    expected: { kind: "upload" as const, repository: name, id },
  })),
);

describe("paths under /v2", () => {
  test("reads what was named, whatever words the repository's name holds", () => {
    fc.assert(
      fc.property(named, ({ path, expected }) => {
        assert.deepEqual(parsePath(path), expected);
        assert.deepEqual(parsePath(path.replaceAll(":", "%3A")), expected);
      }),
      { numRuns: 500 },
    );
  });

  test("never throws and never gives a name that is none", () => {
    fc.assert(
      fc.property(fc.oneof(fc.webPath(), fc.string()), (text) => {
        const found = parsePath(`/v2/${text}`);
        if (typeof found === "object" && "repository" in found) assert.match(found.repository, /^[a-z0-9._/-]+$/);
      }),
    );
  });

  const cases: readonly (readonly [string, unknown])[] = [
    ["/v2", { kind: "base" }],
    ["/v2/", { kind: "base" }],
    ["/v2/_catalog", { kind: "catalog" }],
    ["/v2/a/blobs/uploads", { kind: "uploads", repository: "a" }],
    ["/v2/a/manifests/b/tags/list", { kind: "tags", repository: "a/manifests/b" }],
    ["/v2/tags/list", "invalid name"],
    ["/v2/A/tags/list", "invalid name"],
    ["/v2/../etc/tags/list", "invalid name"],
    ["/v2/a%2Fb/tags/list", { kind: "tags", repository: "a/b" }],
    ["/v2/a/tags/list/", undefined],
    ["/v2/%zz", undefined],
    ["/v2/a", undefined],
    ["/v1/a/tags/list", undefined],
    [`/v2/${"a".repeat(256)}/tags/list`, "invalid name"],
  ];
  for (const [path, expected] of cases)
    test(`reads ${path.slice(0, 60)}`, () => assert.deepEqual(parsePath(path), expected));
});
