import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { createServer as createTlsServer } from "node:tls";
import fc from "fast-check";
import { run } from "../../base/child.ts";
import { sleep } from "../../base/clock.ts";
import type { SyslogReceiver } from "../../config/event-keys.ts";
import type { AuditRecord } from "../../store/event-records.ts";
import { openSyslogSender } from "./syslog.ts";
import { syslogMessage } from "./syslog-message.ts";

const sample = (sequence: number, more: Partial<AuditRecord> = {}): AuditRecord => ({
  sequence,
  id: "0192",
  at: 1_700_000_000_123,
  actor: "alice",
  address: "192.0.2.1",
  action: "image.deleted",
  project: "team",
  subject: "team/app@sha256:00",
  details: {},
  hash: "ab",
  ...more,
});

const form = { facility: 13, hostName: "mint.example", limitBytes: 8192 };

/** RFC 5424 section 6, for one message with two elements. */
const grammar =
  /^<(\d{1,3})>1 (\S{1,32}) ([\x21-\x7e]{1,255}) ([\x21-\x7e]{1,48}) ([\x21-\x7e]{1,128}) ([\x21-\x7e]{1,32}) ((?:\[[\w@]+(?: \w+="(?:[^"\\\]]|\\["\\\]])*")*\])+) ([^]*)$/u;

describe("a syslog message", () => {
  test("has the form of RFC 5424", () => {
    assert.equal(
      syslogMessage(sample(5), form).toString(),
      "<109>1 2023-11-14T22:13:20.123Z mint.example mintmark - image.deleted " +
        '[meta sequenceId="5"][event@32473 sequence="5" id="0192" actor="alice" address="192.0.2.1" ' +
        'action="image.deleted" project="team" subject="team/app@sha256:00" hash="ab"] ' +
        "alice image.deleted team/app@sha256:00 {}",
    );
    assert.match(syslogMessage(sample(1, { action: "sign-in.failed" }), form).toString(), /^<108>/);
    assert.match(syslogMessage(sample(1, { action: "image.pulled" }), form).toString(), /^<110>/);
  });

  test("keeps its form and its bounds whatever an event holds, and is one line", () => {
    const text = fc.oneof(
      fc.string({ unit: "binary", maxLength: 60 }),
      fc.constantFrom(
        '"]\\',
        '] [x="',
        "\n<0>1 forged",
        "\u2028",
        "\u0085",
        "x".repeat(1000),
        "я".repeat(1000),
        '"'.repeat(999),
      ),
    );
    const event = fc.record({ actor: text, action: text, subject: text, address: text, project: text });
    fc.assert(
      fc.property(event, text, fc.constantFrom(2048, 8192), (facts, detail, limitBytes) => {
        const bytes = syslogMessage(sample(1, { ...facts, details: { detail } }), { ...form, limitBytes });
        assert.ok(bytes.length <= limitBytes);
        const message = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
        assert.doesNotMatch(message, /[\p{Cc}\u2028\u2029]/u);
        const rest = grammar.exec(message)?.[8];
        assert.ok(rest !== undefined, message);
        if (/[^\x20-\x7e]/.test(rest)) assert.ok(rest.startsWith("\uFEFF"));
      }),
    );
  });
});

const receiver = (transport: SyslogReceiver["transport"], port: number, more: Partial<SyslogReceiver> = {}) => ({
  transport,
  host: "127.0.0.1",
  port,
  caFile: undefined,
  facility: 13,
  ...more,
});

/** Collects the sequence numbers of octet-counted messages. */
class Frames {
  readonly sequences: number[] = [];
  readonly sockets = new Set<Socket>();

  take(socket: Socket): void {
    let bytes = Buffer.alloc(0);
    this.sockets.add(socket);
    socket.on("error", () => undefined);
    socket.on("close", () => this.sockets.delete(socket));
    socket.on("data", (chunk: Buffer) => {
      bytes = Buffer.concat([bytes, chunk]);
      for (;;) {
        const length = /^(\d+) /.exec(bytes.subarray(0, 10).toString())?.[1];
        if (length === undefined || bytes.length < length.length + 1 + Number(length)) return;
        const message = bytes.subarray(length.length + 1, length.length + 1 + Number(length)).toString();
        bytes = bytes.subarray(length.length + 1 + Number(length));
        this.sequences.push(Number(/sequenceId="(\d+)"/.exec(message)?.[1]));
      }
    });
  }

  async has(sequence: number): Promise<void> {
    while (!this.sequences.includes(sequence)) await sleep(5);
  }
}

async function listen(server: Server, port = 0): Promise<number> {
  server.listen(port, "127.0.0.1");
  await once(server, "listening");
  return (server.address() as AddressInfo).port;
}

describe("sending to a syslog receiver", () => {
  test("over UDP, one datagram a message", async () => {
    const socket = createSocket("udp4").bind(0, "127.0.0.1");
    await once(socket, "listening");
    const got: string[] = [];
    socket.on("message", (message) => got.push(message.toString()));
    const sender = openSyslogSender(receiver("udp", socket.address().port));
    await sender.send([sample(1), sample(2, { details: { long: "x".repeat(5000) } })]);
    while (got.length < 2) await sleep(5);
    await sender.close();
    socket.close();
    assert.match(got[0]!, /^<109>1 /);
    assert.equal(Buffer.byteLength(got[1]!), 2048);
  });

  test("over TCP by octet counting, and again what was on its way when the receiver went down", async () => {
    const frames = new Frames();
    const first = createServer((socket) => frames.take(socket));
    const port = await listen(first);
    const sender = openSyslogSender(receiver("tcp", port));
    await sender.send([sample(1), sample(2, { actor: "Ünal 1 2 3" })]);
    await frames.has(2);
    for (const socket of frames.sockets) socket.resetAndDestroy();
    first.close();
    await once(first, "close");
    await sleep(20);
    await assert.rejects(sender.send([sample(3)]), { code: "upstream_unreachable" });
    const second = createServer((socket) => frames.take(socket));
    await listen(second, port);
    await sender.send([sample(3)]);
    await frames.has(3);
    await sender.close();
    second.close();
    assert.deepEqual(frames.sequences, [1, 2, 1, 2, 3]);
  });

  test("over TLS, to a receiver whose certificate its authority has signed, and to no other", async () => {
    const folder = await mkdtemp(join(tmpdir(), "syslog-tls-"));
    try {
      const paths = { key: join(folder, "key.pem"), cert: join(folder, "cert.pem") };
      const wish = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj /CN=mint.example";
      const files = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", paths.key, "-out", paths.cert];
      const made = await run("openssl", [...wish.split(" "), ...files]);
      assert.equal(made.code, 0, made.stderr);
      const frames = new Frames();
      const server = createTlsServer({ key: await readFile(paths.key), cert: await readFile(paths.cert) }, (socket) =>
        frames.take(socket),
      ).on("tlsClientError", () => undefined);
      const port = await listen(server);
      const sender = openSyslogSender(receiver("tls", port, { caFile: paths.cert }));
      await sender.send([sample(1)]);
      await frames.has(1);
      await sender.close();
      const stranger = openSyslogSender(receiver("tls", port));
      await assert.rejects(stranger.send([sample(2)]), { code: "upstream_unreachable" });
      await stranger.close();
      server.close();
      assert.deepEqual(frames.sequences, [1]);
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
