import { createHash, type Hash } from "node:crypto";
import {
  chmodSync,
  chownSync,
  closeSync,
  fchmodSync,
  fchownSync,
  futimesSync,
  lchownSync,
  linkSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  openSync,
  symlinkSync,
  utimesSync,
  writeSync,
} from "node:fs";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { Failure } from "../../base/errors.ts";
import { limits } from "../../base/limits.ts";
import { readTar, type TarHeader } from "../../base/tar.ts";
import { parseParagraph, type Paragraph } from "../control-file.ts";
import { openDeb, type DebStreams } from "../deb/deb.ts";
import { checkPath, mergedPath, treeVersion, type TreeEntry, type TreeIndex } from "./tree.ts";

/**
 * Unpacks one archive into `folder`, owners and modes included, and writes its index.
 *
 * Runs inside the chamber, where every owner exists. The folder must be empty and is left without
 * `tree.json` on any failure, so that it never passes for a whole one.
 *
 * @throws Failure `archive_hostile`
 */
export async function unpack(debPath: string, folder: string): Promise<void> {
  const deb = await openDeb(debPath);
  const root = join(folder, "root");
  await mkdir(root, { recursive: true });
  const control = await unpackControl(deb, join(folder, "control"));
  const unpacked = await unpackFiles(deb, root, control.conffiles);
  const records = await writeRecords({ root, control, unpacked });
  const index: TreeIndex = {
    treeVersion,
    control: control.text,
    conffiles: control.conffiles
      .map((path) => ({ path, md5: unpacked.md5.get(path) ?? "" }))
      .filter(({ md5 }) => md5 !== ""),
    scripts: [...control.files.keys()],
    entries: [...unpacked.entries.values(), ...records],
  };
  await writeFile(join(folder, "tree.json"), JSON.stringify(index));
}

interface Control {
  readonly text: string;
  readonly fields: Paragraph;
  readonly mtimeSeconds: number;
  readonly files: ReadonlyMap<string, { readonly bytes: Buffer; readonly mode: number }>;
  /** Paths with a leading slash that dpkg keeps a user's changes of. */
  readonly conffiles: readonly string[];
}

async function unpackControl(deb: DebStreams, folder: string): Promise<Control> {
  await mkdir(folder);
  const files = new Map<string, { bytes: Buffer; mode: number }>();
  let mtimeSeconds = 0;
  for await (const { header, body } of readTar(deb.control())) {
    if (header.kind === "folder") continue;
    if (header.kind !== "file" || !/^[a-z0-9.+-]+$/.test(header.path))
      throw new Failure("archive_hostile", `Cannot unpack the package: its control archive holds "${header.path}"`);
    const chunks: Buffer[] = [];
    for await (const chunk of body()) chunks.push(chunk);
    if (header.path === "control") mtimeSeconds = header.mtimeSeconds;
    files.set(header.path, { bytes: Buffer.concat(chunks), mode: header.mode & 0o755 });
  }
  const text = files.get("control")?.bytes.toString("utf8") ?? "";
  const fields = parseParagraph(text);
  if (
    !/^[a-z0-9][a-z0-9.+-]*$/.test(fields.get("Package") ?? "") ||
    !fields.has("Version") ||
    !fields.has("Architecture")
  )
    throw new Failure(
      "archive_hostile",
      "Cannot unpack the package: its control file names no package, version or architecture",
    );
  files.delete("control");
  for (const [name, { bytes, mode }] of files) await writeFile(join(folder, name), bytes, { mode });
  const conffiles = (files.get("conffiles")?.bytes.toString("utf8") ?? "")
    .split("\n")
    .filter((line) => line.startsWith("/"));
  return { text, fields, mtimeSeconds, files, conffiles };
}

interface Unpacked {
  readonly entries: Map<string, TreeEntry>;
  /** Paths as the archive names them, in its order: what `dpkg -L` prints. */
  readonly listed: string[];
  /** MD5 of files by the path that dpkg prints. */
  readonly md5: Map<string, string>;
}

async function unpackFiles(deb: DebStreams, root: string, conffiles: readonly string[]): Promise<Unpacked> {
  const unpacked: Unpacked = { entries: new Map(), listed: [], md5: new Map() };
  const folders: TreeEntry[] = [];
  for await (const { header, body } of readTar(deb.data())) {
    checkPath(header.path);
    unpacked.listed.push(header.path === "" ? "/." : `/${header.path}`);
    const path = mergedPath(header.path, header.kind === "symlink");
    if (path === "") continue;
    ensureParents({ root, entries: unpacked.entries, mtimeSeconds: header.mtimeSeconds }, path);
    const entry = await writeEntry({
      root,
      path,
      header,
      body,
      unpacked,
      isConffile: conffiles.includes(`/${header.path}`),
    });
    if (entry.kind === "folder") folders.push(entry);
    unpacked.entries.set(path, entry);
  }
  // A folder's time would move with each entry that is put into it.
  for (const folder of folders) utimesSync(join(root, folder.path), folder.mtimeSeconds, folder.mtimeSeconds);
  return unpacked;
}

interface Site {
  readonly root: string;
  readonly entries: Map<string, TreeEntry>;
  /** Time of a folder that the archive does not name. */
  readonly mtimeSeconds: number;
}

/** A parent must be a folder of this very tree: following a link would lead out of it. */
function ensureParents(site: Site, path: string): void {
  const { root, entries, mtimeSeconds } = site;
  const parent = dirname(path);
  if (parent === ".") return;
  const known = entries.get(parent);
  if (known?.kind === "folder") return;
  if (known !== undefined)
    throw new Failure(
      "archive_hostile",
      `Cannot unpack the package: "${path}" lies under "${parent}", which is no folder`,
    );
  ensureParents(site, parent);
  mkdirSync(join(root, parent), 0o755);
  entries.set(parent, {
    path: parent,
    kind: "folder",
    mode: 0o755,
    uid: 0,
    gid: 0,
    mtimeSeconds,
    sizeBytes: 0,
  });
}

interface EntryInput {
  readonly root: string;
  readonly path: string;
  readonly header: TarHeader;
  readonly body: () => AsyncGenerator<Buffer>;
  readonly unpacked: Unpacked;
  readonly isConffile: boolean;
}

async function writeEntry({ root, path, header, body, unpacked, isConffile }: EntryInput): Promise<TreeEntry> {
  const target = join(root, path);
  const { mode, uid, gid, mtimeSeconds } = header;
  const plain = { path, mode, uid, gid, mtimeSeconds, sizeBytes: 0 };
  if (header.kind === "folder") {
    const present = lstatSync(target, { throwIfNoEntry: false });
    if (present !== undefined && !present.isDirectory()) throw twice(path);
    if (present === undefined) mkdirSync(target);
    chownSync(target, uid, gid);
    chmodSync(target, mode);
    return { ...plain, kind: "folder" };
  }
  if (unpacked.entries.has(path)) throw twice(path);
  if (header.kind === "symlink") {
    symlinkSync(header.link, target);
    lchownSync(target, uid, gid);
    lutimesSync(target, mtimeSeconds, mtimeSeconds);
    return { ...plain, kind: "symlink", mode: 0o777, link: header.link };
  }
  if (header.kind === "hardlink") {
    const link = header.link.replace(/^(?:\.?\/+)+/, "");
    checkPath(link);
    const shared = mergedPath(link, false);
    if (unpacked.entries.get(shared)?.kind !== "file")
      throw new Failure(
        "archive_hostile",
        `Cannot unpack the package: "${path}" links to "${shared}", which it does not hold`,
      );
    linkSync(join(root, shared), target);
    return { ...plain, kind: "hardlink", link: shared };
  }
  if (header.kind !== "file")
    throw new Failure("archive_hostile", `Cannot unpack the package: "${path}" is a ${header.kind} device`);
  const { sha256, md5, inline } = await writeBody(target, header, body);
  if (isConffile || !unpacked.md5.has(`/${header.path}`)) unpacked.md5.set(`/${header.path}`, md5);
  return { ...plain, kind: "file", sizeBytes: header.sizeBytes, sha256, ...(inline === undefined ? {} : { inline }) };
}

function twice(path: string): Failure {
  return new Failure("archive_hostile", `Cannot unpack the package: it holds "${path}" twice`);
}

interface WrittenBody {
  readonly sha256: string;
  readonly md5: string;
  readonly inline: string | undefined;
}

async function writeBody(target: string, header: TarHeader, body: () => AsyncGenerator<Buffer>): Promise<WrittenBody> {
  const { mode, uid, gid, mtimeSeconds } = header;
  const hashes: Hash[] = [createHash("sha256"), createHash("md5")];
  // Only what another user could not read is kept inline; such files are small by nature.
  const isPrivate = (mode & 0o400) === 0 || (uid !== 0 && (mode & 0o004) === 0);
  if (isPrivate && header.sizeBytes > limits.chunkBytes)
    throw new Failure(
      "archive_hostile",
      "Cannot unpack the package: a file that nobody else may read is larger than 1 MiB",
    );
  const kept: Buffer[] = [];
  // Plain calls: this process does nothing else, and a promise for each of five calls a file would be most of the work.
  const file = openSync(target, "wx", 0o600);
  try {
    for await (const chunk of body()) {
      for (const hash of hashes) hash.update(chunk);
      if (isPrivate) kept.push(Buffer.from(chunk));
      for (let at = 0; at < chunk.length;) at += writeSync(file, chunk, at);
    }
    fchownSync(file, uid, gid);
    fchmodSync(file, mode);
    futimesSync(file, mtimeSeconds, mtimeSeconds);
  } finally {
    closeSync(file);
  }
  const [sha256, md5] = hashes.map((hash) => hash.digest("hex"));
  return { sha256: sha256!, md5: md5!, inline: isPrivate ? Buffer.concat(kept).toString("base64") : undefined };
}

interface RecordInput {
  readonly root: string;
  readonly control: Control;
  readonly unpacked: Unpacked;
}

/** Adds the package's own files of dpkg's database to its tree: they change with the package, so they belong to its layer. */
async function writeRecords({ root, control, unpacked }: RecordInput): Promise<TreeEntry[]> {
  const folder = "var/lib/dpkg/info";
  const name = control.fields.get("Package")!;
  const stem = control.fields.get("Multi-Arch") === "same" ? `${name}:${control.fields.get("Architecture")}` : name;
  const listed = unpacked.listed.filter((path, at, all) => all.indexOf(path) === at);
  const files = new Map(control.files);
  files.set("list", { bytes: Buffer.from(`${listed.join("\n")}\n`), mode: 0o644 });
  if (!files.has("md5sums")) {
    const sums = [...unpacked.md5]
      .filter(([path]) => !control.conffiles.includes(path))
      .map(([path, md5]) => `${md5}  ${path.slice(1)}\n`);
    files.set("md5sums", { bytes: Buffer.from(sums.join("")), mode: 0o644 });
  }
  await rm(join(root, folder), { recursive: true, force: true });
  await mkdir(join(root, folder), { recursive: true });
  const entries: TreeEntry[] = [];
  for (const [suffix, { bytes, mode }] of files) {
    const path = `${folder}/${stem}.${suffix}`;
    await writeFile(join(root, path), bytes, { mode: mode | 0o600 });
    chmodSync(join(root, path), mode);
    utimesSync(join(root, path), control.mtimeSeconds, control.mtimeSeconds);
    const sha256 = createHash("sha256").update(bytes).digest("hex");
    entries.push({
      path,
      kind: "file",
      mode,
      uid: 0,
      gid: 0,
      mtimeSeconds: control.mtimeSeconds,
      sizeBytes: bytes.length,
      sha256,
    });
  }
  return [...recordFolders(unpacked.entries, control.mtimeSeconds), ...entries];
}

function recordFolders(entries: ReadonlyMap<string, TreeEntry>, mtimeSeconds: number): TreeEntry[] {
  return ["var", "var/lib", "var/lib/dpkg", "var/lib/dpkg/info"]
    .filter((path) => !entries.has(path))
    .map((path) => ({ path, kind: "folder", mode: 0o755, uid: 0, gid: 0, mtimeSeconds, sizeBytes: 0 }));
}
