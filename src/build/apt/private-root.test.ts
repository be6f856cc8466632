import assert from "node:assert/strict";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { inTurn, openPrivateRoot, type PrivateRoot } from "./private-root.ts";

test("builds open the same root side by side and use its lists one after the other", async () => {
  const cacheFolder = await mkdtemp(join(tmpdir(), "mintmark-private-root-"));
  const key = "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nAAAA\n-----END PGP PUBLIC KEY BLOCK-----\n";
  const source = { uri: "http://archive.example/", suite: "bookworm", components: ["main"], signedBy: key };
  const distribution = { id: "debian", version: "12", codename: "bookworm" };
  const open = (): Promise<PrivateRoot> =>
    openPrivateRoot({ cacheFolder, distribution, architecture: "amd64", sources: [source] });
  try {
    const roots = await Promise.all(Array.from({ length: 20 }, open));
    assert.equal(new Set(roots.map(({ folder }) => folder)).size, 1);
    const sources = await readFile(join(roots[0]!.folder, "etc/sources.list.d/archive.sources"), "utf8");
    assert.match(sources, /^URIs: http:\/\/archive\.example\/$/m);
    let inside = 0;
    const outcomes = await Promise.allSettled(
      roots.map((root, at) =>
        inTurn(root, async () => {
          assert.equal(++inside, 1);
          await new Promise((resolve) => setImmediate(resolve));
          inside--;
          if (at === 3) throw new Error("one that fails holds nobody up");
        }),
      ),
    );
    assert.deepEqual(
      outcomes.flatMap(({ status }, at) => (status === "rejected" ? [at] : [])),
      [3],
    );
  } finally {
    await rm(cacheFolder, { recursive: true });
  }
});
