import {
  appendFileSync,
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  writeFileSync,
  lstatSync,
  lchownSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { Failure } from "../../base/errors.ts";
import type { ChamberFile, ChamberUser } from "./job.ts";

const secondsPerDay = 86_400;

/**
 * Adds accounts with locked passwords and their homes from /etc/skel.
 *
 * The files are written by us: useradd may be absent, and it writes the day of the build.
 *
 * Source: passwd(5), shadow(5), group(5).
 */
export function addUsers(root: string, users: readonly ChamberUser[], epochSeconds: number): void {
  for (const user of users) {
    const passwd = accountLines(root, "passwd");
    if (passwd.some(([name]) => name === user.name)) continue;
    if (passwd.some(([, , uid]) => Number(uid) === user.uid))
      throw new Failure("recipe_invalid", `Cannot add the user "${user.name}": the id ${user.uid} is taken`, {
        hint: "Choose another uid in the recipe",
      });
    if (!accountLines(root, "group").some(([, , gid]) => Number(gid) === user.gid)) {
      append(root, "group", `${user.name}:x:${user.gid}:`);
      append(root, "gshadow", `${user.name}:!::`);
    }
    append(root, "passwd", `${user.name}:x:${user.uid}:${user.gid}::${user.home}:${user.shell}`);
    append(root, "shadow", `${user.name}:!:${Math.floor(epochSeconds / secondsPerDay)}:0:99999:7:::`);
    for (const group of user.groups) joinGroup(root, group, user.name);
    makeHome(root, user);
  }
}

function accountLines(root: string, file: string): string[][] {
  const path = join(root, "etc", file);
  return existsSync(path)
    ? readFileSync(path, "utf8")
        .split("\n")
        .filter((line) => line !== "")
        .map((line) => line.split(":"))
    : [];
}

function append(root: string, file: string, line: string): void {
  const path = join(root, "etc", file);
  if (existsSync(path)) appendFileSync(path, `${line}\n`);
  else if (file === "passwd" || file === "group") writeFileSync(path, `${line}\n`);
}

function joinGroup(root: string, group: string, user: string): void {
  for (const file of ["group", "gshadow"]) {
    const lines = accountLines(root, file);
    const entry = lines.find(([name]) => name === group);
    if (entry === undefined) {
      if (file === "gshadow") return;
      throw new Failure("recipe_invalid", `Cannot put the user "${user}" into the group "${group}": there is none`);
    }
    entry[3] = [...(entry[3] ?? "").split(",").filter((name) => name !== "" && name !== user), user].join(",");
    writeFileSync(join(root, "etc", file), lines.map((fields) => `${fields.join(":")}\n`).join(""));
  }
}

function makeHome(root: string, user: ChamberUser): void {
  const home = join(root, user.home);
  refuseLinks(root, user.home);
  if (existsSync(home)) return;
  mkdirSync(dirname(home), { recursive: true });
  if (existsSync(join(root, "etc/skel")))
    cpSync(join(root, "etc/skel"), home, { recursive: true, verbatimSymlinks: true });
  else mkdirSync(home);
  chmodSync(home, 0o755);
  chownTree(home, user.uid, user.gid);
}

function chownTree(path: string, uid: number, gid: number): void {
  lchownSync(path, uid, gid);
  if (lstatSync(path).isDirectory()) for (const name of readdirSync(path)) chownTree(join(path, name), uid, gid);
}

/** Lays the recipe's folders and files, in their order; parents are made as root's. */
export function layFiles(root: string, files: readonly ChamberFile[]): void {
  for (const file of files) {
    const target = join(root, file.path);
    refuseLinks(root, file.path);
    mkdirSync(dirname(target), { recursive: true, mode: 0o755 });
    if (file.content === undefined) mkdirSync(target, { recursive: true });
    else writeFileSync(target, Buffer.from(file.content, "base64"));
    const [uid, gid] = ownerIds(root, file);
    chownSync(target, uid, gid);
    chmodSync(target, file.mode);
  }
}

/** A link in the image could lead a write out of it. */
function refuseLinks(root: string, path: string): void {
  let at = root;
  for (const part of path.split("/").filter((name) => name !== "")) {
    at = join(at, part);
    if (lstatSync(at, { throwIfNoEntry: false })?.isSymbolicLink() === true)
      throw new Failure(
        "recipe_invalid",
        `Cannot write "${path}": "${at.slice(root.length)}" is a symbolic link in the image`,
        { hint: "Name the link's target in the recipe" },
      );
  }
}

function ownerIds(root: string, file: ChamberFile): [number, number] {
  const ids = /^(\d+):(\d+)$/.exec(file.owner);
  if (ids !== null) return [Number(ids[1]), Number(ids[2])];
  const account = accountLines(root, "passwd").find(([name]) => name === file.owner);
  if (account === undefined)
    throw new Failure("recipe_invalid", `Cannot give "${file.path}" to "${file.owner}": there is no such user`);
  return [Number(account[2]), Number(account[3])];
}
