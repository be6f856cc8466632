import { tickMs } from "../../base/clock.ts";
import { Failure, toFailure } from "../../base/errors.ts";
import { type SecretBox } from "../../base/secret-box.ts";
import { addAuditEvent } from "../../store/event-records.ts";
import {
  deletePeer,
  findPeer,
  listPeers,
  newPeerId,
  type PeerChoice,
  type PeerRecord,
  putPeer,
  recordPeerCheck,
  usesOfPeer,
} from "../../store/peer-records.ts";
import { type Store } from "../../store/store.ts";
import { openRemote, type RemoteRegistry } from "./remote.ts";
import { peerUrl } from "./session.ts";

/** What a peer is; Docker Hub keeps images without a namespace under `library/`. */
export const peerKinds = ["registry", "mintmark", "harbor", "docker-hub"] as const;
/** One of {@link peerKinds}. */
type PeerKind = (typeof peerKinds)[number];

/** Another registry as it is shown: whether there is a secret, never the secret. */
export interface Peer {
  readonly name: string;
  readonly kind: PeerKind;
  readonly url: string;
  readonly username: string | undefined;
  readonly hasSecret: boolean;
  readonly caPem: string | undefined;
  readonly insecure: boolean;
  readonly trustedHosts: readonly string[];
  /** Milliseconds since 1970. */
  readonly createdAt: number;
  readonly checkedAt: number | undefined;
  /** What was wrong at the last look. */
  readonly problem: string | undefined;
}

/** What of a peer can be chosen; undefined keeps what was, null takes it away. */
interface PeerChange {
  readonly kind?: PeerKind | undefined;
  readonly url?: string | undefined;
  readonly username?: string | null | undefined;
  readonly secret?: string | null | undefined;
  readonly caPem?: string | null | undefined;
  readonly insecure?: boolean | undefined;
  readonly trustedHosts?: readonly string[] | undefined;
}

/** How a look at a peer went. */
interface PeerCheck {
  readonly ok: boolean;
  readonly problem: string | undefined;
  readonly durationMs: number;
}

/** The registries that images go to and come from. */
export interface Peers {
  list(): Promise<Peer[]>;
  /** @throws Failure `not_found` */
  get(name: string): Promise<Peer>;
  /** @throws Failure `conflict` where the name is taken, `usage` */
  add(peer: PeerChange & { readonly name: string; readonly url: string }, actor: string): Promise<Peer>;
  /** Changes a peer. Another address without a new secret drops the secret: it was given for the old one. */
  change(name: string, change: PeerChange, actor: string): Promise<Peer>;
  /** @throws Failure `not_found`, `conflict` while rules or projects need it */
  remove(name: string, actor: string): Promise<void>;
  /** Signs in at the stored address with the stored credentials; no other address is ever tried with them. */
  check(name: string, signal?: AbortSignal): Promise<PeerCheck>;
  /**
   * A conversation with a peer, shared by all who ask; `hasty` gives up early, for clients that wait.
   *
   * @param nameOrId of the peer
   */
  open(nameOrId: string, manner?: "patient" | "hasty"): Promise<OpenPeer>;
  close(): void;
}

/** A peer that is spoken to. */
export interface OpenPeer {
  readonly id: string;
  readonly name: string;
  readonly kind: PeerKind;
  readonly url: string;
  readonly remote: RemoteRegistry;
}

const nameForm = /^[a-z0-9][a-z0-9.-]{0,62}$/;
const hasty = { triesMax: 2, retryMs: 200, idleMs: 15_000 } as const;

/** Opens the peers of a store; their secrets are sealed with the box. */
export function openPeers(store: Store, box: SecretBox): Peers {
  const conversations = openConversations(store, box);
  return {
    list: async () => (await listPeers(store.db)).map(shown),
    get: async (name) => shown(await known(store, name)),
    add: async ({ name, ...change }, actor) => {
      const id = newPeerId();
      const peer = chosen(box, { id, name, ...emptyPeer, url: change.url }, change);
      return await saved(store, peer, { actor, isNew: true });
    },
    async change(name, change, actor) {
      const before = await known(store, name);
      const peer = chosen(box, before, change);
      const after = await saved(store, peer, { actor, isNew: false });
      conversations.end(before.id);
      return after;
    },
    async remove(name, actor) {
      const { id } = await known(store, name);
      await store.transaction(async (db) => {
        const uses = await usesOfPeer(db, id);
        if (uses.length > 0)
          throw new Failure("conflict", `Cannot remove the peer "${name}": ${uses.slice(0, 5).join(", ")} needs it`, {
            hint: "Remove what needs it first",
          });
        await deletePeer(db, id);
        await addAuditEvent(db, { actor, action: "peer.deleted", subject: name });
      });
      conversations.end(id);
    },
    async check(name, signal) {
      const { id } = await known(store, name);
      const startedMs = tickMs();
      const problem = await problemOf(async () => {
        const { remote } = await conversations.open(id, "hasty");
        await remote.ping(signal);
      });
      await recordPeerCheck(store.db, id, problem);
      return { ok: problem === undefined, problem, durationMs: Math.round(tickMs() - startedMs) };
    },
    open: async (nameOrId, manner = "patient") => await conversations.open(nameOrId, manner),
    close: conversations.close,
  };
}

interface Conversations {
  open(nameOrId: string, manner: "patient" | "hasty"): Promise<OpenPeer>;
  /** Ends those with one peer. */
  end(id: string): void;
  close(this: void): void;
}

/** Conversations that are kept for as long as their peer does not change. */
function openConversations(store: Store, box: SecretBox): Conversations {
  const open = new Map<string, { readonly changedAt: number; readonly peer: OpenPeer }>();
  return {
    async open(nameOrId, manner) {
      const record = await known(store, nameOrId);
      const key = `${manner} ${record.id}`;
      const kept = open.get(key);
      if (kept?.changedAt === record.changedAt) return kept.peer;
      kept?.peer.remote.close();
      const remote = openRemote({ ...addressOf(box, record), ...(manner === "hasty" ? hasty : {}) });
      const peer = { id: record.id, name: record.name, kind: record.kind as PeerKind, url: record.url, remote };
      open.set(key, { changedAt: record.changedAt, peer });
      return peer;
    },
    end(id) {
      for (const [key, { peer }] of open) {
        if (peer.id !== id) continue;
        peer.remote.close();
        open.delete(key);
      }
    },
    close() {
      for (const { peer } of open.values()) peer.remote.close();
      open.clear();
    },
  };
}

async function problemOf(work: () => Promise<void>): Promise<string | undefined> {
  try {
    await work();
    return undefined;
  } catch (error) {
    return toFailure(error).message;
  }
}

const emptyPeer = {
  kind: "registry",
  username: undefined,
  sealedSecret: undefined,
  caPem: undefined,
  insecure: false,
  trustedHosts: [],
} as const;

async function known(store: Store, name: string): Promise<PeerRecord> {
  const peer = await findPeer(store.db, name);
  if (peer === undefined)
    throw new Failure("not_found", `Cannot find the peer "${name}": there is none of that name`, {
      hint: "`mintmark peer list` shows all, `mintmark peer add` adds one",
    });
  return peer;
}

/** The secret is sealed to the peer and its address: with another address it does not even open. */
function contextOf({ id, url }: Pick<PeerChoice, "id" | "url">): string {
  return `peer ${id} ${url}`;
}

function chosen(box: SecretBox, before: PeerChoice, change: PeerChange): PeerChoice {
  const url = peerUrl(change.url ?? before.url).origin;
  if (!nameForm.test(before.name))
    throw new Failure("usage", `Cannot name a peer "${before.name}": lower-case letters, digits, dots and dashes do`);
  const username = pick(change.username, before.username);
  const place = { id: before.id, url };
  const isMoved = url !== before.url;
  const secret = change.secret === undefined && (isMoved || username === undefined) ? null : change.secret;
  if (typeof secret === "string" && username === undefined)
    throw new Failure("usage", `Cannot keep a secret for the peer "${before.name}": there is no user name for it`);
  const caPem = pick(change.caPem, before.caPem);
  if (caPem !== undefined && !caPem.includes("-----BEGIN CERTIFICATE-----"))
    throw new Failure("usage", `Cannot use the certificate authority of the peer "${before.name}": it is not PEM`);
  return {
    ...place,
    name: before.name,
    kind: change.kind ?? before.kind,
    username,
    sealedSecret: typeof secret === "string" ? box.seal(secret, contextOf(place)) : pick(secret, before.sealedSecret),
    caPem,
    insecure: change.insecure ?? before.insecure,
    trustedHosts: (change.trustedHosts ?? before.trustedHosts).map(hostOf),
  };
}

function pick<Value>(change: Value | null | undefined, before: Value | undefined): Value | undefined {
  return change === undefined ? before : (change ?? undefined);
}

function hostOf(text: string): string {
  const url = URL.parse(`http://${text}`);
  if (url === null || url.pathname !== "/" || url.username !== "" || url.search !== "")
    throw new Failure("usage", `Cannot trust the host "${text.slice(0, 100)}": it is not host[:port]`);
  // The usual ports are left out of what addresses call their host.
  return text.toLowerCase().replace(/:(?:80|443)$/, "");
}

async function saved(
  store: Store,
  peer: PeerChoice,
  { actor, isNew }: { readonly actor: string; readonly isNew: boolean },
): Promise<Peer> {
  await store.transaction(async (db) => {
    if (isNew && (await findPeer(db, peer.name)) !== undefined)
      throw new Failure("conflict", `Cannot add the peer "${peer.name}": there is one of that name`);
    await putPeer(db, peer);
    await addAuditEvent(db, {
      actor,
      action: isNew ? "peer.created" : "peer.changed",
      subject: peer.name,
      details: {
        url: peer.url,
        username: peer.username,
        insecure: peer.insecure,
        hasSecret: peer.sealedSecret !== undefined,
      },
    });
  });
  return shown(await known(store, peer.id));
}

function addressOf(box: SecretBox, record: PeerRecord): Parameters<typeof openRemote>[0] {
  const { url, username, sealedSecret, caPem, insecure, trustedHosts } = record;
  const credential =
    username === undefined || sealedSecret === undefined
      ? undefined
      : { username, secret: box.open(sealedSecret, contextOf(record)) };
  return { url, credential, caPem, insecure, trustedHosts };
}

function shown(record: PeerRecord): Peer {
  const { name, kind, url, username, caPem, insecure, trustedHosts, createdAt, checkedAt } = record;
  return {
    name,
    kind: kind as PeerKind,
    url,
    username,
    hasSecret: record.sealedSecret !== undefined,
    caPem,
    insecure,
    trustedHosts,
    createdAt,
    checkedAt,
    problem: record.checkProblem,
  };
}
