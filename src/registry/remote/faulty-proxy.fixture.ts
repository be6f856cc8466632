import { createServer, type IncomingMessage, request as httpRequest, type ServerResponse } from "node:http";
import { type AddressInfo } from "node:net";
import { setTimeout as wait } from "node:timers/promises";

/** What goes wrong with a request. */
interface ProxyFault {
  /** Over `METHOD /path?query`. */
  readonly match: RegExp;
  /** How many requests it hits; default all. */
  readonly times?: number;
  /** Answers with this status instead of asking the registry. */
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** Headers of the registry's answer that are left out. */
  readonly withoutHeaders?: readonly string[];
  /** Cuts the connection after so many bytes of the answer. */
  readonly cutAnswerAfterBytes?: number;
  /** Cuts the connection after so many bytes of the request's body; the registry sees them. */
  readonly cutRequestAfterBytes?: number;
  /** Falls silent after so many bytes of the answer. */
  readonly stallAfterBytes?: number;
  /** Sends other bytes of the same length. */
  readonly corrupt?: boolean;
  readonly delayMs?: number;
  /** Never answers, and takes nothing. */
  readonly isSilent?: boolean;
  /** How many requests it lets through before it hits one. */
  readonly after?: number;
}

/** A registry with faults on the way to it. */
export interface FaultyProxy {
  /** `http://127.0.0.1:PORT`. */
  readonly url: string;
  readonly host: string;
  /** `METHOD /path?query` of each request in order. */
  readonly requests: string[];
  /** The headers of each request in order. */
  readonly headers: IncomingMessage["headers"][];
  /** Bytes of bodies that went to the registry and came from it. */
  sent(): number;
  received(): number;
  /** Switches a fault on; the answer switches it off. */
  fault(fault: ProxyFault): () => void;
  close(): Promise<void>;
}

/** Serves another server on a loopback port of its own, with faults by request; `challenge` replaces what a 401 asks for. */
export async function openFaultyProxy(
  target: string,
  options: { readonly challenge?: string } = {},
): Promise<FaultyProxy> {
  const requests: string[] = [];
  const headers: IncomingMessage["headers"][] = [];
  const faults: { readonly fault: ProxyFault; left: number; passing: number }[] = [];
  const counts = { sent: 0, received: 0 };
  const server = createServer((incoming, outgoing) => {
    const line = `${incoming.method} ${incoming.url}`;
    requests.push(line);
    headers.push(incoming.headers);
    // What is asked without a token where one is needed is only the way to the token.
    const isIntroduction = options.challenge !== undefined && incoming.headers.authorization === undefined;
    const met = isIntroduction ? undefined : faults.find(({ fault, left }) => left > 0 && fault.match.test(line));
    const hit = met !== undefined && (met.passing -= 1) < 0 ? met : undefined;
    if (hit !== undefined) hit.left -= 1;
    outgoing.on("error", () => undefined);
    incoming.on("error", () => undefined);
    forward({ incoming, outgoing, target, fault: hit?.fault, counts, challenge: options.challenge }).catch(() =>
      outgoing.destroy(),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    host: `127.0.0.1:${port}`,
    requests,
    headers,
    sent: () => counts.sent,
    received: () => counts.received,
    fault(fault) {
      const entry = { fault, left: fault.times ?? Infinity, passing: fault.after ?? 0 };
      faults.unshift(entry);
      return () => void (entry.left = 0);
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

interface Passage {
  readonly incoming: IncomingMessage;
  readonly outgoing: ServerResponse;
  readonly target: string;
  readonly fault: ProxyFault | undefined;
  readonly counts: { sent: number; received: number };
  readonly challenge: string | undefined;
}

async function forward({ incoming, outgoing, target, fault, counts, challenge }: Passage): Promise<void> {
  if (fault?.isSilent === true) return;
  if (fault?.delayMs !== undefined) await wait(fault.delayMs);
  if (fault?.status !== undefined) {
    incoming.resume();
    outgoing.writeHead(fault.status, { "content-length": 0, ...fault.headers }).end();
    return;
  }
  const onward = httpRequest(new URL(incoming.url ?? "/", target), {
    method: incoming.method,
    headers: incoming.headers,
  });
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  onward.once("response", resolve);
  onward.on("error", reject);
  let sent = 0;
  for await (const chunk of incoming) {
    const part = (chunk as Buffer).subarray(0, (fault?.cutRequestAfterBytes ?? Infinity) - sent);
    sent += part.length;
    counts.sent += part.length;
    onward.write(part);
    if (sent >= (fault?.cutRequestAfterBytes ?? Infinity)) {
      promise.catch(() => undefined);
      // What was sent arrives before the cut.
      await wait(30);
      onward.destroy();
      incoming.destroy();
      return;
    }
  }
  onward.end();
  await answer(await promise, { outgoing, fault, counts, challenge });
}

async function answer(
  message: IncomingMessage,
  { outgoing, fault, counts, challenge }: Omit<Passage, "incoming" | "target">,
): Promise<void> {
  const headers = { ...message.headers };
  if (message.statusCode === 401 && challenge !== undefined) headers["www-authenticate"] = challenge;
  for (const name of fault?.withoutHeaders ?? []) delete headers[name];
  outgoing.writeHead(message.statusCode ?? 500, headers);
  const stopAt = Math.min(fault?.cutAnswerAfterBytes ?? Infinity, fault?.stallAfterBytes ?? Infinity);
  let done = 0;
  for await (const chunk of message) {
    const part = (chunk as Buffer).subarray(0, stopAt - done);
    done += part.length;
    counts.received += part.length;
    outgoing.write(fault?.corrupt === true ? Buffer.from(part).fill(0x58) : part);
    if (done < stopAt) continue;
    message.destroy();
    if (fault?.cutAnswerAfterBytes === undefined) return;
    await wait(30);
    outgoing.destroy();
    return;
  }
  outgoing.end();
}
