import { execFile } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

/**
 * The hosts that this machine's package clients fetch from, by their own configuration: apt, npm, pip, Go, Cargo,
 * Maven. A client that is not there adds nothing.
 */
export async function machineHosts(): Promise<Set<string>> {
  const home = homedir();
  const files = [
    "/etc/apt/sources.list",
    ...filesIn("/etc/apt/sources.list.d"),
    "/etc/pip.conf",
    join(home, ".pip/pip.conf"),
    join(home, ".config/pip/pip.conf"),
    join(home, ".cargo/config.toml"),
    join(home, ".cargo/config"),
    join(home, ".m2/settings.xml"),
    join(home, ".npmrc"),
  ].map((path) => registryLines(textOf(path)));
  const variables = Object.entries(process.env)
    .filter(([name]) =>
      /^(?:npm_config_.*registry|pip_(?:extra_)?index_url|uv_(?:default_)?index(?:_url)?|goproxy|gosumdb)$/i.test(name),
    )
    .map(([, value]) => value ?? "");
  const asked = await Promise.all([
    answerOf("npm", ["config", "get", "registry"]),
    answerOf("go", ["env", "GOPROXY", "GOSUMDB"]),
    answerOf("pip", ["config", "list"]),
  ]);
  return new Set([...files, ...variables, ...asked].flatMap(hostsIn));
}

/** The lines of a client's configuration that name where packages come from, comments left out. */
export function registryLines(text: string): string {
  const isNamed = /^\s*(?:deb|deb-src|URIs:|(?:@[\w-]+:)?registry|(?:extra-)?index-url|replace-with|index\s*=)|<url>/;
  return text
    .split("\n")
    .filter((line) => isNamed.test(line))
    .join("\n");
}

/** The public host names of the addresses in a text; machines named by one word or a loopback address are not. */
export function hostsIn(text: string): string[] {
  const addresses = text.matchAll(/\b[a-z][a-z0-9+]*:\/\/(?:[^\s/@]*@)?([a-z0-9.-]+)/gi);
  const plain = text.matchAll(/(?:^|[\s,|])((?:[a-z0-9-]+\.)+[a-z]{2,})(?=$|[\s,|])/gim);
  return [...addresses, ...plain]
    .map((found) => found[1]!.toLowerCase().replace(/\.$/, ""))
    .filter((host) => host.includes(".") && !host.startsWith("127."));
}

function textOf(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

function filesIn(folder: string): string[] {
  try {
    return readdirSync(folder).map((name) => join(folder, name));
  } catch {
    return [];
  }
}

async function answerOf(program: string, args: readonly string[]): Promise<string> {
  try {
    return (await promisify(execFile)(program, args, { timeout: 8000 })).stdout;
  } catch {
    return "";
  }
}
