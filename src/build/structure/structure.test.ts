import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { mkdtemp, readFile, realpath, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { run } from "../../base/child.ts";
import { tarEnd, tarHeaderBytes } from "../../base/tar-writer.ts";
import type { TarHeader } from "../../base/tar.ts";
import type { ImageConfig } from "../../model/oci.ts";
import { readTree, resolvePath } from "./image-tree.ts";
import { runStructureTests, type TestedImage } from "./structure.ts";
import { parseTestFile } from "./test-file.ts";
import { jsonReport, junitReport } from "./test-report.ts";

interface Entry extends Partial<TarHeader> {
  readonly path: string;
  readonly content?: string | Buffer;
}

function layer(entries: readonly Entry[]): Buffer {
  const parts = entries.flatMap(({ content, ...header }) => {
    const body = Buffer.from(content ?? "");
    const kind = header.kind ?? (header.link !== undefined ? "symlink" : content === undefined ? "folder" : "file");
    const full: TarHeader = {
      mode: kind === "folder" ? 0o755 : 0o644,
      uid: 0,
      gid: 0,
      mtimeSeconds: 0,
      link: "",
      deviceMajor: 0,
      deviceMinor: 0,
      xattrs: {},
      ...header,
      kind,
      sizeBytes: body.length,
    };
    return [tarHeaderBytes(full), body, Buffer.alloc((512 - (body.length % 512)) % 512)];
  });
  return Buffer.concat([...parts, tarEnd]);
}

const config = {
  created: "",
  architecture: "amd64",
  os: "linux",
  config: {
    Env: ["PATH=/usr/bin:/bin", "NAME=value=1"],
    Labels: { title: "An image" },
    Entrypoint: ["/bin/sh", "-c"],
    WorkingDir: "/srv",
    User: "app",
    ExposedPorts: { "22/tcp": {} },
    Volumes: { "/data": {} },
  },
  rootfs: { type: "layers", diff_ids: [] },
  history: [],
} as ImageConfig;

const lower: readonly Entry[] = [
  { path: "etc" },
  { path: "etc/passwd", content: "root:x:0:0::/root:/bin/sh\napp:x:1000:1000::/home/app:/bin/sh\n" },
  { path: "etc/old", content: "old" },
  { path: "usr/lib/deep/file", content: "deep" },
  { path: "lib", link: "usr/lib" },
  { path: "abs", link: "/etc/passwd" },
  { path: "loop", link: "loop" },
  { path: "kept/a", content: "a" },
  { path: "emptied/a", content: "a" },
  { path: "srv", uid: 1000, gid: 1000, mode: 0o750 },
  { path: "tmp", mode: 0o1777 },
  { path: "usr/bin/su", content: "x", mode: 0o4755 },
  { path: "usr/share/doc/a/copyright", content: "GPL-2" },
  { path: "usr/share/doc/b/copyright", content: "agpl-3" },
  { path: "usr/share/doc/libgnutls30" },
];
const upper: readonly Entry[] = [
  { path: "etc/.wh.old", content: "" },
  { path: "emptied/.wh..wh..opq", content: "" },
  { path: "emptied/b", content: "b" },
  { path: "etc/motd", content: "Hello\nWorld\n", mode: 0o600 },
  { path: "etc/motd2", kind: "hardlink", link: "etc/motd" },
];

let folder: string;
let image: TestedImage;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "mintmark-structure-"));
  await writeFile(join(folder, "lower"), gzipSync(layer(lower)));
  await writeFile(join(folder, "upper"), zstdCompressSync(layer(upper)));
  image = { config, layers: [join(folder, "lower"), join(folder, "upper")] };
});
after(() => rm(folder, { recursive: true }));

async function outcomes(yaml: string, of: TestedImage = image): Promise<Record<string, boolean | string>> {
  const file = parseTestFile(`schemaVersion: 2.0.0\n${yaml}`, "x.yaml");
  const results = await runStructureTests(of, [file], { workFolder: folder, signal: new AbortController().signal });
  return Object.fromEntries(results.map(({ name, isPass, errors }) => [name, isPass || errors.join("; ")]));
}

describe("image tree", () => {
  test("lays layers on each other", async () => {
    const tree = await readTree(image.layers);
    for (const path of ["etc/old", "emptied/a"]) assert.ok(!tree.has(path), path);
    for (const path of ["emptied/b", "kept/a", "etc/motd", "usr/lib/deep"]) assert.ok(tree.has(path), path);
    assert.equal(tree.get("etc/motd2"), tree.get("etc/motd"));
    assert.equal(resolvePath(tree, "/lib/deep/../deep/file", true), "usr/lib/deep/file");
    assert.equal(resolvePath(tree, "/abs", true), "etc/passwd");
    assert.equal(resolvePath(tree, "/abs", false), "abs");
    assert.equal(resolvePath(tree, "/loop/x", true), undefined);
    assert.equal(resolvePath(tree, "/../../etc/motd", true), "etc/motd");
  });

  test("puts what is no folder over a folder, and refuses a hard link to nothing", async () => {
    const path = join(folder, "odd");
    await writeFile(
      path,
      layer([
        { path: "usr/lib", link: "/" },
        { path: "x", content: "" },
      ]),
    );
    const tree = await readTree([image.layers[0]!, path]);
    assert.ok(!tree.has("usr/lib/deep/file"));
    await writeFile(path, layer([{ path: "x", kind: "hardlink", link: "nowhere" }]));
    await assert.rejects(readTree([path]), /links to what is not there/);
  });
});

const checks: readonly { readonly name: string; readonly yaml: string; readonly isPass: boolean }[] = [
  { name: "a file is there", yaml: "path: /etc/motd", isPass: true },
  { name: "a removed file is not", yaml: "path: /etc/old", isPass: false },
  { name: "a removed file shall not be", yaml: "path: /etc/old\n  shouldExist: no", isPass: true },
  { name: "a variable stands for a path", yaml: "path: /$WHERE/motd", isPass: true },
  { name: "permissions of a file", yaml: "path: /etc/motd\n  permissions: '-rw-------'", isPass: true },
  { name: "permissions of a folder", yaml: "path: /srv\n  permissions: drwxr-x---", isPass: true },
  { name: "permissions of a sticky folder", yaml: "path: /tmp\n  permissions: dtrwxrwxrwx", isPass: true },
  { name: "permissions of a setuid file", yaml: "path: /usr/bin/su\n  permissions: urwxr-xr-x", isPass: true },
  { name: "permissions of a link", yaml: "path: /lib\n  permissions: Lrwxrwxrwx", isPass: true },
  { name: "owners", yaml: "path: /srv\n  uid: 1000\n  gid: 1000", isPass: true },
  { name: "another owner", yaml: "path: /srv\n  uid: 1", isPass: false },
  { name: "executable by other", yaml: "path: /usr/bin/su\n  isExecutableBy: other", isPass: true },
  { name: "not executable by any", yaml: "path: /etc/motd\n  isExecutableBy: any", isPass: false },
  { name: "an unknown class", yaml: "path: /etc/motd\n  isExecutableBy: me", isPass: false },
];

describe("file tests", () => {
  test("look at what is there", async () => {
    const yaml = checks.map((one) => `- name: ${one.name}\n  ${one.yaml}`).join("\n");
    const found = await outcomes(`globalEnvVars: [{ key: WHERE, value: etc }]\nfileExistenceTests:\n${yaml}\n`);
    for (const { name, isPass } of checks) assert.equal(found[`File Existence Test: ${name}`] === true, isPass, name);
  });

  test("look into files, with Go's expressions", async () => {
    const found = await outcomes(
      [
        "fileContentTests:",
        "- { name: plain, path: /etc/motd, expectedContents: [Hello, 'Wor.d'], excludedContents: [Goodbye] }",
        "- { name: multiline, path: /etc/motd, expectedContents: ['(?m)^World$'] }",
        "- { name: no multiline, path: /etc/motd, expectedContents: ['^World'] }",
        "- { name: dot all, path: /etc/motd, expectedContents: ['(?s)Hello.World'] }",
        "- { name: excluded, path: /abs, excludedContents: ['app:x:\\d+'] }",
        "- { name: no expression, path: /etc/motd, excludedContents: ['('] }",
        "- { name: absent, path: /etc/none }",
        "- { path: /etc/motd }",
      ].join("\n"),
    );
    const passed = Object.entries(found).filter(([, outcome]) => outcome === true);
    assert.deepEqual(
      passed.map(([name]) => name),
      ["File Content Test: plain", "File Content Test: multiline", "File Content Test: dot all"],
    );
    assert.match(String(found[""]), /valid name/);
  });

  test("look at licenses", async () => {
    const found = await outcomes("licenseTests: [{ debian: true, files: [/etc/motd] }]");
    assert.equal(found["License Test"], "Invalid license for /usr/share/doc/b/copyright, license contains AGPL");
  });
});

describe("metadata tests", () => {
  const passing = [
    "envVars: [{ key: NAME, value: 'value=1' }, { key: PATH, value: '^/usr', isRegex: true }]",
    "unboundEnvVars: [{ key: OTHER }]",
    "labels: [{ key: title, value: An image }]",
    "exposedPorts: [22]",
    "unexposedPorts: ['80']",
    "volumes: [/data]",
    "unmountedVolumes: [/other]",
    "entrypoint: [/bin/sh, -c]",
    "cmd: []",
    "workdir: /srv",
    "user: app",
  ];
  const failing = [
    "envVars: [{ key: NAME, value: value }]",
    "envVars: [{ key: '', value: value }]",
    "unboundEnvVars: [{ key: NAME }]",
    "labels: [{ key: title, value: '^x', isRegex: true }]",
    "exposedPorts: [22/tcp]",
    "unexposedPorts: [22]",
    "volumes: [/other]",
    "unmountedVolumes: [/data]",
    "entrypoint: []",
    "cmd: [x]",
    "workdir: /",
    "user: root",
  ];
  for (const line of passing)
    test(`pass: ${line}`, async () =>
      assert.deepEqual(await outcomes(`metadataTest: { ${line} }`), { "Metadata Test": true }));
  for (const line of failing)
    test(`fail: ${line}`, async () =>
      assert.notEqual((await outcomes(`metadataTest: { ${line} }`))["Metadata Test"], true));
  test("are none where nothing is asked", async () => assert.deepEqual(await outcomes("metadataTest:"), {}));
});

describe("test files", () => {
  const faults: readonly (readonly [text: string, name: string, fault: RegExp])[] = [
    ["commandTests: []", "x.yaml", /no schemaVersion/],
    ["schemaVersion: 1.0.0", "x.yaml", /its version is "1.0.0"/],
    ["schemaVersion: 2.0.0\ncommandTest: []", "x.yaml", /commandTest/],
    ["schemaVersion: 2.0.0", "x.txt", /ends neither/],
    ["schemaVersion: 2.0.0\n\t- x", "x.yml", /not YAML/],
    ["schemaVersion: 2.0.0\ncommandTests: [{ exitCode: one }]", "x.yaml", /whole number/],
  ];
  for (const [text, name, fault] of faults)
    test(`refused: ${text.replaceAll("\n", " ")}`, () => assert.throws(() => parseTestFile(text, name), fault));

  test("take JSON with keys that they do not know, and plain values as text", () => {
    const file = parseTestFile('{"schemaVersion":"2.0.0","other":1,"metadataTest":{"workdir":"/"}}', "x.json");
    assert.equal(file.metadataTest.workdir, "/");
    const yaml = "schemaVersion: 2.0.0\nglobalEnvVars:\n- { key: A, value: 1.10 }\n- { key: B, value: true }\n";
    assert.deepEqual(
      parseTestFile(yaml, "x.yml").globalEnvVars.map(({ value }) => value),
      ["1.10", "true"],
    );
  });
});

/** The machine's own shell with its libraries, as a layer. */
async function shellLayer(): Promise<Buffer> {
  const { stdout } = await run("ldd", ["/bin/sh"]);
  const libraries = [...stdout.matchAll(/(\/\S+) \(0x/g)].map((match) => match[1]!);
  const entries: Entry[] = [{ path: "bin/sh", content: await readFile(await realpath("/bin/sh")), mode: 0o755 }];
  for (const path of libraries)
    entries.push({ path: path.slice(1), content: await readFile(await realpath(path)), mode: 0o755 });
  return layer(entries);
}

const canRun =
  process.platform === "linux" &&
  existsSync("/bin/sh") &&
  (await run("unshare", ["--user", "--map-root-user", "--mount", "--pid", "--fork", "true"])).code === 0;

describe("command tests", { skip: canRun ? false : "the machine allows no namespaces" }, () => {
  test("run commands in the image, each in a fresh copy", async () => {
    const base = await mkdtemp(join(folder, "shell-"));
    await writeFile(join(base, "shell"), await shellLayer());
    await writeFile(
      join(base, "rest"),
      layer([
        { path: "etc/passwd", content: "root:x:0:0::/root:/bin/sh\napp:x:1000:1000::/home/app:/bin/sh\n" },
        { path: "srv", uid: 1000, gid: 1000 },
        { path: "dev", link: "/etc" },
      ]),
    );
    const shell = { config, layers: [join(base, "shell"), join(base, "rest")] };
    const sh = (name: string, script: string, rest: object = {}) => ({
      name,
      command: "sh",
      args: ["-c", script],
      ...rest,
    });
    const commandTests = [
      sh("output", "echo one; echo two >&2", { expectedOutput: ["^one\n$"], expectedError: ["two"] }),
      sh("code", "exit 3", { exitCode: "3" }),
      sh("wrong code", "exit 3"),
      sh("where and who", "pwd; echo ~", { expectedOutput: ["^/srv\n/home/app\n$"] }),
      { name: "absent", command: "nothing_of_this_name" },
      sh("setup", 'read line < /srv/made; echo "$${line} $${GLOBAL} $${TEST}"'.replaceAll("$$", "$"), {
        setup: [["sh", "-c", "echo made > /srv/made"]],
        envVars: [{ key: "TEST", value: "t" }],
      }),
      sh("fresh", "read line < /srv/made", { exitCode: "2" }),
      sh("first", "read line < /proc/self/stat; echo $NAME", { expectedOutput: ["value=1"] }),
      // The first process of a pid namespace hears no signal of its own; nobody else is to hear it either.
      sh("deaf", "kill -9 0"),
      sh("outside", "echo /*", { expectedOutput: ["/bin"], excludedOutput: ["/root", "/boot"] }),
    ];
    const yaml = { globalEnvVars: [{ key: "GLOBAL", value: "g-$NAME" }], commandTests };
    const found = await outcomes(
      Object.entries(yaml)
        .map(([key, value]) => `${key}: ${JSON.stringify(value)}`)
        .join("\n"),
      shell,
    );
    const of = (name: string) => found[`Command Test: ${name}`];
    for (const name of ["output", "code", "where and who", "setup", "fresh", "first", "deaf", "outside"])
      assert.equal(of(name), true, name);
    assert.match(String(of("wrong code")), /Expected: 0, Actual: 3/);
    assert.match(String(of("absent")), /failed to execute nothing_of_this_name/);
  });
});

describe("reports", () => {
  test("have the shapes of the original", async () => {
    const file = parseTestFile(
      "schemaVersion: 2.0.0\nfileExistenceTests: [{ name: 'a<b', path: /etc/motd }, { name: c, path: /none }]",
      "x.yaml",
    );
    const results = await runStructureTests(image, [file], {
      workFolder: folder,
      signal: new AbortController().signal,
    });
    const json = jsonReport(results);
    assert.deepEqual([json.Pass, json.Fail, json.Total], [1, 1, 2]);
    assert.deepEqual(Object.keys(json.Results[1]!), ["Name", "Pass", "Errors", "Duration"]);
    const xml = junitReport(results, "suite");
    assert.match(xml, /<testsuites failures="1" tests="2"/);
    assert.match(xml, /a&lt;b/);
    assert.match(xml, /<failure>File \/none should exist/);
  });
});
