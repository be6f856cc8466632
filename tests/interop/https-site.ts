import { strict as assert } from "node:assert";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { getCACertificates, setDefaultCACertificates } from "node:tls";
import { plainEnvironment, run } from "../../src/base/child.ts";
import { runServer, type RunningServer } from "../registry/running-server.ts";

/** Our server over HTTPS with a certificate of a private authority, and what its clients need to trust it. */
export interface HttpsSite {
  readonly folder: string;
  readonly server: RunningServer;
  /** `127.0.0.1:PORT`. */
  readonly host: string;
  readonly password: string;
  /** The authority's certificate. */
  readonly authorityFile: string;
  /** Home, trusted authority and credentials of the administrator, for programs in Go. */
  readonly environment: Readonly<Record<string, string>>;
  close(): Promise<void>;
}

/** Starts the site; every client has its home in the site's folder and touches nothing of the machine's. */
export async function startHttpsSite(): Promise<HttpsSite> {
  const folder = await mkdtemp(join(tmpdir(), "mintmark-https-"));
  for (const name of ["home", "run", "docker"]) await mkdir(join(folder, name), { mode: 0o700 });
  const authorityFile = await makeCertificates(folder);
  // For what the tests themselves send; a test file has its process for itself.
  setDefaultCACertificates([...getCACertificates(), await readFile(authorityFile, "utf8")]);
  const server = await runServer(join(folder, "data"), {
    MINTMARK_TLS_CERT_FILE: join(folder, "server.pem"),
    MINTMARK_TLS_KEY_FILE: join(folder, "server.key"),
    MINTMARK_ANONYMOUS_READ: "false",
  });
  const { host } = new URL(server.url);
  const password = (await readFile(join(folder, "data", "admin-password"), "utf8")).trim();
  const auth = Buffer.from(`admin:${password}`).toString("base64");
  const authFile = join(folder, "docker", "config.json");
  await writeFile(authFile, JSON.stringify({ auths: { [host]: { auth } } }), { mode: 0o600 });
  await writeFile(join(folder, "policy.json"), '{"default":[{"type":"insecureAcceptAnything"}]}');
  await writeFile(join(folder, "registries.conf"), "");
  return {
    folder,
    server,
    host,
    password,
    authorityFile,
    environment: {
      ...plainEnvironment,
      HOME: join(folder, "home"),
      XDG_RUNTIME_DIR: join(folder, "run"),
      SSL_CERT_FILE: authorityFile,
      DOCKER_CONFIG: join(folder, "docker"),
      REGISTRY_AUTH_FILE: authFile,
      CONTAINERS_REGISTRIES_CONF: join(folder, "registries.conf"),
    },
    async close() {
      await server.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function makeCertificates(folder: string): Promise<string> {
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"];
  const authority = ["-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=private authority"];
  await openssl(folder, ["req", "-x509", ...key, ...authority]);
  const names = "subjectAltName=IP:127.0.0.1,DNS:localhost";
  const server = ["-keyout", "server.key", "-out", "server.pem", "-subj", "/CN=127.0.0.1", "-addext", names];
  const end = ["-addext", "basicConstraints=critical,CA:FALSE", "-CA", "ca.pem", "-CAkey", "ca.key"];
  await openssl(folder, ["req", "-x509", ...key, ...server, ...end]);
  return join(folder, "ca.pem");
}

async function openssl(cwd: string, args: readonly string[]): Promise<void> {
  const { code, stderr } = await run("openssl", args, { cwd });
  assert.equal(code, 0, stderr);
}
