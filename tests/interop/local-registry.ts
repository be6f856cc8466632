import { strict as assert } from "node:assert";
import { join } from "node:path";
import { fastify } from "fastify";
import { silentLog } from "../../src/base/log.ts";
import { putObjects, registrySource } from "../../src/pipeline/registry-source.ts";
import { openRegistry, registerDistribution } from "../../src/registry/registry.ts";
import type { ImageSource, NewObjects } from "../../src/sign/sign.ts";
import { openStore } from "../../src/store/store.ts";

/** Our registry on a loopback port, open to everybody, as the pipeline and as clients see it. */
export interface LocalRegistry {
  /** `127.0.0.1:PORT`. */
  readonly host: string;
  readonly source: ImageSource;
  put(repository: string, objects: NewObjects): Promise<void>;
  remove(repository: string, digest: string): Promise<void>;
  close(): Promise<void>;
}

/** Starts a registry whose store is in the folder. */
export async function startRegistry(folder: string): Promise<LocalRegistry> {
  const store = await openStore({ dataDir: join(folder, "data") });
  const registry = openRegistry(store);
  const app = fastify();
  const access = {
    identify: async () => ({ name: "test" }),
    may: () => true,
    accountMay: () => true,
    isAnonymous: () => false,
    challenge: () => "Basic",
  };
  await app.register(async (scope) => registerDistribution(scope, { store, access, log: silentLog }));
  const url = await app.listen({ host: "127.0.0.1", port: 0 });
  return {
    host: new URL(url).host,
    source: registrySource(registry, store.blobs),
    async put(repository, objects) {
      await putObjects(objects, { registry, blobs: store.blobs, repository, actor: "test" });
    },
    async remove(repository, digest) {
      const answer = await fetch(`${url}/v2/${repository}/manifests/${digest}`, { method: "DELETE" });
      assert.equal(answer.status, 202);
    },
    async close() {
      await app.close();
      await store.close();
    },
  };
}
