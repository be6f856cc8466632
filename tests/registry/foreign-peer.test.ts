import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { putObjects, registrySource } from "../../src/pipeline/registry-source.ts";
import { releaseSignature, signImage } from "../../src/sign/sign.ts";
import { type Digest } from "../../src/model/digest.ts";
import { mintmark } from "./command-line.ts";
import { startForeignRegistry } from "./foreign-registry.ts";
import { pushImage, runServer } from "./running-server.ts";

test("a signed image goes to a registry without a referrers API and comes back signed, by rule and by proxy", async (context) => {
  const home = await mkdtemp(join(tmpdir(), "mintmark-foreign-"));
  context.after(async () => await rm(home, { recursive: true, force: true }));
  const foreign = await startForeignRegistry(join(home, "foreign"));
  if ("reason" in foreign) {
    assert.equal(process.env["CI"], undefined, foreign.reason);
    return context.skip(foreign.reason);
  }
  context.after(async () => await foreign.close());
  const dataDir = join(home, "data");
  const server = await runServer(dataDir);
  context.after(async () => await server.close());
  const { registry, store, keys } = server.factory;
  // More than one chunk, so that it goes in pieces.
  const image = await pushImage(server, "team/app", "1", Buffer.alloc(25_000_000, "f"));
  const source = registrySource(registry, store.blobs);
  const digest = image.digest as Digest;
  await putObjects(
    await signImage({
      key: keys.release,
      source,
      repository: "team/app",
      reference: digest,
      identities: ["x.example/team/app:1"],
      at: "2026-01-02T03:04:05Z",
    }),
    { registry, blobs: store.blobs, repository: "team/app", actor: "test" },
  );
  const ok = async (...args: readonly string[]): Promise<string> => {
    const ran = await mintmark(dataDir, ...args);
    assert.equal(ran.code, 0, `${args.join(" ")}\n${ran.out}${ran.err}`);
    return ran.out;
  };
  await ok("peer", "add", "foreign", foreign.url);
  await ok("replication", "set", "out", "--to", "foreign", "--repository", "team/app", "--namespace", "copies");
  assert.match(await ok("replication", "start", "out"), /succeeded: 1 of 1 images/);
  const stem = `sha256-${digest.slice("sha256:".length)}`;
  const { tags } = (await (await fetch(`${foreign.url}/v2/copies/app/tags/list`)).json()) as { tags: string[] };
  assert.deepEqual(tags.toSorted(), ["1", stem, `${stem}.sig`].toSorted());
  assert.match(await ok("replication", "start", "out"), /unchanged/);

  await ok("replication", "set", "back", "--from", "foreign", "--repository", "copies/*", "--namespace", "back");
  assert.match(await ok("replication", "start", "back"), /succeeded: 1 of 1 images/);
  const found = await releaseSignature({ source, repository: "back/app", digest, keys: [keys.release.publicPem] });
  assert.ok("keyId" in found, JSON.stringify(found));
  assert.equal((await registry.referrers("back/app", digest)).length, 1);

  await ok("project", "create", "cache", "--public");
  await ok("project", "proxy", "set", "cache", "--peer", "foreign", "--namespace", "copies");
  const headers = { authorization: server.administrator };
  const listed = await fetch(`${server.url}/v2/cache/app/referrers/${digest}`, { headers });
  assert.equal(((await listed.json()) as { manifests: unknown[] }).manifests.length, 1);
  assert.equal((await fetch(`${server.url}/v2/cache/app/manifests/${stem}.sig`, { headers })).status, 200);
});
