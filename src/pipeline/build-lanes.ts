import { readFile, realpath } from "node:fs/promises";
import { join } from "node:path";
import type { Config } from "../config/config.ts";
import { listRuns } from "../store/run-records.ts";
import type { Store } from "../store/store.ts";
import type { BuildRequest } from "./factory.ts";
import { recipeFolder } from "./mint.ts";

/** Builds of packages and proofs take turns: each uses the whole machine, and those of a recipe share its kept system. */
export const buildKey = "build";

/** Sealed builds share nothing but bases, and wait for the network and for single programs most of the time. */
const sealedLanes: readonly string[] = ["sealed-a", "sealed-b"];

/** Live builds that are looked through for one of the same recipe. */
const liveMax = 1000;

/** Says which builds take turns. */
export interface BuildLanes {
  /** Finds the lane of a build and has it enqueued there. */
  enter(request: BuildRequest, enqueue: (lane: string) => Promise<string>): Promise<string>;
}

/**
 * Opens the lanes of a factory.
 *
 * Two builds of one recipe take turns, whoever asks for them: the second finds the lock that the first has written,
 * and tags move in the order of the requests. Builds of other Containerfiles may run beside them.
 */
export function openBuildLanes({ store, config }: { readonly store: Store; readonly config: Config }): BuildLanes {
  let next = 0;
  let last: Promise<unknown> = Promise.resolve();
  const laneOf = async (request: BuildRequest): Promise<string> => {
    const folder = await recipeFolder({ request, config });
    // What cannot be read says so when it runs.
    const text = await readFile(join(folder, "image.yaml"), "utf8").catch(() => "");
    if (!/^containerfile:/m.test(text)) return buildKey;
    const place = await placeOf(folder);
    for (const { input, concurrencyKey } of await listRuns(store.db, {
      definition: "build",
      states: ["queued", "running"],
      limit: liveMax,
    })) {
      const other = await recipeFolder({ request: input as BuildRequest, config });
      if (concurrencyKey !== undefined && (await placeOf(other)) === place) return concurrencyKey;
    }
    return sealedLanes[next++ % sealedLanes.length]!;
  };
  return {
    async enter(request, enqueue) {
      const own = last.then(async () => await enqueue(await laneOf(request)));
      last = own.catch(() => undefined);
      return await own;
    },
  };
}

/** One folder may be named in several ways. */
async function placeOf(folder: string): Promise<string> {
  return await realpath(folder).catch(() => folder);
}
