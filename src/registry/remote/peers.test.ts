import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { type AddressInfo } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { openSecretBox } from "../../base/secret-box.ts";
import { listAuditEvents } from "../../store/event-records.ts";
import { openTestRegistry } from "../test-registry.ts";
import { openPeers } from "./peers.ts";

test("a peer keeps its secret to itself, and to its address", async () => {
  const seen: (string | undefined)[] = [];
  const server = createServer((request, response) => {
    seen.push(request.headers.authorization);
    const isIn = request.headers.authorization !== undefined;
    response.writeHead(isIn ? 200 : 401, { "www-authenticate": 'Basic realm="x"' }).end();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const { store, close } = await openTestRegistry();
  const peers = openPeers(store, await openSecretBox(join(store.dataDir, "secrets.key")));
  try {
    const added = await peers.add({ name: "far", url, username: "ada", secret: "very-secret" }, "test");
    assert.equal(added.hasSecret, true);
    assert.ok(
      !JSON.stringify([await peers.list(), await listAuditEvents(store.db, { limit: 100 })]).includes("very-secret"),
    );
    const database = await readFile(join(store.dataDir, "mintmark.db"));
    const wal = await readFile(join(store.dataDir, "mintmark.db-wal")).catch(() => Buffer.alloc(0));
    assert.ok(!Buffer.concat([database, wal]).includes("very-secret"));
    assert.equal((await peers.check("far")).ok, true);
    assert.equal(seen.at(-1), `Basic ${Buffer.from("ada:very-secret").toString("base64")}`);

    const moved = await peers.change("far", { url: url.replace("127.0.0.1", "localhost") }, "test");
    assert.equal(moved.hasSecret, false, "another address does not get what was given for the old one");
    seen.length = 0;
    const check = await peers.check("far");
    assert.equal(check.ok, false);
    assert.match(check.problem ?? "", /401/);
    assert.deepEqual(seen, [undefined]);
    assert.equal((await peers.get("far")).problem, check.problem);
    assert.equal((await peers.change("far", { secret: "new" }, "test")).hasSecret, true);
    assert.equal((await peers.change("far", { username: null }, "test")).hasSecret, false);

    await assert.rejects(peers.add({ name: "far", url }, "test"), { code: "conflict" });
    for (const bad of [
      { name: "Bad", url },
      { name: "a", url: `${url}/v2` },
      { name: "a", url, secret: "x" },
      { name: "a", url, caPem: "x" },
      { name: "a", url, trustedHosts: ["a/b"] },
    ])
      await assert.rejects(peers.add(bad, "test"), { code: "usage" });
    await peers.remove("far", "test");
    await assert.rejects(peers.get("far"), { code: "not_found" });
  } finally {
    peers.close();
    server.closeAllConnections();
    server.close();
    await close();
  }
});
