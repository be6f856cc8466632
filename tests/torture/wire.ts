import { createHash } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import type { KillableServer } from "./server.ts";

/** What the server answered. */
export interface Told {
  readonly status: number;
  readonly headers: Headers;
  readonly bytes: Buffer;
}

/** The server is gone: whatever was asked may have been done or not. */
export class ServerGone extends Error {}

/** One request to a server that may be killed at any moment. */
export interface Ask {
  readonly method: string;
  readonly path: string;
  readonly body?: Buffer | string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Sends one request. @throws ServerGone */
export async function send(server: KillableServer, { method, path, body, headers = {} }: Ask): Promise<Told> {
  try {
    const answer = await fetch(new URL(path, server.url), {
      method,
      headers: { ...server.headers, ...headers },
      redirect: "error",
      ...(body === undefined ? {} : { body: typeof body === "string" ? body : new Uint8Array(body) }),
    });
    return { status: answer.status, headers: answer.headers, bytes: Buffer.from(await answer.arrayBuffer()) };
  } catch (cause) {
    throw new ServerGone(`${method} ${path}`, { cause });
  }
}

/** Sends JSON to the API and reads JSON. @throws ServerGone */
export async function api<Answer>(
  server: KillableServer,
  method: string,
  ...rest: [path: string, body?: unknown]
): Promise<Answer> {
  const [path, body] = rest;
  const json =
    body === undefined ? {} : { body: JSON.stringify(body), headers: { "content-type": "application/json" } };
  const told = await send(server, { method, path: `/api/v1${path}`, ...json });
  if (told.status >= 400) throw new ApiRefusal(told.status, told.bytes.toString());
  return JSON.parse(told.bytes.toString()) as Answer;
}

/** The API said no. */
export class ApiRefusal extends Error {
  readonly status: number;

  constructor(status: number, text: string) {
    super(`${status}: ${text}`);
    this.status = status;
  }
}

/** Waits until a job has ended. @throws ServerGone */
export async function jobEnded(
  server: KillableServer,
  id: string,
): Promise<{ state: string; output?: unknown; failure?: unknown }> {
  for (;;) {
    const job = await api<{ state: string; output?: unknown; failure?: unknown }>(server, "GET", `/jobs/${id}`);
    if (job.state !== "queued" && job.state !== "running") return job;
    await sleep(20);
  }
}

/** The SHA-256 digest of bytes. */
export function digestOf(bytes: Buffer | string): string {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}
