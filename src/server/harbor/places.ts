import type { FastifyRequest } from "fastify";
import { z } from "zod";
import { Failure } from "../../base/errors.ts";
import type { Digest } from "../../model/digest.ts";
import type { ProjectAction } from "../../model/permission.ts";
import type { ProjectRecord } from "../../store/projects-records.ts";
import type { Caller } from "../access.ts";
import type { ApiContext } from "../api-app.ts";
import { fullRepository } from "./names.ts";
import { notFound } from "./refusals.ts";

/** A project in a path, by name or number. */
export const projectParams = z.object({ project: z.string().min(1).max(255) });

/** A repository in a path. */
export const repositoryParams = projectParams.extend({ repository: z.string().min(1).max(1000) });

/** An artifact in a path, by tag or digest. */
export const artifactParams = repositoryParams.extend({ reference: z.string().min(1).max(200) });

/** A number in a path. */
export const numberInPath = z.coerce.number().int().min(0);

type Asking = Pick<FastifyRequest, "caller" | "headers">;

/**
 * The project of a path: digits are its number unless the request says that they are a name.
 *
 * Who does not see it, or lacks the ability, gets 401 without an account and 403 with one, as from Harbor; that there
 * is none of the name is told to those alone who see everything.
 *
 * @throws Failure `unauthorized`, `forbidden`, `not_found`
 */
export async function foundProject(
  { accounts: { projects } }: ApiContext,
  request: Asking,
  { project: given, action }: { readonly project: string; readonly action?: ProjectAction },
): Promise<ProjectRecord> {
  const isNumber = /^\d{1,15}$/.test(given) && request.headers["x-is-resource-name"] !== "true";
  const project = isNumber ? await projects.findById(Number(given)) : await projects.find(given);
  const { caller } = request;
  if (project === undefined && caller.sees(given)) throw notFound(`project ${given} not found`);
  const isAllowed =
    project !== undefined && (action === undefined ? caller.sees(project.name) : caller.may(action, project.name));
  if (!isAllowed) throw refusedTo(caller);
  return project;
}

/** What a caller gets who may not do what it asks for. */
export function refusedTo(caller: Caller): Failure {
  return caller.role === "anonymous"
    ? new Failure("unauthorized", "unauthorized")
    : new Failure("forbidden", "forbidden", { details: { account: caller.name } });
}

/** Lets those through who may. @throws Failure `unauthorized`, `forbidden` */
export function requireMay(caller: Caller, action: ProjectAction, place: string): void {
  if (!caller.may(action, place)) throw refusedTo(caller);
}

/** Whether a caller administrates the whole system. */
export function isAdmin(caller: Caller): boolean {
  return caller.role === "administrator";
}

/** A repository of a project. */
export interface FoundRepository {
  readonly project: ProjectRecord;
  /** Its full name. */
  readonly repository: string;
}

interface RepositoryWish {
  readonly project: string;
  readonly repository: string;
  readonly action: ProjectAction;
}

/** The repository of a path, which need not hold anything. @throws Failure as {@link foundProject} */
export async function foundRepository(
  context: ApiContext,
  request: Asking,
  { project: given, repository: name, action }: RepositoryWish,
): Promise<FoundRepository> {
  const project = await foundProject(context, request, { project: given });
  const repository = fullRepository(project.name, name);
  requireMay(request.caller, action, repository);
  return { project, repository };
}

/** An artifact of a repository. */
export interface FoundArtifact extends FoundRepository {
  readonly digest: Digest;
  readonly mediaType: string;
  readonly bytes: Buffer;
}

/** The artifact of a path. @throws Failure as {@link foundProject} */
export async function foundArtifact(
  context: ApiContext,
  request: Asking,
  wish: RepositoryWish & { readonly reference: string },
): Promise<FoundArtifact> {
  const found = await foundRepository(context, request, wish);
  const { repository } = found;
  const manifest = await context.factory.registry.getManifest(repository, wish.reference);
  if (manifest === undefined)
    throw notFound(`artifact ${repository}${wish.reference.includes(":") ? "@" : ":"}${wish.reference} not found`);
  return { ...found, ...manifest };
}
