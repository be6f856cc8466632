import { Readable } from "node:stream";
import { silentLog } from "../../src/base/log.ts";
import { loadConfig } from "../../src/config/config.ts";
import { openFactory } from "../../src/pipeline/pipeline.ts";

/** Publishes and fetches in the data folder of a test until it is killed. */
const [dataDir = "", first = "0"] = process.argv.slice(2);
const config = await loadConfig({ flags: { data: dataDir }, environment: {} });
const { mirror } = await openFactory(config, silentLog, { isStanding: false });
process.stdout.write("ready\n");
for (let number = Number(first); ; number++) {
  const query = new URLSearchParams();
  const written = mirror.write({
    method: "PUT",
    repository: "own",
    path: `f/${number}`,
    query,
    headers: {},
    body: Readable.from([Buffer.from(`${number} `.repeat(50_000))]),
    base: "http://mirror.test/mirror/own",
    actor: "test",
  });
  const fetched = mirror.answer({
    method: "GET",
    repository: "far",
    path: `f/${number}`,
    query,
    headers: {},
    base: "http://mirror.test/mirror/far",
    actor: "test",
  });
  const { body } = await fetched;
  if (body instanceof Readable) for await (const _chunk of body);
  if ((await written).status === 201) process.stdout.write(`${number}\n`);
}
