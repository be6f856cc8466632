import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { messageOf } from "../../src/base/errors.ts";

/** A server on loopback that passes everything on to a real upstream, so that a test can count, spoil and cut. */
export interface PassingUpstream {
  /** With a slash at its end. */
  readonly url: string;
  /** `METHOD path` of each request in its order. */
  readonly requests: string[];
  /** Changes one byte in the middle of what a path is answered with. */
  spoil(isSpoiled: (path: string) => boolean): void;
  /** From now on every connection is dropped. */
  cut(): void;
  close(): Promise<void>;
}

/** Starts it before an address; the machine's own certificates and proxies are used. */
export async function startPassingUpstream(address: string): Promise<PassingUpstream> {
  const target = address.endsWith("/") ? address : `${address}/`;
  const requests: string[] = [];
  let isCut = false;
  let isSpoiled = (_path: string): boolean => false;
  const server = createServer((request, response) => {
    if (isCut) return void request.socket.destroy();
    const path = request.url ?? "/";
    const method = request.method === "HEAD" ? "HEAD" : "GET";
    requests.push(`${method} ${path}`);
    const validators = ["if-none-match", "if-modified-since"].flatMap((name) => {
      const value = request.headers[name];
      return typeof value === "string" ? [[name, value] as const] : [];
    });
    const init = { method, headers: { "accept-encoding": "identity", ...Object.fromEntries(validators) } };
    void pass(response, { url: `${target}${path.slice(1)}`, init, isSpoiled: isSpoiled(path) });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    requests,
    spoil: (choose) => void (isSpoiled = choose),
    cut() {
      isCut = true;
      server.closeAllConnections();
    },
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

interface Passing {
  readonly url: string;
  readonly init: { readonly method: string; readonly headers: Readonly<Record<string, string>> };
  readonly isSpoiled: boolean;
}

async function pass(response: ServerResponse, { url, init, isSpoiled }: Passing): Promise<void> {
  try {
    const answer = await fetch(url, init);
    const bytes = Buffer.from(await answer.arrayBuffer());
    if (isSpoiled && bytes.length > 0) bytes[bytes.length >> 1]! ^= 1;
    const kept = ["content-type", "etag", "last-modified"].flatMap((name) => {
      const value = answer.headers.get(name);
      return value === null ? [] : [[name, value] as const];
    });
    response.writeHead(answer.status, { ...Object.fromEntries(kept), "content-length": bytes.length });
    response.end(init.method === "HEAD" ? undefined : bytes);
  } catch (error) {
    response.writeHead(502).end(messageOf(error));
  }
}
