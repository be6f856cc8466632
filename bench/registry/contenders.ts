import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { createServer, type AddressInfo } from "node:net";
import { join, resolve } from "node:path";
import { plainEnvironment } from "../../src/base/child.ts";
import { sleep, tickMs } from "../../src/base/clock.ts";
import { Failure } from "../../src/base/errors.ts";
import { obtainClients } from "../../tests/clients/clients.ts";

/** A registry that is measured: a process on a loopback port, with storage of its own. */
export interface Contender {
  readonly name: "mintmark" | "docker-registry" | "verdaccio";
  /** `http://127.0.0.1:PORT`. */
  readonly url: string;
  readonly pid: number;
  /** Where its storage is. */
  readonly folder: string;
  /** The headers of requests for a repository; ours are checked, the peer takes everything. */
  headers(repository: string): Promise<Record<string, string>>;
  stop(): Promise<void>;
}

const readyMs = 60_000;
const starter = resolve(import.meta.dirname, "../../bin/mintmark");

/** Serves our registry from the bundle, with accounts, as a user would. */
export async function startMintmark(folder: string): Promise<Contender> {
  const url = `http://127.0.0.1:${await freePort()}`;
  const args = ["serve", "--data", folder, "--listen", new URL(url).host];
  const child = spawn(starter, args, { env: { ...plainEnvironment, HOME: folder }, stdio: "ignore" });
  await untilReady(child, `${url}/health`);
  const password = (await readFile(join(folder, "admin-password"), "utf8")).trim();
  const basic = `Basic ${Buffer.from(`admin:${password}`).toString("base64")}`;
  return {
    name: "mintmark",
    url,
    pid: child.pid!,
    folder,
    async headers(repository) {
      const scopes = [`repository:${repository}:pull,push,delete`, "registry:catalog:*"];
      const query = scopes.map((scope) => `&scope=${encodeURIComponent(scope)}`).join("");
      const answer = await fetch(`${url}/v2/_token?service=mintmark${query}`, {
        headers: { authorization: basic },
      });
      return { authorization: `Bearer ${((await answer.json()) as { token: string }).token}` };
    },
    stop: async () => await stopChild(child),
  };
}

/** Where the peer keeps its files. */
export const peerStorage = "docker/registry/v2";

/** Serves Debian's docker-registry with the storage and cache of its own default configuration, without accounts. */
export async function startPeer(folder: string): Promise<Contender> {
  const obtained = await obtainClients({ suite: "trixie", programs: ["docker-registry"] });
  if ("reason" in obtained) throw new Failure("program_missing", `Cannot measure docker-registry: ${obtained.reason}`);
  const port = await freePort();
  const storage = {
    cache: { blobdescriptor: "inmemory" },
    filesystem: { rootdirectory: folder },
    delete: { enabled: true },
  };
  const http = { addr: `127.0.0.1:${port}`, headers: { "X-Content-Type-Options": ["nosniff"] } };
  await mkdir(folder, { recursive: true });
  const configPath = `${folder}.yml`;
  // YAML takes JSON as it is.
  await writeFile(configPath, JSON.stringify({ version: 0.1, log: { level: "error" }, storage, http }));
  const { program, args } = obtained.clients.command("docker-registry", ["serve", configPath]);
  const child = spawn(program, args, { env: plainEnvironment, stdio: "ignore" });
  const url = `http://127.0.0.1:${port}`;
  await untilReady(child, `${url}/v2/`);
  return {
    name: "docker-registry",
    url,
    pid: child.pid!,
    folder,
    headers: async () => ({}),
    stop: async () => await stopChild(child),
  };
}

/** A loopback port that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

/** Waits until a program that was started answers. @throws Failure `internal` where it ends or never does */
export async function untilReady(child: ChildProcess, url: string): Promise<void> {
  const end = tickMs() + readyMs;
  for (;;) {
    const answer = await fetch(url).catch(() => undefined);
    await answer?.arrayBuffer();
    if (answer?.ok === true) return;
    if (child.exitCode !== null || tickMs() > end)
      throw new Failure("internal", `Cannot measure: nothing answers at ${url}`);
    await sleep(100);
  }
}

/** Asks a program to end, and waits. */
export async function stopChild(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null) return;
  const ended = once(child, "exit");
  child.kill("SIGTERM");
  await ended;
}

/** User and system time of a process so far, in seconds. Source: proc(5), stat, fields 14 and 15. */
export function cpuSecondsOf(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "latin1")
    .replace(/^.*\) /s, "")
    .split(" ");
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

/** Resident bytes of a process now. */
export function residentBytesOf(pid: number): number {
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "latin1"))?.[1] ?? 0) * 1024;
}
