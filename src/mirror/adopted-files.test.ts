import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { maven } from "./maven/maven.ts";
import { openTestMirror, startUpstream } from "./test-mirror.ts";

const pom = "g/a/1/a-1.pom";
const sha1 = (text: string): string => createHash("sha1").update(text).digest("hex");

test("what a format has read as a document is not fetched again as a file", async () => {
  const upstream = await startUpstream();
  const site = await openTestMirror([maven]);
  try {
    upstream.routes.set(`/${pom}`, "<project/>");
    upstream.routes.set(`/${pom}.sha1`, sha1("<project/>"));
    await site.mirror.create({ name: "m", format: "maven", kind: "proxy", upstream: upstream.url }, "admin");
    assert.equal((await site.get("m", pom)).exchange.claim?.algorithm, "sha1");
    const sum = await site.get("m", `${pom}.sha1`);
    assert.deepEqual([sum.text, sum.exchange.outcome], [sha1("<project/>"), "hit"]);
    assert.equal(upstream.requests.filter((line) => line.endsWith(".sha1")).length, 1);
  } finally {
    await site.close();
    await upstream.close();
  }
});

test("what is claimed of a file is checked before a document is taken for it", async () => {
  const upstream = await startUpstream();
  // Policy reads each POM as a document, of which nothing is claimed.
  const policy = {
    judge: async () => ({ withheld: new Map<string, string>(), until: undefined, generation: "1" }),
    generation: () => "1",
  };
  const site = await openTestMirror([maven], { policy });
  try {
    let count = 0;
    upstream.routes.set(
      `/${pom}`,
      (_request, response) => void response.end((count += 1) === 1 ? "<spoilt/>" : "<project/>"),
    );
    upstream.routes.set(`/${pom}.sha1`, sha1("<project/>"));
    await site.mirror.create({ name: "m", format: "maven", kind: "proxy", upstream: upstream.url }, "admin");
    const got = await site.get("m", pom);
    assert.deepEqual([got.status, got.text, got.exchange.claim?.state], [200, "<project/>", "verified"]);
    assert.equal(count, 2);
  } finally {
    await site.close();
    await upstream.close();
  }
});
