import { strict as assert } from "node:assert";
import { once } from "node:events";
import { Agent, type ClientRequest, type IncomingHttpHeaders, type IncomingMessage, request } from "node:http";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";

/** What a request has beside its method and path. */
export interface Asked {
  readonly headers?: Readonly<Record<string, string>>;
  /** Bytes go with a `Content-Length`, an iterable goes in chunks without one. */
  readonly body?: string | Buffer | AsyncIterable<Uint8Array>;
  /** Credentials in place of the client's own; null sends none. */
  readonly authorization?: string | null;
}

/** What the registry answered. */
export interface Told {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly bytes: Buffer;
  /** The body as JSON. */
  json(): Record<string, unknown>;
  /** The code of the first error. */
  code(): string | undefined;
}

/** An HTTP client that changes nothing on the way: paths, headers and bodies go as they are given. */
export interface Client {
  ask(method: string, path: string, asked?: Asked): Promise<Told>;
  /** Asks and asserts the status. */
  must(status: number, request: string, asked?: Asked): Promise<Told>;
  close(): void;
}

/** The header of an account that shows its secret. */
export function basic(user: string, password: string): string {
  return `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}`;
}

/** Opens a client of a server, with the header that it sends unless told otherwise. */
export function openClient(url: string, authorization: string): Client {
  const { hostname, port } = new URL(url);
  const agent = new Agent({ keepAlive: true });
  const ask: Client["ask"] = async (method, path, asked = {}) => {
    const credentials = asked.authorization === undefined ? authorization : asked.authorization;
    const headers = { ...(credentials === null ? {} : { authorization: credentials }), ...asked.headers };
    const sent = request({ agent, host: hostname, port, method, path, headers });
    const answer = once(sent, "response") as Promise<[IncomingMessage]>;
    await send(sent, asked.body);
    return await toldOf((await answer)[0]);
  };
  return {
    ask,
    async must(status, line, asked) {
      const [method = "", path = ""] = line.split(" ");
      const told = await ask(method, path, asked);
      assert.equal(told.status, status, `${line.slice(0, 200)}: ${told.bytes.toString().slice(0, 500)}`);
      return told;
    },
    close: () => agent.destroy(),
  };
}

async function send(sent: ClientRequest, body: Asked["body"]): Promise<void> {
  if (body === undefined || typeof body === "string" || Buffer.isBuffer(body)) {
    if (body !== undefined) sent.setHeader("content-length", Buffer.byteLength(body));
    sent.end(body);
    return;
  }
  sent.setHeader("transfer-encoding", "chunked");
  await pipeline(Readable.from(body), sent);
}

async function toldOf(message: IncomingMessage): Promise<Told> {
  const chunks: Buffer[] = [];
  for await (const chunk of message) chunks.push(chunk as Buffer);
  const bytes = Buffer.concat(chunks);
  const json = (): Record<string, unknown> => JSON.parse(bytes.toString("utf8")) as Record<string, unknown>;
  return {
    status: message.statusCode ?? 0,
    headers: message.headers,
    bytes,
    json,
    code: () => (json() as { errors?: { code: string }[] }).errors?.[0]?.code,
  };
}
