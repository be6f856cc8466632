import { readFile } from "node:fs/promises";
import type { Client, Entry, SearchOptions } from "ldapts";
import { newId, nowMs } from "../../base/clock.ts";
import { Failure, messageOf } from "../../base/errors.ts";
import type { LdapConfig } from "../../config/directory-config.ts";
import type { ExternalPerson } from "../external.ts";
import { withDirectory } from "./ldap-connection.ts";
import { fillFilter, firstValueOf } from "./ldap-filter.ts";

/** People of an LDAP directory, Active Directory among them. */
export interface LdapDirectory {
  /**
   * Finds the person of a name and proves the password by signing in to the directory with it.
   *
   * Undefined where there is no such person, more than one, or the password is wrong.
   *
   * @throws Failure `upstream_unreachable` where the directory cannot be asked, `config_invalid` where it does not take
   *   the name that searches, `rate_limited` where too many are being asked about
   */
  signIn(credentials: { readonly name: string; readonly password: string }): Promise<ExternalPerson | undefined>;
  /** Searches as a sign-in would, without a person. @throws Failure as {@link LdapDirectory.signIn} */
  readonly check: () => Promise<void>;
}

const longestName = 256;
const longestPassword = 1024;
const groupCount = 1000;
const concurrentSignIns = 32;
/** After the directory could not be reached, nobody waits for it for this long. */
const pauseMs = 5_000;

/** Opens a directory; it is asked anew each time, over a connection of its own. */
export function openLdap(config: LdapConfig): LdapDirectory {
  let running = 0;
  let down: { readonly until: number; readonly failure: Failure } | undefined;

  async function ask<Result>(work: (client: Client) => Promise<Result>): Promise<Result> {
    if (down !== undefined && nowMs() < down.until) throw down.failure;
    if (running >= concurrentSignIns)
      throw new Failure("rate_limited", "Cannot sign in: too many others are signing in", {
        hint: "Try again in a few seconds",
        details: { retryAfterSeconds: 5 },
      });
    running += 1;
    try {
      const result = await withDirectory(config, work);
      down = undefined;
      return result;
    } catch (error) {
      if (error instanceof Failure && error.code === "upstream_unreachable")
        down = { until: nowMs() + pauseMs, failure: error };
      throw error;
    } finally {
      running -= 1;
    }
  }

  return {
    async signIn({ name, password }) {
      // Without a password a directory says yes to anybody: an "unauthenticated bind". Source: RFC 4513 section 5.1.2.
      if (password === "" || password.length > longestPassword || password.includes("\0")) return undefined;
      if (name === "" || name.length > longestName || /\p{Cc}/u.test(name)) return undefined;
      return await ask(async (client) => await signInWith(client, config, { name, password }));
    },
    async check() {
      down = undefined;
      await ask(async (client) => {
        await bindAsSearcher(client, config);
        await searchBelow(client, config.userBase, { scope: "base", attributes: ["1.1"], sizeLimit: 1 });
      });
    },
  };
}

async function signInWith(
  client: Client,
  config: LdapConfig,
  { name, password }: { readonly name: string; readonly password: string },
): Promise<ExternalPerson | undefined> {
  await bindAsSearcher(client, config);
  const people = await searchBelow(client, config.userBase, {
    scope: "sub",
    filter: fillFilter(config.userFilter, { user: name }),
    attributes: [config.nameAttribute, "mail", "memberOf", "entryUUID", "objectGUID"],
    explicitBufferAttributes: ["objectGUID"],
    sizeLimit: 2,
  });
  const entry = people.length === 1 ? people[0] : undefined;
  // Who does not exist is asked for too: else the time would tell who does.
  const isRight = await provesPassword(client, entry?.dn ?? `cn=${newId()},${config.userBase}`, password);
  const [accountName] = entry === undefined ? [] : valuesOf(entry, config.nameAttribute);
  if (entry === undefined || !isRight || accountName === undefined) return undefined;
  const groups = await groupsOf(client, config, { entry, name: accountName });
  const admin = config.adminGroup?.toLowerCase();
  const [email] = valuesOf(entry, "mail");
  return {
    kind: "person",
    origin: "ldap",
    externalId: stableIdOf(entry),
    name: accountName.toLowerCase(),
    email,
    groups: groups.map((group) => (Object.hasOwn(config.groups, group.name) ? config.groups[group.name]! : group.name)),
    isSystemAdmin:
      admin === undefined
        ? undefined
        : groups.some((group) => group.name.toLowerCase() === admin || group.dn.toLowerCase() === admin),
  };
}

async function bindAsSearcher(client: Client, config: LdapConfig): Promise<void> {
  const { bindDn } = config;
  if (bindDn === undefined) return;
  const password = config.bindPassword ?? (await readPassword(config.passwordFile));
  try {
    await client.bind(bindDn, password);
  } catch (error) {
    if (isResult(error, refusals))
      throw new Failure(
        "config_invalid",
        `Cannot search the directory "${config.url}": it does not let "${bindDn}" in`,
        {
          hint: "Check auth.ldap.bindDn and its password",
          cause: error,
        },
      );
    throw error;
  }
}

async function readPassword(path: string | undefined): Promise<string> {
  const text = await readFile(path ?? "", "utf8").catch((error: unknown) => {
    throw new Failure("config_invalid", `Cannot read the password "${path}": ${messageOf(error)}`, { cause: error });
  });
  const password = text.replace(/\r?\n$/, "");
  if (password === "") throw new Failure("config_invalid", `Cannot use the password "${path}": the file is empty`);
  return password;
}

/**
 * Results by which directories turn a name and password down: invalid credentials, no password set, no such entry,
 * locked, may not sign in, must change it first. Source: RFC 4511 appendix A.
 */
const refusals: readonly number[] = [49, 48, 32, 53, 50, 19];

async function provesPassword(client: Client, dn: string, password: string): Promise<boolean> {
  try {
    await client.bind(dn, password);
    return true;
  } catch (error) {
    if (isResult(error, refusals)) return false;
    throw error;
  }
}

function isResult(error: unknown, codes: readonly number[]): boolean {
  return error instanceof Error && "code" in error && codes.includes(Number(error.code));
}

interface Group {
  readonly name: string;
  readonly dn: string;
}

async function groupsOf(
  client: Client,
  config: LdapConfig,
  { entry, name }: { readonly entry: Entry; readonly name: string },
): Promise<Group[]> {
  if (config.groupBase === undefined)
    return valuesOf(entry, "memberOf").flatMap((dn) => {
      const value = firstValueOf(dn, config.groupAttribute);
      return value === undefined ? [] : { name: value, dn };
    });
  // The person may not be allowed to search.
  await bindAsSearcher(client, config);
  const groups = await searchBelow(client, config.groupBase, {
    scope: "sub",
    filter: fillFilter(config.groupFilter, { dn: entry.dn, user: name }),
    attributes: [config.groupAttribute],
    sizeLimit: groupCount,
  });
  return groups.flatMap((group) => {
    const [value] = valuesOf(group, config.groupAttribute);
    return value === undefined ? [] : { name: value, dn: group.dn };
  });
}

/** No such entry, no right to see it, and what Active Directory says to who did not sign in. */
const blindness: readonly number[] = [32, 50, 1];

async function searchBelow(client: Client, base: string, options: SearchOptions): Promise<Entry[]> {
  try {
    return (await client.search(base, options)).searchEntries;
  } catch (error) {
    if (!isResult(error, blindness)) throw error;
    throw new Failure("config_invalid", `Cannot search the directory below "${base}": there is nothing to be seen`, {
      hint: "Check the bases of auth.ldap, and whether auth.ldap.bindDn may search there",
      cause: error,
    });
  }
}

/** What stays when a person is renamed or moved. Sources: RFC 4530, the objectGUID of Active Directory. */
function stableIdOf(entry: Entry): string {
  const [uuid] = valuesOf(entry, "entryUUID");
  if (uuid !== undefined) return uuid.toLowerCase();
  const guid = rawValuesOf(entry, "objectGUID")[0];
  return Buffer.isBuffer(guid) && guid.length > 0 ? guid.toString("hex") : entry.dn.toLowerCase();
}

function valuesOf(entry: Entry, attribute: string): string[] {
  return rawValuesOf(entry, attribute)
    .map((value) => (typeof value === "string" ? value : value.toString("utf8")))
    .filter((value) => value !== "");
}

/** Directories answer with their own spelling of an attribute's name. */
function rawValuesOf(entry: Entry, attribute: string): readonly (string | Buffer)[] {
  const key = Object.keys(entry).find((name) => name.toLowerCase() === attribute.toLowerCase());
  const value = key === undefined ? [] : entry[key]!;
  return Array.isArray(value) ? value : [value];
}
