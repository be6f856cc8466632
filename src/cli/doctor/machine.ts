import { access, constants, readFile, statfs } from "node:fs/promises";
import { dirname } from "node:path";
import { systemCodeOf } from "../../base/errors.ts";
import { showBytes } from "../output/amounts.ts";
import type { Capability } from "./capability.ts";

/** A cold build of the starter image with all it keeps, and room to breathe. */
const freeBytesWanted = 5 * 1024 ** 3;

/** The runtime, the kernel, and the place for the data. */
export async function checkMachine(dataDir: string): Promise<Capability[]> {
  return [checkNode(), await checkSystem(), await checkFolder(dataDir), await checkSpace(dataDir)];
}

function checkNode(): Capability {
  const major = Number(process.versions.node.split(".")[0]);
  const about = `${process.versions.node} on ${process.platform} ${process.arch}`;
  return major >= 24
    ? { name: "node", state: "ok", about }
    : {
        name: "node",
        state: "missing",
        about,
        fix: "Start through bin/mintmark, which uses the pinned one of `npm ci`",
      };
}

async function checkSystem(): Promise<Capability> {
  const text = await readFile("/etc/os-release", "utf8").catch(() => "");
  const name = /^PRETTY_NAME="?([^"\n]+)"?$/m.exec(text)?.[1] ?? process.platform;
  return process.platform === "linux"
    ? { name: "system", state: "ok", about: name }
    : {
        name: "system",
        state: "degraded",
        about: name,
        fix: "Images are built on Linux only; serving, scanning and verifying work here",
      };
}

async function checkFolder(dataDir: string): Promise<Capability> {
  const folder = await nearestFolder(dataDir);
  try {
    await access(folder, constants.W_OK);
    return { name: "data folder", state: "ok", about: folder === dataDir ? dataDir : `${dataDir} (not made yet)` };
  } catch {
    return {
      name: "data folder",
      state: "missing",
      about: `${dataDir} is not writable for this account`,
      fix: "Name another folder with --data, or change its owner",
    };
  }
}

async function checkSpace(dataDir: string): Promise<Capability> {
  const { bavail, bsize } = await statfs(await nearestFolder(dataDir));
  const free = bavail * bsize;
  const about = `${showBytes(free)} free`;
  return free >= freeBytesWanted
    ? { name: "disk space", state: "ok", about }
    : {
        name: "disk space",
        state: "degraded",
        about,
        fix: `Free some space: a first build wants ${showBytes(freeBytesWanted)}`,
      };
}

/** The folder itself or the nearest one above it that exists. */
async function nearestFolder(path: string): Promise<string> {
  try {
    await access(path);
    return path;
  } catch (error) {
    if (systemCodeOf(error) !== "ENOENT" || dirname(path) === path) return path;
    return await nearestFolder(dirname(path));
  }
}
