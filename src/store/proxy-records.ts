import { nowMs } from "../base/clock.ts";
import { type Digest } from "../model/digest.ts";
import { type Database } from "./database.ts";

/** A project whose content comes from a peer. */
export interface ProxyProjectRecord {
  readonly project: string;
  /** The id of the peer. */
  readonly peer: string;
  /** What stands before the repository's name at the peer; empty for nothing. */
  readonly namespace: string;
  /** Patterns over the name at the peer; empty lets all through. */
  readonly allowed: readonly string[];
  /** How long a tag is believed before the peer is asked again. */
  readonly freshSeconds: number;
  /** How long a "no" of the peer is believed. */
  readonly missingSeconds: number;
  /** The host whose images clients ask for with `?ns=`. */
  readonly mirroredHost: string | undefined;
}

/** All proxy projects by name. */
export async function listProxyProjects(db: Database): Promise<ProxyProjectRecord[]> {
  const rows = await db.selectFrom("proxy_projects").selectAll().orderBy("project").execute();
  return rows.map((row) => ({
    project: row.project,
    peer: row.peer,
    namespace: row.namespace,
    allowed: JSON.parse(row.allowed) as string[],
    freshSeconds: row.fresh_seconds,
    missingSeconds: row.missing_seconds,
    mirroredHost: row.mirrored_host ?? undefined,
  }));
}

/** Makes a project a proxy cache or changes how it is one. Call it in a transaction. */
export async function putProxyProject(db: Database, proxy: ProxyProjectRecord): Promise<void> {
  const columns = {
    peer: proxy.peer,
    namespace: proxy.namespace,
    allowed: JSON.stringify(proxy.allowed),
    fresh_seconds: proxy.freshSeconds,
    missing_seconds: proxy.missingSeconds,
    mirrored_host: proxy.mirroredHost ?? null,
  };
  await db
    .insertInto("proxy_projects")
    .values({ project: proxy.project, ...columns, created_at: nowMs() })
    .onConflict((conflict) => conflict.column("project").doUpdateSet(columns))
    .execute();
}

/** Makes a proxy cache an ordinary project; what it holds stays. False where it was none. */
export async function deleteProxyProject(db: Database, project: string): Promise<boolean> {
  const gone = await db.deleteFrom("proxy_projects").where("project", "=", project).executeTakeFirst();
  await db.deleteFrom("proxy_answers").where("repository", "like", `${project}/%`).execute();
  return gone.numDeletedRows > 0n;
}

/** What a peer said last about a tag or digest, and when in milliseconds. */
export interface ProxyAnswer {
  /** Undefined where the peer had nothing. */
  readonly digest: Digest | undefined;
  readonly checkedAt: number;
}

/** What the peer said last. */
export async function findProxyAnswer(
  db: Database,
  repository: string,
  reference: string,
): Promise<ProxyAnswer | undefined> {
  const row = await db
    .selectFrom("proxy_answers")
    .select(["digest", "checked_at"])
    .where("repository", "=", repository)
    .where("reference", "=", reference)
    .executeTakeFirst();
  return row === undefined ? undefined : { digest: row.digest ?? undefined, checkedAt: row.checked_at };
}

/** Notes what the peer says now. */
export async function recordProxyAnswer(
  db: Database,
  asked: { readonly repository: string; readonly reference: string },
  digest: Digest | undefined,
): Promise<void> {
  const columns = { digest: digest ?? null, checked_at: nowMs() };
  await db
    .insertInto("proxy_answers")
    .values({ ...asked, ...columns })
    .onConflict((conflict) => conflict.columns(["repository", "reference"]).doUpdateSet(columns))
    .execute();
}

/** Forgets the "no" of peers that are older than an instant in milliseconds: guessed names fill no disk. */
export async function expireProxyAnswers(db: Database, before: number): Promise<void> {
  await db.deleteFrom("proxy_answers").where("digest", "is", null).where("checked_at", "<", before).execute();
}

/** Whether a manifest of a repository names a blob or manifest. */
export async function isNamedInRepository(db: Database, repository: string, digest: Digest): Promise<boolean> {
  const row = await db
    .selectFrom("manifest_edges")
    .innerJoin("manifests", "manifests.digest", "manifest_edges.parent")
    .select("manifests.digest")
    .where("manifest_edges.child", "=", digest)
    .where("manifests.repository", "=", repository)
    .limit(1)
    .executeTakeFirst();
  return row !== undefined;
}
