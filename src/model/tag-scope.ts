import { readGlob, type Glob } from "./glob.ts";
import { projectOf } from "./permission.ts";

/** Which tags of a project a rule is about. */
export interface TagScope {
  /** A pattern over the repository's name, whole or without its project; every repository where absent. */
  readonly repositoryPattern?: string;
  /** True turns the pattern round: every repository but those. */
  readonly excludesRepositories?: boolean;
  /** A pattern over the tag. */
  readonly tagPattern: string;
  /** True turns the pattern round: every tag but those. */
  readonly excludesTags?: boolean;
}

/** A scope whose patterns are ready to be matched. */
export interface ReadTagScope {
  covers(repository: string): boolean;
  /** Whether the tag fits, in a repository that the scope covers. */
  fits(tag: string): boolean;
}

/** Makes a scope ready; a message that fits after a colon where one of its patterns cannot be read. */
export function readTagScope(scope: TagScope): ReadTagScope | { readonly invalid: string } {
  const repository = readPart("repository", scope.repositoryPattern ?? "**");
  if ("invalid" in repository) return repository;
  const tag = readPart("tag", scope.tagPattern);
  if ("invalid" in tag) return tag;
  const { excludesRepositories = false, excludesTags = false } = scope;
  return {
    covers: (name) => matchesRepository(repository, name) !== excludesRepositories,
    fits: (name) => tag.matches(name) !== excludesTags,
  };
}

/** A scope in words: `tags "v*" in repositories but "team/**"`. */
export function describeTagScope(scope: TagScope): string {
  const tags = scope.excludesTags === true ? `tags but "${scope.tagPattern}"` : `tags "${scope.tagPattern}"`;
  if (scope.repositoryPattern === undefined) return tags;
  return `${tags} in repositories ${scope.excludesRepositories === true ? "but " : ""}"${scope.repositoryPattern}"`;
}

function readPart(name: string, pattern: string): Glob | { readonly invalid: string } {
  const glob = readGlob(pattern);
  return "invalid" in glob ? { invalid: `the ${name} pattern "${pattern}": ${glob.invalid}` } : glob;
}

/** People write `base` or `team/base` for the same repository of the project `team`. */
function matchesRepository(glob: Glob, name: string): boolean {
  return glob.matches(name) || glob.matches(name.slice(projectOf(name).length + 1));
}
