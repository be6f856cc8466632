import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, writeFile } from "node:fs/promises";
import { createServer, type AddressInfo } from "node:net";
import { setTimeout as wait } from "node:timers/promises";
import { plainEnvironment } from "../../src/base/child.ts";
import { obtainClients } from "../clients/clients.ts";

/** Debian's docker-registry on a loopback port, open to everybody. */
export interface ForeignRegistry {
  readonly url: string;
  close(): Promise<void>;
}

/** Starts it on a folder; where it cannot be had the answer is the reason. */
export async function startForeignRegistry(folder: string): Promise<ForeignRegistry | { readonly reason: string }> {
  const obtained = await obtainClients({ suite: "trixie", programs: ["docker-registry"] });
  if ("reason" in obtained) return obtained;
  const port = await freePort();
  await mkdir(folder, { recursive: true });
  const storage = { filesystem: { rootdirectory: folder }, delete: { enabled: true } };
  // YAML takes JSON as it is.
  const text = JSON.stringify({ version: 0.1, log: { level: "error" }, storage, http: { addr: `127.0.0.1:${port}` } });
  await writeFile(`${folder}.yml`, text);
  const { program, args } = obtained.clients.command("docker-registry", ["serve", `${folder}.yml`]);
  const child = spawn(program, args, { env: plainEnvironment, stdio: "ignore" });
  const url = `http://127.0.0.1:${port}`;
  for (let tries = 0; !(await answers(url)); tries++) {
    if (child.exitCode !== null || tries > 100) return { reason: "docker-registry does not start" };
    await wait(100);
  }
  return { url, close: async () => await stop(child) };
}

async function answers(url: string): Promise<boolean> {
  const answer = await fetch(`${url}/v2/`).catch(() => undefined);
  await answer?.arrayBuffer();
  return answer?.ok === true;
}

async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null) return;
  const ended = once(child, "exit");
  child.kill("SIGTERM");
  await ended;
}
