import { createHash } from "node:crypto";
import { isRepository } from "../../model/reference.ts";
import { notFound } from "./refusals.ts";

/**
 * Escapes the slashes of a repository in a request target, so that the router sees one path part.
 *
 * Harbor wants them escaped twice (`a%252Fb`); once (`a%2Fb`) and not at all (`a/b`) are taken as well. A name that is
 * not escaped ends at the first part `artifacts`.
 */
export function escapeHarborRepository(url: string): string {
  const match = /^(\/api\/v2\.0\/projects\/[^/?#]+\/repositories\/)([^?#]+)(.*)$/s.exec(url);
  if (match === null) return url;
  const [, prefix = "", path = "", query = ""] = match;
  const parts = path.split("/");
  const end = parts.indexOf("artifacts", 1);
  const name = (end < 0 ? parts : parts.slice(0, end)).filter(
    (part, index, all) => part !== "" || index < all.length - 1,
  );
  const rest = end < 0 ? [] : parts.slice(end);
  return `${prefix}${[name.join("%2F"), ...rest].join("/")}${query}`;
}

/**
 * The full name of a repository from its project and what stands in the path, where it may still be escaped once.
 *
 * @throws Failure `not_found` for what is no name
 */
export function fullRepository(project: string, given: string): string {
  const name = `${project}/${given.replaceAll(/%2f/gi, "/")}`;
  if (isRepository(name)) return name;
  throw notFound(`repository ${name.slice(0, 300)} not found`);
}

/** The name of a repository below its project. */
function shortRepository(repository: string): string {
  return repository.slice(repository.indexOf("/") + 1);
}

/** A repository as Harbor's addresses name it. */
export function escapedRepository(repository: string): string {
  return encodeURIComponent(encodeURIComponent(shortRepository(repository)));
}

/**
 * A number that stands for something which has a name here and a number in Harbor.
 *
 * 52 bits of a hash: exact in JSON and jq, the same after a restore, and two of ten million alike once in a hundred
 * databases.
 */
export function numberOf(kind: string, name: string): number {
  const hash = createHash("sha256").update(`${kind}\0${name}`).digest();
  return hash.readUIntBE(0, 6) * 16 + (hash[6]! >> 4);
}

/**
 * The number of something that has an id by its time (UUID version 7): later ones have the greater number.
 *
 * 40 bits of milliseconds since 2020 and 13 of a hash; good until 2054.
 */
export function timedNumberOf(id: string): number {
  const ms = Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16) - Date.UTC(2020, 0, 1);
  const low = createHash("sha256").update(id).digest().readUInt16BE(0) >> 3;
  return Math.max(0, ms) * 8192 + low;
}

/** An instant as Harbor writes it, with milliseconds. */
export function instant(ms: number): string {
  return new Date(ms).toISOString();
}

/** What Harbor writes for an instant that never was. */
export const neverInstant = "0001-01-01T00:00:00.000Z";

/** The instant of a text in ISO 8601, in Harbor's form. */
export function instantOf(text: string): string {
  return instant(Date.parse(text));
}
