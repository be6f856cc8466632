import { Failure } from "../base/errors.ts";
import { readGlob } from "../model/glob.ts";
import { type MirrorRepository } from "./contract.ts";

const nameForm = /^[a-z0-9][a-z0-9._-]{0,63}$/;
const secondsMax = 10 * 365 * 24 * 60 * 60;

/**
 * Sees that a repository is as it must be.
 *
 * @throws Failure `usage` that names what is wrong
 */
export function checkRepository(
  repository: MirrorRepository,
  { find, all }: { readonly find: Look["find"]; readonly all: readonly MirrorRepository[] },
): void {
  const { name, kind, upstream } = repository;
  const wrong = (state: string): Failure => new Failure("usage", `Cannot use the repository "${name}": ${state}`);
  if (!nameForm.test(name)) throw wrong("a name has lower-case letters, digits, points, hyphens and underscores");
  if (kind === "hosted" && repository.format === "apt")
    throw wrong(
      "Debian packages cannot be published here, since their archives are signed by OpenPGP; proxy your archive",
    );
  if (kind === "proxy" && upstream === undefined && repository.allowed === undefined)
    throw wrong("a proxy needs the address of its upstream");
  if (kind !== "proxy" && upstream !== undefined) throw wrong(`a ${kind} repository has no upstream`);
  if (upstream !== undefined && !/^https?:\/\/[^/]/.test(upstream))
    throw wrong("its upstream is no http or https address");
  if (kind !== "group" && repository.members !== undefined) throw wrong(`a ${kind} repository has no members`);
  if (kind === "group") checkMembers(repository, { find, wrong });
  const publicGroup = all.find((one) => one.isPublic && one.members?.includes(name) === true);
  if (!repository.isPublic && publicGroup !== undefined)
    throw wrong(`everybody may read it through the group "${publicGroup.name}"`);
  const { checksumDatabase } = repository;
  if (checksumDatabase !== undefined && !/^[a-z0-9.-]{1,253}$/.test(checksumDatabase))
    throw wrong(`"${checksumDatabase}" is no name of a checksum database`);
  for (const seconds of [repository.metadataSeconds, repository.missingSeconds, repository.staleSeconds])
    if (!Number.isInteger(seconds) || seconds < 0 || seconds > secondsMax) throw wrong("a time is whole seconds");
  for (const pattern of [...(repository.reserved ?? []), ...(repository.allowed ?? []).map(({ path }) => path)]) {
    const glob = readGlob(pattern);
    if ("invalid" in glob) throw wrong(`the pattern "${pattern}": ${glob.invalid}`);
  }
  for (const { host, sha256 } of repository.allowed ?? []) {
    if (!/^[a-z0-9.-]+(?::\d+)?$/.test(host)) throw wrong(`"${host}" is no host`);
    if (sha256 !== undefined && !/^[0-9a-f]{64}$/.test(sha256)) throw wrong(`"${sha256}" is no SHA-256`);
  }
}

interface Look {
  readonly find: (name: string) => MirrorRepository | undefined;
  readonly wrong: (state: string) => Failure;
}

function checkMembers({ name, format, isPublic, members = [] }: MirrorRepository, { find, wrong }: Look): void {
  const seen = new Set<string>();
  const visit = (one: string): void => {
    if (one === name) throw wrong("it would be a member of itself");
    if (seen.has(one)) return;
    seen.add(one);
    const member = find(one);
    if (member === undefined) throw wrong(`there is no repository "${one}"`);
    if (member.format !== format) throw wrong(`its member "${one}" is of the format "${member.format}"`);
    if (isPublic && !member.isPublic) throw wrong(`everybody would read its member "${one}", which is not public`);
    for (const inner of member.members ?? []) visit(inner);
  };
  for (const member of members) visit(member);
}
