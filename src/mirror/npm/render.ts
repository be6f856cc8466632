import { Failure } from "../../base/errors.ts";
import type { Rendered, RenderInput } from "../format.ts";
import { abbreviate } from "./abbreviate.ts";
import { keysSource, searchSource } from "./classify.ts";
import { mergeTags, repointTags } from "./dist-tags.ts";
import { attestationsPath, tarballPath } from "./package-name.ts";
import { isObject, ownMember, type Packument, parsePackument } from "./packument.ts";
import { renderKeys } from "./keys.ts";
import { renderSearch } from "./search.ts";
import { compareVersions } from "../version-order.ts";

/**
 * Makes what npm's clients get of a package: the whole document, the short one, the tags, or one version.
 *
 * Addresses of tarballs and attestations become ours; everything else stays what the registry said. `write` is what npm
 * reads before it changes something: all that is there, policy or not.
 *
 * @throws Failure `not_found`, `upstream_unreachable`
 */
export function render(input: RenderInput): Rendered {
  if (input.source === keysSource) return json(renderKeys(input.documents));
  if (input.source.startsWith(searchSource)) return json(renderSearch(input));
  const packument = merge(input);
  if (input.variant === "write") return json(rewrite(packument, input.base));
  withhold(packument, input.withheld);
  return renderVariant(rewrite(packument, input.base), input);
}

function renderVariant(packument: Packument, { variant, source, withheld }: RenderInput): Rendered {
  if (variant === "full") return json(packument);
  if (variant === "abbreviated")
    return { ...json(abbreviate(packument)), mediaType: "application/vnd.npm.install-v1+json" };
  if (variant === "dist-tags") return json(packument["dist-tags"]);
  const wanted = variant.slice("version:".length);
  const version = ownMember(packument["dist-tags"], wanted) ?? wanted;
  const manifest = ownMember(packument.versions, version);
  if (manifest !== undefined) return json(manifest);
  const reason = withheld.get(version) ?? withheld.get("*");
  throw new Failure(
    "not_found",
    `Cannot give "${source}@${wanted}": ${reason === undefined ? "there is no such version" : `it is withheld: ${reason}`}`,
  );
}

function json(value: unknown): Rendered {
  return { bytes: Buffer.from(JSON.stringify(value)), mediaType: "application/json" };
}

/** One document of those of a group's members: of the same version the first member's counts. */
function merge({ documents, source }: RenderInput): Packument {
  const [first, ...others] = documents.map((document) => parsePackument(document, source));
  for (const other of others) {
    for (const [version, manifest] of Object.entries(other.versions))
      if (!Object.hasOwn(first!.versions, version)) {
        define(first!.versions, version, manifest);
        const published = ownMember(other.time, version);
        if (published !== undefined) define(first!.time, version, published);
      }
    mergeTags(first!["dist-tags"], other["dist-tags"]);
  }
  if (Object.hasOwn(first!.time, "unpublished") && Object.keys(first!.versions).length === 0)
    throw new Failure("not_found", `Cannot give "${source}": it was unpublished`);
  return first!;
}

/** Sets a member even where it is called `__proto__`. */
function define(record: Record<string, unknown>, name: string, value: unknown): void {
  Object.defineProperty(record, name, { value, enumerable: true, configurable: true, writable: true });
}

/** How many reasons npm is told; more would hide the command that was given. */
const reasonsShown = 5;

/**
 * Moves withheld versions to where npm looks for what a policy forbids: asked for one of them, or for nothing else, it
 * prints the message. Other clients do not find them. Source: npm-pick-manifest, `policyRestrictions`.
 */
function withhold(packument: Packument, withheld: ReadonlyMap<string, string>): void {
  const gone = Object.keys(packument.versions).flatMap((version) => {
    const reason = withheld.get(version) ?? withheld.get("*");
    return reason === undefined ? [] : [{ version, reason }];
  });
  if (gone.length === 0) return;
  const { name } = packument;
  for (const { version } of gone) {
    delete packument.versions[version];
    delete packument.time[version];
  }
  repointTags(packument);
  const newest = gone.toSorted((a, b) => compareVersions(b.version, a.version)).slice(0, reasonsShown);
  const lines = newest.map(({ version, reason }) => `${name}@${version} is withheld: ${reason}`);
  if (gone.length > lines.length) lines.push(`and ${gone.length - lines.length} older versions`);
  const versions = Object.fromEntries(gone.map(({ version }) => [version, { name, version }]));
  packument["policyRestrictions"] = { message: lines.join("\n"), versions };
}

/** Puts our addresses in the place of the upstream's, in the document itself. */
function rewrite(packument: Packument, base: string): Packument {
  for (const [version, { dist }] of Object.entries(packument.versions)) {
    if (!isObject(dist)) continue;
    dist.tarball = `${base}/${tarballPath(packument.name, version)}`;
    if (isObject(dist.attestations)) dist.attestations["url"] = `${base}/${attestationsPath(packument.name, version)}`;
  }
  return packument;
}
