import assert from "node:assert/strict";
import { it } from "node:test";
import type { TarHeader } from "../../base/tar.ts";
import { leftOutReason } from "./left-out.ts";

const file = { kind: "file", deviceMajor: 0, deviceMinor: 0 } as const;
const reasonFor = (path: string, more: Partial<TarHeader> = {}): string | undefined =>
  leftOutReason({ ...file, path, ...more } as TarHeader);

it("leaves out what tells of the build, and nothing that may be in use", () => {
  for (const path of [
    "run/mintmark/cache/uv/CACHEDIR.TAG",
    "run/secrets/token",
    "var/lib/apt/lists/127.0.0.1:5081_mirror_debian_dists_trixie_InRelease",
    "root/.npm/_cacache/index-v5/aa",
    "home/app/.npm/_logs/x.log",
    "root/.cache/pip/http/a",
    "usr/local/share/.cache/yarn/v6/npm-ms-2.1.3/.yarn-metadata.json",
    "root/.cache/pnpm/metadata-v1.3/127.0.0.1+5081/ms.json",
    "root/.m2/repository/org/a/1/a-1.jar.lastUpdated",
    "tmp/hsperfdata_root/12",
  ])
    assert.notEqual(reasonFor(path), undefined, path);
  for (const path of [
    "tmp/mine",
    "root/.cache/mine",
    "root/.m2/repository/org/a/1/a-1.jar",
    "root/.local/share/pnpm/store/v3/files/00/ab",
    "root/.yarn/berry/cache/ms-npm-2.1.3.zip",
    "root/.cache/pypoetry/virtualenvs/app/bin/python",
    "root/go/pkg/mod/github.com/pkg/errors@v0.9.1/errors.go",
    "srv/.npmrc",
  ])
    assert.equal(reasonFor(path), undefined, path);
  const gone = { kind: "character", deviceMajor: 0, deviceMinor: 0 } as const;
  assert.equal(reasonFor("root/.cache/pip", gone), undefined, "what is gone from the base stays gone");
});
