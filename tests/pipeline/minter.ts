// A process of its own for kill.test.ts: opens the factory, starts or takes up one build, and prints each event as a line.
import { silentLog } from "../../src/base/log.ts";
import { loadConfig } from "../../src/config/config.ts";
import { openFactory } from "../../src/pipeline/pipeline.ts";

const [dataDir = "", sources = "", recipe = "", runId] = process.argv.slice(2);
const config = await loadConfig({ flags: { data: dataDir }, environment: { MINTMARK_UPSTREAMS_APT: sources } });
const factory = await openFactory(config, silentLog);
const id = runId ?? (await factory.startBuild({ recipe, mode: "auto", actor: "test" }));
console.log(JSON.stringify({ runId: id }));
for await (const { event, sequence } of factory.watch(id)) console.log(JSON.stringify({ ...event, sequence }));
console.log(JSON.stringify({ run: await factory.run(id) }));
await factory.close();
