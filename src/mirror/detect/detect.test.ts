import assert from "node:assert/strict";
import { chmod, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { detect } from "./detect.ts";

test("a machine whose clients use a Nexus gets a repository for each place, its login kept aside", async () => {
  const folder = await mkdtemp(join(tmpdir(), "mintmark-detect-"));
  let asked: string | undefined;
  const nexus = createServer((request, response) => {
    asked = request.headers.authorization;
    response.end(
      JSON.stringify([
        { name: "npm-group", format: "npm", type: "group" },
        { name: "Internal_Go", format: "go", type: "hosted" },
        { name: "docker", format: "docker", type: "proxy" },
      ]),
    );
  });
  await new Promise<void>((resolve) => void nexus.listen(0, "127.0.0.1", resolve));
  try {
    const { port } = nexus.address() as AddressInfo;
    const write = async (path: string, text: string): Promise<void> => {
      await mkdir(dirname(join(folder, path)), { recursive: true });
      await writeFile(join(folder, path), text);
    };
    await write(
      "home/.npmrc",
      `registry=http://127.0.0.1:${port}/repository/npm-group/\n//127.0.0.1:${port}/repository/npm-group/:_auth=${btoa("ann:pw")}\n`,
    );
    await write("home/.config/pip/pip.conf", "[global]\nindex-url = https://mint.example/mirror/pypi/simple\n");
    await write("home/.cargo/config.toml", "[broken\n");
    await write("bin/go", `#!/bin/sh\necho '{"GOPROXY":"https://go.example,direct"}'\n`);
    await chmod(join(folder, "bin", "go"), 0o755);
    const found = await detect({
      machine: {
        home: join(folder, "home"),
        folder: join(folder, "home"),
        root: folder,
        environment: { PATH: join(folder, "bin") },
        aptSuites: async () => [{ uri: "http://deb.example/debian", suite: "trixie" }],
      },
      own: ["https://mint.example/mirror"],
      asksServers: true,
      takesOver: true,
    });
    assert.deepEqual(
      found.proposals.map(({ name, format, url }) => [name, format, url?.replace(String(port), "PORT")]),
      [
        ["npm", "npm", "http://127.0.0.1:PORT/repository/npm-group/"],
        ["go", "go", "https://go.example/"],
        ["debian", "apt", "http://deb.example/debian/"],
        ["raw", "raw", undefined],
        ["npm-group", "npm", "http://127.0.0.1:PORT/repository/npm-group/"],
        ["internal_go", "go", "http://127.0.0.1:PORT/repository/Internal_Go/"],
      ],
    );
    assert.deepEqual(found.proposals[0]!.login, { username: "ann", password: "pw" });
    assert.equal(asked, `Basic ${btoa("ann:pw")}`);
    assert.equal(found.servers[0]!.product, "nexus");
    assert.match(found.problems[0]!.problem, /TOML file: line 1/);
    const pip = found.sources.find(({ client }) => client === "pip");
    assert.equal(pip?.url, "https://mint.example/mirror/pypi/simple");
  } finally {
    nexus.closeAllConnections();
    nexus.close();
    await rm(folder, { recursive: true, force: true });
  }
});

test("a server that no client uses is asked by name, and its repositories keep their names and its login", async () => {
  const folder = await mkdtemp(join(tmpdir(), "mintmark-detect-"));
  const asked: string[] = [];
  const lists: Record<string, readonly unknown[]> = {
    "/nx/service/rest/v1/repositories": [
      {
        name: "pypi-all",
        format: "pypi",
        type: "group",
        url: "http://inside.example/repository/pypi-all",
      },
      {
        name: "maven-central",
        format: "maven2",
        type: "proxy",
        url: "http://inside.example/repository/maven-central",
        attributes: { proxy: { remoteUrl: "https://maven.example/" } },
      },
      { name: "Files", format: "raw", type: "hosted", url: "x" },
    ],
    "/jf/artifactory/api/repositories": [
      { key: "crates", type: "FEDERATED", url: "http://inside.example/artifactory/crates", packageType: "Cargo" },
      { key: "py", description: "all", type: "VIRTUAL", url: "x", packageType: "Pypi" },
      { key: "gems", type: "LOCAL", url: "x", packageType: "Gems" },
    ],
  };
  const server = createServer((request, response) => {
    asked.push(`${request.url} ${request.headers.authorization}`);
    const list = lists[request.url ?? ""];
    if (list === undefined)
      return void response.writeHead(request.url === "/odd/api/repositories" ? 200 : 404).end("<p>");
    response.end(JSON.stringify(list));
  });
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const look = async (path: string) =>
    await detect({
      machine: { home: folder, folder, root: folder, environment: {}, aptSuites: async () => [] },
      own: [],
      asksServers: true,
      takesOver: true,
      server: `http://ann:p%40ss@127.0.0.1:${port}${path}`,
    });
  try {
    const nexus = await look("/nx");
    const shown = nexus.proposals.map(({ name, format, url, login }) => [name, format, url, login?.password]);
    const root = `http://127.0.0.1:${port}`;
    assert.deepEqual(shown, [
      ["raw", "raw", undefined, undefined],
      ["pypi-all", "pypi", `${root}/nx/repository/pypi-all/simple/`, "p@ss"],
      ["maven-central", "maven", `${root}/nx/repository/maven-central/`, "p@ss"],
    ]);
    assert.equal(asked[0], `/nx/service/rest/v1/repositories Basic ${btoa("ann:p@ss")}`);
    const artifactory = await look("/jf/");
    assert.equal(artifactory.servers[0]!.product, "artifactory");
    assert.deepEqual(
      artifactory.proposals.slice(1).map(({ name, url }) => [name, url]),
      [
        ["crates", `${root}/jf/artifactory/api/cargo/crates/index/`],
        ["py", `${root}/jf/artifactory/api/pypi/py/simple/`],
      ],
    );
    await assert.rejects(
      look("/odd"),
      /Cannot find a Nexus or an Artifactory at .*: .*404.*; what it answers is no list/,
    );
  } finally {
    server.closeAllConnections();
    server.close();
    await rm(folder, { recursive: true, force: true });
  }
});
