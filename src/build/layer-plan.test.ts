import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { planLayers } from "./layer-plan.ts";

const sources = fc.uniqueArray(
  fc.record({ source: fc.stringMatching(/^[a-z]{1,6}$/), sizeBytes: fc.integer({ min: 1, max: 1e9 }) }),
  { selector: ({ source }) => source, minLength: 1, maxLength: 60 },
);

test("planLayers places every source within the budget, in whatever order they come", () => {
  fc.assert(
    fc.property(sources, fc.integer({ min: 1, max: 40 }), (list, budget) => {
      const plan = planLayers(list, budget);
      assert.deepEqual([...plan.keys()].sort(), list.map(({ source }) => source).sort());
      assert.ok([...plan.values()].every((layer) => layer >= 0 && layer < budget));
      assert.deepEqual(planLayers(list.toReversed(), budget), plan);
    }),
  );
});

test("planLayers leaves a source where the previous lock put it, whatever its size becomes", () => {
  fc.assert(
    fc.property(sources, fc.infiniteStream(fc.integer({ min: 1, max: 1e9 })), (list, sizes) => {
      const before = planLayers(list, 12);
      const resized = list.map(({ source }) => ({ source, sizeBytes: sizes.next().value as number }));
      const after = planLayers([...resized, { source: "NEW", sizeBytes: 5 }], 12, before);
      for (const { source } of list) assert.equal(after.get(source), before.get(source));
    }),
  );
});

test("planLayers gives the largest sources layers of their own", () => {
  const list = [
    { source: "gcc", sizeBytes: 100 },
    { source: "git", sizeBytes: 50 },
    ...Array.from({ length: 20 }, (_, at) => ({ source: `small${at}`, sizeBytes: 1 })),
  ];
  const plan = planLayers(list, 3);
  const third = [0, 1, 2].find((layer) => layer !== plan.get("gcc") && layer !== plan.get("git"));
  assert.ok(list.slice(2).every(({ source }) => plan.get(source) === third));
});
