import assert from "node:assert/strict";
import { readFile, readdir } from "node:fs/promises";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { sha256Hex } from "../../src/base/hash.ts";
import { containerfileLockSchema } from "../../src/model/containerfile-lock.ts";
import type { Digest } from "../../src/model/digest.ts";
import type { ProgressEvent } from "../../src/model/progress.ts";
import { exitAddress } from "../../src/build/build.ts";
import { build } from "../pipeline/site.ts";
import { mintmark } from "./sealed-program.ts";
import { openSealedSite, sealedObstacle, type SealedTestSite } from "./sealed-site.ts";

const obstacle = await sealedObstacle();
const lockName = `lock.containerfile-${process.arch === "x64" ? "amd64" : process.arch}.json`;

describe("sealed builds that are asked for at the same time", { skip: obstacle ?? false }, () => {
  let site: SealedTestSite;
  before(async () => {
    site = await openSealedSite();
    const base = await site.recipe("base", {
      "image.yaml":
        "name: test/base\ntitle: Base\ndistribution: [debian:13, debian:12]\npackages: [ca-certificates, curl]\n",
    });
    const { run } = await build(site.factory, { recipe: base });
    assert.equal(run.failure, undefined);
  });
  after(async () => await site.close());

  const recipe = (name: string, command: string): Promise<string> =>
    site.recipe(name, {
      "image.yaml": `name: test/${name}\ntitle: ${name}\ncontainerfile: Containerfile\n`,
      Containerfile: `FROM test/base\nRUN ${command}\n`,
    });

  it("take turns where they are of one recipe, by whatever name: the second goes by the lock of the first", async () => {
    // Different each time that it runs, so that two runs cannot hide behind equal results.
    const folder = await recipe("same", "echo it runs && sleep 1 && date +%s%N > /when");
    const ids = await startAll(site, [folder, join(folder, "..", "same", ".")]);
    const told = await Promise.all(ids.map((id) => ended(site, id)));
    const summaries = told.map(({ events }) =>
      events.flatMap((event) => (event.kind === "step-finished" && event.step === "resolve" ? [event.summary] : [])),
    );
    assert.deepEqual(summaries.flat().sort(), ["everything from the lock", "recorded, 1 changed"]);
    const lines = told.flatMap(({ events }) => events.flatMap((event) => (event.kind === "log" ? [event.line] : [])));
    assert.equal(lines.filter((line) => line === "it runs").length, 1, lines.join("\n"));
    assert.equal(told[0]!.image, told[1]!.image);
    const text = await readFile(join(folder, lockName), "utf8");
    containerfileLockSchema.parse(JSON.parse(text));
    const { lockDigest } = (await site.factory.image(told[0]!.image!))!;
    assert.equal(lockDigest, `sha256:${sha256Hex(text)}`);
    assert.deepEqual((await readdir(folder)).sort(), ["Containerfile", "image.yaml", lockName]);
    await site.factory.settled();
  });

  it("run beside each other where they are of two", async () => {
    const meeting = await startMeeting(2);
    await site.factory.mirror.create(
      { kind: "proxy", name: "meeting", format: "raw", upstream: meeting.url, allowPrivate: true },
      "test",
    );
    const folders = await Promise.all(
      ["one", "two"].map((name) => recipe(name, `curl --fail --silent ${exitAddress}/mirror/meeting/${name}`)),
    );
    const ids = await startAll(site, folders);
    for (const { failure } of await Promise.all(ids.map((id) => ended(site, id)))) assert.equal(failure, undefined);
    meeting.close();
    await site.factory.settled();
  });

  it("are refused to a second process with who owns the data folder, and the first one ends well", async () => {
    const folder = await recipe("processes", "true");
    const said = await mintmark(site.folder, ["build", folder, "--json"]);
    assert.equal(said.code, 1, said.stderr);
    assert.match(said.stderr, new RegExp(`Cannot open the data folder .*: process ${process.pid} owns it`));
    assert.deepEqual((await readdir(folder)).sort(), ["Containerfile", "image.yaml"]);
    assert.equal((await build(site.factory, { recipe: folder })).run.failure, undefined);
  });
});

/** Asks for all of them before any can have ended. */
async function startAll({ factory }: SealedTestSite, folders: readonly string[]): Promise<string[]> {
  return await Promise.all(folders.map((recipe) => factory.startBuild({ recipe, mode: "auto", actor: "test" })));
}

async function ended(
  { factory }: SealedTestSite,
  id: string,
): Promise<{ readonly events: readonly ProgressEvent[]; readonly image?: Digest; readonly failure: unknown }> {
  const events: ProgressEvent[] = [];
  for await (const { event } of factory.watch(id)) events.push(event);
  const { image, failure } = (await factory.run(id))!;
  return { events, failure, ...(image === undefined ? {} : { image }) };
}

/** An upstream that answers nobody before so many have come. */
async function startMeeting(count: number): Promise<{ readonly url: string; close(): void }> {
  const waiting: ServerResponse[] = [];
  const server = createServer((_, response) => {
    waiting.push(response);
    if (waiting.length >= count) for (const one of waiting) one.end("met");
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
}
