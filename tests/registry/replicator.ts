import { silentLog } from "../../src/base/log.ts";
import { loadConfig } from "../../src/config/config.ts";
import { openFactory } from "../../src/pipeline/pipeline.ts";

/** Starts a rule on a data folder and goes on until it is killed. */
const [dataDir = "", rule = ""] = process.argv.slice(2);
const config = await loadConfig({ flags: { data: dataDir }, environment: {} });
const factory = await openFactory(config, silentLog);
await factory.movement.replication.start(rule, "test");
setInterval(() => undefined, 1000);
