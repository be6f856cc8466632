/** The audit log forwarded to a real rsyslog over UDP, TCP and TLS; what happens while it is down comes afterwards. */
import assert from "node:assert/strict";
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { connect, createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { openSyslogSender } from "../../src/auth/auth.ts";
import { plainEnvironment, run } from "../../src/base/child.ts";
import { sleep } from "../../src/base/clock.ts";
import { silentLog } from "../../src/base/log.ts";
import { followEvents } from "../../src/jobs/jobs.ts";
import { addAuditEvent } from "../../src/store/event-records.ts";
import { openStore } from "../../src/store/store.ts";
import { type Clients, obtainClients } from "../clients/clients.ts";

/** A real rsyslog on loopback that writes what it understood of each message, one line a message. */
class Rsyslog {
  readonly #clients: Clients;
  readonly #folder: string;
  readonly ports: { readonly udp: number; readonly tcp: number; readonly tls: number };
  #server: ChildProcess | undefined;

  constructor(clients: Clients, folder: string, ports: Rsyslog["ports"]) {
    this.#clients = clients;
    this.#folder = folder;
    this.ports = ports;
  }

  get caFile(): string {
    return join(this.#folder, "certificate.pem");
  }

  async start(): Promise<void> {
    const { root } = this.#clients;
    const triplet = (await readdir(join(root, "usr/lib"))).find((name) => /-linux-gnu\w*$/.test(name))!;
    const { udp, tcp, tls } = this.ports;
    const configuration = `
      global(workDirectory="${this.#folder}" DefaultNetstreamDriverCAFile="${this.caFile}"
        DefaultNetstreamDriverCertFile="${this.caFile}" DefaultNetstreamDriverKeyFile="${join(this.#folder, "key.pem")}")
      module(load="imudp")
      module(load="imtcp")
      input(type="imudp" address="127.0.0.1" port="${udp}")
      input(type="imtcp" address="127.0.0.1" port="${tcp}")
      input(type="imtcp" address="127.0.0.1" port="${tls}" streamDriver.name="gtls" streamDriver.mode="1"
        streamDriver.authMode="anon")
      template(name="understood" type="string"
        string="%syslogfacility-text%.%syslogseverity-text% %app-name% %msgid% %structured-data%|%msg%\\n")
      action(type="omfile" file="${join(this.#folder, "out")}" template="understood")
    `;
    await writeFile(join(this.#folder, "rsyslog.conf"), configuration);
    const { program, args } = this.#clients.command("../sbin/rsyslogd", [
      "-n",
      "-f",
      join(this.#folder, "rsyslog.conf"),
      "-i",
      join(this.#folder, "pid"),
      "-M",
      join(root, "usr/lib", triplet, "rsyslog"),
    ]);
    this.#server = spawn(program, args, { env: plainEnvironment, stdio: "ignore" });
    for (const port of [tcp, tls]) await answering(port, this.#server);
  }

  async stop(): Promise<void> {
    if (this.#server === undefined || this.#server.exitCode !== null) return;
    this.#server.kill("SIGTERM");
    await once(this.#server, "exit");
  }

  async lines(): Promise<string[]> {
    const text = await readFile(join(this.#folder, "out"), "utf8").catch(() => "");
    return text.split("\n").filter((line) => line.includes("mintmark"));
  }

  async has(text: string): Promise<string> {
    for (let turn = 0; turn < 500; turn++) {
      const line = (await this.lines()).find((one) => one.includes(text));
      if (line !== undefined) return line;
      await sleep(20);
    }
    throw new Error(`rsyslog did not write "${text}" within ten seconds`);
  }
}

async function answering(port: number, server: ChildProcess): Promise<void> {
  for (let turn = 0; turn < 500; turn++) {
    assert.equal(server.exitCode, null, "rsyslog has ended");
    const socket = connect(port, "127.0.0.1");
    const isUp = await new Promise<boolean>((resolve) =>
      socket.once("connect", () => resolve(true)).once("error", () => resolve(false)),
    );
    socket.destroy();
    if (isUp) return;
    await sleep(20);
  }
  throw new Error("rsyslog does not answer");
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

test("rsyslog understands what the audit log sends, and loses nothing while it restarts", async (context) => {
  const obtained = await obtainClients({ programs: ["rsyslog", "rsyslog-gnutls"] });
  if ("reason" in obtained) return context.skip(obtained.reason);
  const folder = await mkdtemp(join(tmpdir(), "rsyslog-"));
  context.after(async () => await rm(folder, { recursive: true, force: true }));
  const wish = "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=receiver -addext subjectAltName=IP:127.0.0.1";
  const files = ["-keyout", join(folder, "key.pem"), "-out", join(folder, "certificate.pem")];
  const made = await run("openssl", [...wish.split(" "), ...files]);
  assert.equal(made.code, 0, made.stderr);
  const ports = { udp: await freePort(), tcp: await freePort(), tls: await freePort() };
  const rsyslog = new Rsyslog(obtained.clients, folder, ports);
  const store = await openStore({ dataDir: join(folder, "data") });
  await rsyslog.start();
  context.after(async () => {
    await rsyslog.stop();
    await store.close();
  });
  for (const transport of ["udp", "tcp", "tls"] as const) {
    const sender = openSyslogSender({
      transport,
      host: "127.0.0.1",
      port: ports[transport],
      caFile: rsyslog.caFile,
      facility: 16,
    });
    const follower = await followEvents({
      store,
      log: silentLog,
      name: transport,
      retryDelayMs: () => 50,
      handle: sender.send,
    });
    const happen = async (subject: string): Promise<void> =>
      await addAuditEvent(store.db, {
        actor: 'mal"lory]\n<0>1 forged',
        action: "image.deleted",
        subject: `team/${transport}@${subject}`,
        details: { reason: "größer\nals erlaubt" },
      });
    await happen("first");
    const line = await rsyslog.has(`team/${transport}@first"`);
    assert.match(
      line,
      /^local0\.notice mintmark image\.deleted \[meta sequenceId="\d+"\]\[event@32473 sequence="\d+" /,
    );
    assert.match(line, /actor="mal\\"lory\\\]\\\\u000a<0>1 forged"/);
    assert.match(line, /\|.*größer\\nals erlaubt/);
    if (transport !== "udp") {
      await rsyslog.stop();
      for (const subject of ["while", "it", "was", "down"]) await happen(subject);
      await sleep(200);
      await rsyslog.start();
      for (const subject of ["first", "while", "it", "was", "down"]) await rsyslog.has(`team/${transport}@${subject}"`);
    }
    await follower.close();
    await sender.close();
  }
  for (const line of await rsyslog.lines()) assert.doesNotMatch(line, /^<0>1/);
});
