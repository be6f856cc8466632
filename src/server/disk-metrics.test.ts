import assert from "node:assert/strict";
import { tmpdir } from "node:os";
import { test } from "node:test";
import { Registry } from "prom-client";
import { openDiskMetrics } from "./disk-metrics.ts";
import { metricTable } from "./metric-table.ts";

test("a scrape tells how full the file system of the data folder is, without any label", async () => {
  const registry = new Registry();
  await openDiskMetrics(registry, tmpdir())();
  const valueOf = async (name: string): Promise<number> => {
    const [only, ...others] = (await registry.getSingleMetric(name)!.get()).values;
    assert.deepEqual([only?.labels, others], [{}, []]);
    return only!.value;
  };
  const used = await valueOf(metricTable.diskUsed.name);
  const size = await valueOf(metricTable.diskSize.name);
  assert.ok(used > 0 && used <= size, `${used} of ${size}`);
});
