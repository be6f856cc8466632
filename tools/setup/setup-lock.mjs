import { linkSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";

/** A set-up that takes longer than this has died on a machine that gave its process number to another. */
const staleMs = 60 * 60_000;

/**
 * Runs work while no other set-up of this checkout runs: the second one waits and then finds everything in place.
 * The lock of a set-up that was killed is taken over.
 */
export async function withSetupLock(path, say, work) {
  mkdirSync(dirname(path), { recursive: true });
  let isWaiting = false;
  while (!take(path)) {
    if (!isWaiting) say("waiting for another set-up of this folder to end");
    isWaiting = true;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  const release = () => rmSync(path, { force: true });
  const stop = (signal) => {
    release();
    process.exit(signal === "SIGINT" ? 130 : 143);
  };
  process.on("SIGINT", stop);
  process.on("SIGTERM", stop);
  try {
    return await work();
  } finally {
    process.off("SIGINT", stop);
    process.off("SIGTERM", stop);
    release();
  }
}

/** True once the lock is ours; false while a living set-up holds it. */
function take(path) {
  // Written aside and linked, so that nobody ever reads half a lock.
  const own = `${path}.new.${process.pid}`;
  writeFileSync(own, JSON.stringify({ pid: process.pid, startedAt: Date.now() }));
  try {
    linkSync(own, path);
    return true;
  } catch (error) {
    if (error.code !== "EEXIST") throw error;
  } finally {
    rmSync(own, { force: true });
  }
  const owner = ownerOf(path);
  if (owner === undefined || isAlive(owner)) return false;
  // Two waiters may see the same dead owner: only the one whose rename moves that owner's file may go on.
  const aside = `${path}.${process.pid}`;
  try {
    renameSync(path, aside);
    const moved = ownerOf(aside);
    if (moved !== undefined && moved.pid !== owner.pid) renameSync(aside, path);
    else rmSync(aside, { force: true });
  } catch (error) {
    if (error.code !== "ENOENT") throw error;
  }
  return take(path);
}

function ownerOf(path) {
  try {
    return JSON.parse(readFileSync(path, "utf8"));
  } catch (error) {
    if (error.code === "ENOENT") return undefined;
    // Not written by this program, or the disk was full: nobody holds it.
    return { pid: 0, startedAt: 0 };
  }
}

function isAlive(owner) {
  if (Date.now() - owner.startedAt > staleMs) return false;
  try {
    process.kill(owner.pid, 0);
    return true;
  } catch (error) {
    return error.code === "EPERM";
  }
}
