import { newId, nowMs } from "../base/clock.ts";
import { type Database } from "./database.ts";

/** A peer as it is stored; the secret is sealed. */
export interface PeerRecord {
  readonly id: string;
  readonly name: string;
  readonly kind: string;
  readonly url: string;
  readonly username: string | undefined;
  readonly sealedSecret: string | undefined;
  readonly caPem: string | undefined;
  readonly insecure: boolean;
  readonly trustedHosts: readonly string[];
  /** Milliseconds since 1970, as all instants here. */
  readonly createdAt: number;
  readonly changedAt: number;
  readonly checkedAt: number | undefined;
  readonly checkProblem: string | undefined;
}

/** What of a peer is chosen by its owner. */
export type PeerChoice = Omit<PeerRecord, "createdAt" | "changedAt" | "checkedAt" | "checkProblem">;

/** A new id for a peer: its secret is sealed to it before it is stored. */
export function newPeerId(): string {
  return newId();
}

/** Adds a peer or changes the one with its id. Call it in a transaction. */
export async function putPeer(db: Database, peer: PeerChoice): Promise<void> {
  const now = nowMs();
  const columns = {
    name: peer.name,
    kind: peer.kind,
    url: peer.url,
    username: peer.username ?? null,
    secret: peer.sealedSecret ?? null,
    ca_pem: peer.caPem ?? null,
    insecure: peer.insecure ? 1 : 0,
    trusted_hosts: JSON.stringify(peer.trustedHosts),
    changed_at: now,
  };
  await db
    .insertInto("peers")
    .values({ id: peer.id, ...columns, created_at: now })
    .onConflict((conflict) => conflict.column("id").doUpdateSet(columns))
    .execute();
}

/** A peer by its name or id. */
export async function findPeer(db: Database, nameOrId: string): Promise<PeerRecord | undefined> {
  const row = await db
    .selectFrom("peers")
    .selectAll()
    .where((where) => where.or([where("name", "=", nameOrId), where("id", "=", nameOrId)]))
    .executeTakeFirst();
  return row === undefined ? undefined : peerOf(row);
}

/** All peers by name. */
export async function listPeers(db: Database): Promise<PeerRecord[]> {
  return (await db.selectFrom("peers").selectAll().orderBy("name").execute()).map(peerOf);
}

/** What a peer is needed for: names of rules and proxy projects. */
export async function usesOfPeer(db: Database, id: string): Promise<string[]> {
  const rules = await db.selectFrom("replication_rules").select("name").where("peer", "=", id).execute();
  const projects = await db.selectFrom("proxy_projects").select("project").where("peer", "=", id).execute();
  return [
    ...rules.map(({ name }) => `the rule "${name}"`),
    ...projects.map(({ project }) => `the project "${project}"`),
  ];
}

/** Removes a peer that nothing needs. */
export async function deletePeer(db: Database, id: string): Promise<void> {
  await db.deleteFrom("peers").where("id", "=", id).execute();
}

/** Notes how the last look at a peer went. */
export async function recordPeerCheck(db: Database, id: string, problem: string | undefined): Promise<void> {
  await db
    .updateTable("peers")
    .set({ checked_at: nowMs(), check_problem: problem ?? null })
    .where("id", "=", id)
    .execute();
}

function peerOf(row: {
  id: string;
  name: string;
  kind: string;
  url: string;
  username: string | null;
  secret: string | null;
  ca_pem: string | null;
  insecure: number;
  trusted_hosts: string;
  created_at: number;
  changed_at: number;
  checked_at: number | null;
  check_problem: string | null;
}): PeerRecord {
  return {
    id: row.id,
    name: row.name,
    kind: row.kind,
    url: row.url,
    username: row.username ?? undefined,
    sealedSecret: row.secret ?? undefined,
    caPem: row.ca_pem ?? undefined,
    insecure: row.insecure === 1,
    trustedHosts: JSON.parse(row.trusted_hosts) as string[],
    createdAt: row.created_at,
    changedAt: row.changed_at,
    checkedAt: row.checked_at ?? undefined,
    checkProblem: row.check_problem ?? undefined,
  };
}
