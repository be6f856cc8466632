import { mkdtemp, mkdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { silentLog } from "../../src/base/log.ts";
import { loadConfig } from "../../src/config/config.ts";
import type { ProgressEvent } from "../../src/model/progress.ts";
import { openFactory } from "../../src/pipeline/pipeline.ts";
import type { BuildRequest, BuildRun, Factory } from "../../src/pipeline/factory.ts";
import type { AptRepository } from "../fixtures/apt-repository.ts";

/** A folder for one test's data and recipes. */
export interface TestSite {
  readonly folder: string;
  readonly dataDir: string;
  /** Writes a recipe and returns its folder. */
  recipe(name: string, yaml: string): Promise<string>;
  /** Opens a factory that builds from the repository. */
  open(repository: AptRepository, options?: Parameters<typeof openFactory>[2]): Promise<Factory>;
  close(): Promise<void>;
}

/** Makes an empty site. */
export async function makeSite(): Promise<TestSite> {
  const folder = await mkdtemp(join(tmpdir(), "mintmark-site-"));
  const dataDir = join(folder, "data");
  return {
    folder,
    dataDir,
    async recipe(name, yaml) {
      const path = join(folder, "recipes", name);
      await mkdir(path, { recursive: true });
      await writeFile(join(path, "image.yaml"), yaml);
      return path;
    },
    async open(repository, options) {
      const sources = sourcesOf(repository);
      const config = await loadConfig({
        flags: { data: dataDir },
        environment: { MINTMARK_UPSTREAMS_APT: JSON.stringify(sources) },
      });
      return openFactory(config, silentLog, options);
    },
    close: () => rm(folder, { recursive: true, force: true }),
  };
}

/** The repository as the configuration names it. */
export function sourcesOf({ url, suites, key }: AptRepository): readonly unknown[] {
  return suites.map((suite) => ({ uri: url, suite, components: ["main"], signedBy: key.armoured }));
}

/** A build with everything that it told. */
export interface WatchedBuild {
  readonly run: BuildRun;
  readonly events: readonly ProgressEvent[];
}

/** Builds and waits for the end. */
export async function build(
  factory: Factory,
  request: Pick<BuildRequest, "recipe"> & Partial<BuildRequest>,
): Promise<WatchedBuild> {
  const id = await factory.startBuild({ mode: "auto", actor: "test", ...request });
  const events: ProgressEvent[] = [];
  for await (const { event } of factory.watch(id)) events.push(event);
  const run = await factory.run(id);
  if (run === undefined) throw new Error("the run is gone");
  return { run, events };
}

/** Names of steps that were not taken from an earlier build. */
export function madeSteps({ events }: WatchedBuild): string[] {
  return events.flatMap((event) => (event.kind === "step-finished" && !event.reused ? [event.step] : []));
}
