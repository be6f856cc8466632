import { Failure } from "../base/errors.ts";
import { builtInRoles } from "../model/permission.ts";
import { isRepository } from "../model/reference.ts";

/** Names that stand for something else in the audit trail. */
const reservedNames: readonly string[] = [
  "anonymous",
  "owner",
  "unknown",
  "mintmark",
  "token",
  "oidc",
  "migration",
  "collection",
  "event",
  "pipeline",
  "proof",
  "proxy",
  "replication",
  "retention",
  "schedule",
  "scrub",
];

const passwordLength = { min: 10, max: 256 };

/**
 * Checks the name of a person's account: what looks like a robot or stands for nobody is refused.
 *
 * @throws Failure `usage`
 */
export function checkedPersonName(name: string): string {
  if (/^[a-z0-9][a-z0-9._@-]{0,99}$/.test(name) && !reservedNames.includes(name)) return name;
  throw new Failure("usage", `Cannot make the account "${name.slice(0, 100)}": that is no name for an account`, {
    hint: "Take lower-case letters, digits, dots, dashes, underscores and @, and no name that the program uses itself",
  });
}

/**
 * Checks the name of a project.
 *
 * @throws Failure `usage`
 */
export function checkedProjectName(name: string): string {
  if (isRepository(name) && !name.includes("/") && !name.startsWith("_")) return name;
  throw new Failure("usage", `Cannot make the project "${name.slice(0, 100)}": that is no name for a project`, {
    hint: "Take lower-case letters and digits, with single dots, dashes or underscores between",
  });
}

/**
 * Checks the name of a custom role or a group.
 *
 * @throws Failure `usage`
 */
export function checkedName(kind: "role" | "group", name: string): string {
  const isFree = kind === "group" || !Object.hasOwn(builtInRoles, name);
  if (/^[A-Za-z0-9][A-Za-z0-9 ._@-]{0,99}$/.test(name) && isFree) return name;
  throw new Failure("usage", `Cannot make the ${kind} "${name.slice(0, 100)}": that is no name for one, or built in`, {
    hint: "Take letters, digits, dots, dashes, underscores, @ and single spaces",
  });
}

/**
 * Checks an address for mail by its looks.
 *
 * @throws Failure `usage`
 */
export function checkedEmail(email: string): string {
  if (email.length <= 254 && /^[^\s@<>"]+@[^\s@<>"]+$/.test(email)) return email;
  throw new Failure("usage", `Cannot take the address "${email.slice(0, 100)}": it is none for mail`);
}

/**
 * Checks a password that a person chose: its length, and that it is not taken for something else.
 *
 * @throws Failure `usage`
 */
export function checkedPassword(name: string, password: string): string {
  const { min, max } = passwordLength;
  const refuse = (state: string): Failure => new Failure("usage", `Cannot set the password of "${name}": ${state}`);
  if (password.length < min || password.length > max) throw refuse(`it takes ${min} to ${max} characters`);
  if (password.toLowerCase() === name.toLowerCase()) throw refuse("it is the account's name");
  if (isPersonalSecret(password) || password.startsWith("eyJ")) throw refuse("it begins as tokens do");
  return password;
}

/** Whether a text is taken for a personal token by its beginning. */
export function isPersonalSecret(text: string): boolean {
  return text.startsWith("mmp_");
}
