import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { compress } from "../fixtures/deb.ts";
import { tarBytes } from "../fixtures/tar-bytes.ts";
import { sha256Hex } from "../../src/base/hash.ts";
import { writeZip } from "../../src/base/zip.fixture.ts";

/** What lies outside, on loopback: a forward proxy that answers for hosts in their stead, and an index of Python. */
export interface StandInWorld {
  /** For `http_proxy`. */
  readonly proxy: string;
  /** An index of Python packages, with `vllm` and what it depends on. */
  readonly index: string;
  /** `GET http://host/path` of each request to the proxy. */
  readonly asked: readonly string[];
  close(): Promise<void>;
}

interface WorldOptions {
  /** Addresses that stand in for those of archives, by the host and folder that clients name; with slashes at the end. */
  readonly archives: Readonly<Record<string, string>>;
  /** The release of Node.js that there is. */
  readonly nodeVersion: string;
}

/** Starts it. */
export async function startWorld({ archives, nodeVersion }: WorldOptions): Promise<StandInWorld> {
  const asked: string[] = [];
  const files = new Map([...nodeFiles(nodeVersion), ...pythonFiles()]);
  const server = createServer((request, response) => {
    const target = request.url ?? "";
    // A proxy is asked with the whole address, a server with the path alone.
    if (target.startsWith("http:")) asked.push(`${request.method} ${target}`);
    const place = target.replace(/^http:\/\//, "");
    const [name = "", archive] = Object.entries(archives).find(([own]) => place.startsWith(own)) ?? [];
    const known = files.get(place);
    if (archive !== undefined) void pass(`${archive}${place.slice(name.length)}`, response);
    else if (known !== undefined)
      response.writeHead(200, { "content-length": known.length, "content-type": typeOf(place) }).end(known);
    else response.writeHead(404).end();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  return {
    proxy: url,
    index: `${url}simple/`,
    asked,
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function typeOf(place: string): string {
  return place.endsWith("/") ? "text/html" : "application/octet-stream";
}

async function pass(url: string, response: ServerResponse): Promise<void> {
  const answer = await fetch(url).catch(() => undefined);
  const bytes = answer === undefined ? Buffer.alloc(0) : Buffer.from(await answer.arrayBuffer());
  response.writeHead(answer?.status ?? 502, { "content-length": bytes.length }).end(bytes);
}

/** As its makers publish it: an archive for each kind of machine, and one list of their digests. */
function nodeFiles(version: string): [string, Buffer][] {
  const folder = `nodejs.org/dist/v${version}/`;
  const archives = ["x64", "arm64"].map((machine): [string, Buffer] => {
    const name = `node-v${version}-linux-${machine}`;
    const program = (path: string, text: string) => ({
      path: `${name}/bin/${path}`,
      mode: 0o755,
      content: `#!/bin/sh\necho ${text}\n`,
      uid: 1001,
    });
    const tar = tarBytes([{ path: `${name}/` }, program("node", `v${version}`), program("npm", "10.8.2")]);
    return [`${name}.tar.xz`, compress(tar, "xz")];
  });
  const sums = [...archives, [`node-v${version}-linux-x64.tar.gz`, Buffer.from("another")] as const]
    .map(([name, bytes]) => `${sha256Hex(bytes)}  ${name}\n`)
    .join("");
  return [...archives, ["SHASUMS256.txt", Buffer.from(sums)] as const].map(([name, bytes]) => [folder + name, bytes]);
}

/** An index in its simple form. Source: the specification of the simple repository API. */
function pythonFiles(): [string, Buffer][] {
  const wheels = [
    wheel("vllm", "0.6.3", { needs: "torch==2.4.0", script: "vllm" }),
    wheel("vllm", "0.6.2", {}),
    wheel("torch", "2.4.0", {}),
    wheel("torch", "2.5.0", {}),
  ];
  const pages = ["vllm", "torch"].map((project): [string, Buffer] => {
    const links = wheels
      .filter(({ name }) => name.startsWith(`${project}-`))
      .map(({ name, bytes }) => `<a href="../../files/${name}#sha256=${sha256Hex(bytes)}">${name}</a>`);
    return [`/simple/${project}/`, Buffer.from(`<!DOCTYPE html><html><body>${links.join("<br>")}</body></html>`)];
  });
  return [...pages, ...wheels.map(({ name, bytes }): [string, Buffer] => [`/files/${name}`, bytes])];
}

interface WheelParts {
  readonly needs?: string;
  /** A program that runs the module. */
  readonly script?: string;
}

function wheel(project: string, version: string, { needs, script }: WheelParts): { name: string; bytes: Buffer } {
  const folder = `${project}-${version}.dist-info`;
  const head = `Metadata-Version: 2.1\nName: ${project}\nVersion: ${version}\n`;
  const files: [string, string][] = [
    [`${project}/__init__.py`, `version = "${version}"\ndef main():\n    print(version)\n`],
    [`${folder}/METADATA`, `${head}${needs === undefined ? "" : `Requires-Dist: ${needs}\n`}`],
    [`${folder}/WHEEL`, "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"],
  ];
  if (script !== undefined)
    files.push([`${folder}/entry_points.txt`, `[console_scripts]\n${script} = ${project}:main\n`]);
  const record = [...files.map(([name]) => name), `${folder}/RECORD`].map((name) => `${name},,\n`).join("");
  const bytes = writeZip([...files, [`${folder}/RECORD`, record]], { deflate: true, wide: false });
  return { name: `${project}-${version}-py3-none-any.whl`, bytes };
}
