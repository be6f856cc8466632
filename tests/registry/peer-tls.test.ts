import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { startHttpsSite } from "../interop/https-site.ts";
import { mintmark } from "./command-line.ts";
import { pushImage } from "./running-server.ts";

test("a peer with a certificate of a private authority is trusted by that authority alone", async (context) => {
  const site = await startHttpsSite();
  context.after(async () => await site.close());
  const dataDir = join(site.folder, "near");
  const near = async (...args: readonly string[]): ReturnType<typeof mintmark> => await mintmark(dataDir, ...args);
  const secretFile = join(site.folder, "secret");
  await writeFile(secretFile, site.password, { mode: 0o600 });
  const added = await near(
    "peer",
    "add",
    "far",
    site.server.url,
    "--username",
    "admin",
    "--secret-file",
    secretFile,
    "--ca-file",
    site.authorityFile,
  );
  assert.equal(added.code, 0, added.err);
  assert.equal((await near("peer", "check", "far")).code, 0);
  await pushImage(site.server, "team/app", "1", Buffer.alloc(1000, "t"));
  await near("replication", "set", "in", "--from", "far", "--repository", "team/app");
  const started = await near("replication", "start", "in");
  assert.match(started.out, /succeeded: 1 of 1/, started.err);

  const other = join(site.folder, "other.pem");
  const server = await readFile(join(site.folder, "server.pem"), "utf8");
  // A certificate, but not the authority of this server: an image's own certificate cannot sign itself.
  await writeFile(other, `${server.split("-----END CERTIFICATE-----")[0]}-----END CERTIFICATE-----\n`);
  await near("peer", "change", "far", "--ca-file", other);
  const refused = await near("peer", "check", "far");
  assert.equal(refused.code, 7, refused.out);
  await near("peer", "change", "far", "--insecure");
  assert.equal((await near("peer", "check", "far")).code, 0);
});
