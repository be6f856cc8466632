import { createSocket } from "node:dgram";
import { lookup } from "node:dns/promises";
import { readFile } from "node:fs/promises";
import { connect as connectTcp, isIP, type Socket } from "node:net";
import { hostname } from "node:os";
import { connect as connectTls } from "node:tls";
import { tickMs } from "../../base/clock.ts";
import { Failure, messageOf } from "../../base/errors.ts";
import type { SyslogReceiver } from "../../config/event-keys.ts";
import type { AuditRecord } from "../../store/event-records.ts";
import { syslogMessage } from "./syslog-message.ts";

/** Sends events to a syslog receiver. */
export interface SyslogSender {
  /**
   * Sends events in their order and resolves when the system has taken them.
   *
   * Syslog has no acknowledgement: what was on its way when a connection broke within the last seconds is sent again.
   *
   * @throws Failure `upstream_unreachable`
   */
  send(this: void, events: readonly AuditRecord[]): Promise<void>;
  close(): Promise<void>;
}

/** The largest messages that receivers must or should take. Sources: RFC 5426 section 3.2, RFC 5425 section 4.3.1. */
const limitBytes = { udp: 2048, tcp: 8192, tls: 8192 } as const;

const connectMs = 10_000;
const stallMs = 30_000;

/** What was written this long before a connection broke may not have arrived. */
const doubtMs = 10_000;

/** Bytes of doubtful messages that are kept, at most. */
const doubtBytes = 4 * 1024 * 1024;

/** Opens a sender; it connects when there is something to send. */
export function openSyslogSender(receiver: SyslogReceiver): SyslogSender {
  const form = { facility: receiver.facility, hostName: hostname(), limitBytes: limitBytes[receiver.transport] };
  const messages = (events: readonly AuditRecord[]): Buffer[] => events.map((event) => syslogMessage(event, form));
  return receiver.transport === "udp" ? udpSender(receiver, messages) : streamSender(receiver, messages);
}

type Messages = (events: readonly AuditRecord[]) => Buffer[];

function udpSender({ host, port }: SyslogReceiver, messages: Messages): SyslogSender {
  return {
    async send(events) {
      const { address, family } = await lookup(host).catch((error: unknown) => {
        throw unreachable({ host, port }, error);
      });
      const socket = createSocket(family === 6 ? "udp6" : "udp4").on("error", () => undefined);
      try {
        for (const message of messages(events))
          await new Promise<void>((resolve, reject) =>
            socket.send(message, port, address, (error) =>
              error === null ? resolve() : reject(unreachable({ host, port }, error)),
            ),
          );
      } finally {
        socket.close();
      }
    },
    async close() {},
  };
}

/** Over TCP each message is led by its length. Source: RFC 6587 section 3.4.1, RFC 5425 section 4.3. */
function streamSender(receiver: SyslogReceiver, messages: Messages): SyslogSender {
  let socket: Socket | undefined;
  let doubtful: { readonly bytes: Buffer; readonly at: number }[] = [];
  let brokenAt = 0;

  async function usableSocket(): Promise<Socket> {
    if (socket?.writable === true && !socket.readableEnded) return socket;
    socket?.destroy();
    socket = await connect(receiver);
    socket.once("close", () => (brokenAt = tickMs()));
    const again = doubtful.filter(({ at }) => brokenAt - at < doubtMs);
    doubtful = [];
    if (again.length > 0) await write(receiver, socket, Buffer.concat(again.map(({ bytes }) => bytes)));
    return socket;
  }

  return {
    async send(events) {
      const frames = messages(events).flatMap((message) => [Buffer.from(`${message.length} `), message]);
      const bytes = Buffer.concat(frames);
      await write(receiver, await usableSocket(), bytes);
      doubtful.push({ bytes, at: tickMs() });
      let size = 0;
      doubtful = doubtful
        .toReversed()
        .filter((part) => tickMs() - part.at < doubtMs && (size += part.bytes.length) <= doubtBytes)
        .toReversed();
    },
    async close() {
      const open = socket;
      if (open === undefined || open.destroyed) return;
      await new Promise<void>((resolve) => {
        const cut = setTimeout(() => open.destroy(), 2000);
        open.once("close", () => {
          clearTimeout(cut);
          resolve();
        });
        open.end();
      });
    },
  };
}

async function connect(receiver: SyslogReceiver): Promise<Socket> {
  const { transport, host, port, caFile } = receiver;
  const ca = caFile === undefined ? {} : { ca: await readFile(caFile) };
  const names = isIP(host) === 0 ? { servername: host } : {};
  const isTls = transport === "tls";
  const socket = isTls
    ? connectTls({ host, port, minVersion: "TLSv1.2", ...names, ...ca })
    : connectTcp({ host, port, keepAlive: true });
  try {
    await settled(socket, isTls ? "secureConnect" : "connect", connectMs);
  } catch (error) {
    socket.destroy();
    throw unreachable(receiver, error);
  }
  // Receivers send nothing; what comes all the same must not pile up, and their end is noticed only while we read.
  socket.resume();
  socket.on("error", () => undefined);
  return socket;
}

async function write(receiver: SyslogReceiver, socket: Socket, bytes: Buffer): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const stalled = setTimeout(() => reject(new Error("it takes no more data")), stallMs);
  const closed = (): void => reject(new Error("it closed the connection"));
  socket.once("close", closed);
  try {
    socket.write(bytes, (error) => (error === null || error === undefined ? resolve() : reject(error)));
    await promise;
  } catch (error) {
    socket.destroy();
    throw unreachable(receiver, error);
  } finally {
    clearTimeout(stalled);
    socket.off("close", closed);
  }
}

async function settled(socket: Socket, event: "connect" | "secureConnect", ms: number): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const timer = setTimeout(() => reject(new Error(`no connection within ${ms / 1000} s`)), ms);
  socket.once(event, resolve).once("error", reject);
  try {
    await promise;
  } finally {
    clearTimeout(timer);
    socket.off(event, resolve).off("error", reject);
  }
}

function unreachable({ host, port }: Pick<SyslogReceiver, "host" | "port">, cause: unknown): Failure {
  return new Failure(
    "upstream_unreachable",
    `Cannot send to the syslog receiver "${host}:${port}": ${messageOf(cause)}`,
    {
      hint: "Events wait until it can be reached again",
      cause,
    },
  );
}
