import fastify from "fastify";
import { mkdtemp, rm } from "node:fs/promises";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { silentLog } from "../../src/base/log.ts";
import { openSecretBox } from "../../src/base/secret-box.ts";
import { type NewMirrorRepository, openMirror } from "../../src/mirror/mirror.ts";
import { addMirror } from "../../src/server/mirror-app.ts";
import { openStore } from "../../src/store/store.ts";

/** Serves one repository under a rule that keeps versions of every package back, with the reason. */
export async function serveJudged(
  repository: NewMirrorRepository,
  withheld: ReadonlyMap<string, string>,
): Promise<{ readonly base: string; close(): Promise<void> }> {
  const folder = await mkdtemp(join(tmpdir(), "mintmark-judged-"));
  const store = await openStore({ dataDir: folder });
  const mirror = await openMirror({
    store,
    box: await openSecretBox(join(folder, "secrets.key")),
    log: silentLog,
    version: "test",
    policy: {
      judge: async () => ({ withheld, until: undefined, generation: "1" }),
      generation: () => "1",
    },
  });
  await mirror.create(repository, "admin");
  const app = fastify();
  addMirror(app, {
    mirror,
    config: { anonymousRead: true, listen: { host: "127.0.0.1", port: 0 }, publicUrl: undefined },
    log: silentLog,
    identify: async () => undefined,
    countIdentity: () => undefined,
    ownerToken: folder,
  });
  await app.listen({ host: "127.0.0.1", port: 0 });
  const { port } = app.server.address() as AddressInfo;
  return {
    base: `http://127.0.0.1:${port}/mirror/${repository.name}`,
    async close() {
      await app.close();
      await mirror.close();
      await store.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
