import assert from "node:assert/strict";
import { once } from "node:events";
import { tmpdir } from "node:os";
import { describe, it } from "node:test";
import { openBounds } from "./bounds.ts";

describe("the bounds of a build", () => {
  const folder = tmpdir();
  const { signal } = new AbortController();

  it("stop it when it runs too long, and when it leaves too little of the disk", async () => {
    for (const [own, code] of [
      [{ maxMs: 10 }, "script_failed"],
      [{ reserveBytes: Number.MAX_SAFE_INTEGER }, "disk_full"],
    ] as const) {
      const bounds = openBounds({ folder, signal, ...own });
      await once(bounds.signal, "abort");
      bounds.close();
      assert.equal(bounds.reached()?.code, code);
    }
  });

  it("are not what stopped it where its caller did", () => {
    const controller = new AbortController();
    const bounds = openBounds({ folder, signal: controller.signal });
    controller.abort();
    bounds.close();
    assert.equal(bounds.signal.aborted, true);
    assert.equal(bounds.reached(), undefined);
  });
});
