import { spawnSync } from "node:child_process";
import { accessSync, constants, readFileSync } from "node:fs";
import { join } from "node:path";
import { debianPackages } from "../debian-packages.mjs";
import { SetupError } from "./setup-error.mjs";

/** Where programs of system packages stand; an ordinary user's PATH often leaves out the second of each pair. */
const programFolders = ["/usr/bin", "/usr/sbin", "/bin", "/sbin", "/usr/local/bin", "/usr/local/sbin"];

/** The packages of our list that `purposes` need and whose program is not there. */
export function missingPackages(purposes, has = hasProgram) {
  return debianPackages.filter((entry) => purposes.includes(entry.for) && !has(entry.program));
}

/** True on Debian, Ubuntu and what calls itself like one of them in os-release. */
export function isDebianLike(osRelease) {
  return /^ID(?:_LIKE)?=.*\b(?:debian|ubuntu)\b/m.test(osRelease);
}

/** The one command that installs packages for somebody who has sudo. */
export function installCommand(packages) {
  const names = packages.map((entry) => entry.package).join(" ");
  return `sudo sh -c 'apt-get update && apt-get install -y --no-install-recommends ${names}'`;
}

/**
 * Installs what is missing as root on Debian and Ubuntu; elsewhere names the one command, or the programs.
 *
 * What only the tests need never stops anything here: a test without its program says so itself.
 */
export function installSystemPackages(missing, say) {
  for (const entry of missing) say(`missing: ${entry.package} (${entry.why})`);
  const needed = missing.filter((entry) => entry.for === "up");
  if (!isDebianLike(osRelease())) {
    say("this is not Debian or Ubuntu: please install the programs above with its package manager");
    return;
  }
  if (process.getuid?.() !== 0) {
    const command = installCommand(missing);
    if (needed.length > 0)
      throw new SetupError("system packages are missing and only root can install them", [`Run: ${command}`]);
    say(`only root can install them; the tests that need them will be skipped. Run: ${command}`);
    return;
  }
  const failure = aptInstall(missing, say);
  if (failure === undefined) return;
  if (needed.some((entry) => !hasProgram(entry.program)))
    throw new SetupError(`apt-get could not install what is missing: ${failure}`, [
      `Try by hand: ${installCommand(missing)}`,
    ]);
  say(`apt-get could not install all of it: ${failure}; the tests that need it will say so`);
}

function aptInstall(packages, say) {
  const env = {
    ...process.env,
    DEBIAN_FRONTEND: "noninteractive",
    APT_LISTCHANGES_FRONTEND: "none",
    LC_ALL: "C.UTF-8",
  };
  // Another apt on the machine may hold the lock for a while, as on a fresh cloud machine.
  const options = ["-o", "DPkg::Lock::Timeout=120", "-o", "Dpkg::Use-Pty=0", "-o", "Acquire::Retries=3", "-q"];
  const run = (args) => spawnSync("apt-get", [...options, ...args], { env, stdio: ["ignore", 2, 2] });
  say("apt-get update");
  const updated = run(["update"]);
  if (updated.error !== undefined) return updated.error.message;
  // A source that fails may not be the one that is needed, so the installation is tried all the same.
  say(`apt-get install ${packages.map((entry) => entry.package).join(" ")}`);
  const names = packages.map((entry) => entry.package);
  const together = run(["install", "-y", "--no-install-recommends", ...names]);
  if (together.status === 0) return undefined;
  // One name that this release does not have must not keep the others away.
  const failed = names.filter((name) => run(["install", "-y", "--no-install-recommends", name]).status !== 0);
  return failed.length === 0 ? undefined : `${failed.join(", ")} failed`;
}

function hasProgram(program) {
  return programFolders.some((folder) => {
    try {
      accessSync(join(folder, program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

function osRelease() {
  try {
    return readFileSync("/etc/os-release", "utf8");
  } catch {
    return "";
  }
}
