import { verify as verifySignature } from "node:crypto";
import { sha256Hex } from "../../base/hash.ts";
import { chainEnds, type ChainPlace, findSuccessor, hashOfRow, readChain } from "../../store/event-chain-records.ts";
import { addAuditEvent, readDetails } from "../../store/event-records.ts";
import type { Store } from "../../store/store.ts";

/** What is wrong with the chain, and where first. */
interface ChainFault {
  readonly sequence: number;
  /**
   * `changed`: the event does not give its hash. `missing`: events are not there. `reordered`: another event stands in
   * its place. `added`: events beyond the end. `anchor`: what was kept outside or of the last purge differs.
   * `seal`: a signature over the chain does not fit.
   */
  readonly kind: "changed" | "missing" | "reordered" | "added" | "anchor" | "seal";
  /** One sentence. */
  readonly about: string;
}

/** What a walk along the chain found. */
export interface ChainReport {
  readonly isIntact: boolean;
  readonly checkedCount: number;
  /** Signed heads among the events, whose signatures were right. */
  readonly sealCount: number;
  /** The last event that was purged: the walk begins after it. */
  readonly anchor: ChainPlace;
  readonly head: ChainPlace;
  readonly fault: ChainFault | undefined;
}

/** What the chain is held against, beside itself. */
export interface ChainChecks {
  /** A place that was written down outside earlier. */
  readonly kept?: Pick<ChainPlace, "sequence" | "hash"> | undefined;
  /** PEM of the key that signs heads. */
  readonly sealKey?: string | undefined;
}

const pageCount = 1000;

/** Walks the chain from its anchor to its head and stops at the first fault. */
export async function verifyChain(store: Store, checks: ChainChecks = {}): Promise<ChainReport> {
  for (;;) {
    const ends = await chainEnds(store.db);
    const report = await walk(store, ends, checks);
    // What was purged under our feet is no fault: begin again after it.
    const isMoved = (await chainEnds(store.db)).anchor.sequence !== ends.anchor.sequence;
    if (report.isIntact || !isMoved) return report;
  }
}

interface Ends {
  readonly head: ChainPlace;
  readonly anchor: ChainPlace;
}

async function walk(store: Store, { head, anchor }: Ends, checks: ChainChecks): Promise<ChainReport> {
  const walker = new Walker(store, anchor, checks);
  let fault = checkKept(checks.kept, { head, anchor });
  while (fault === undefined && walker.place.sequence < head.sequence) {
    const rows = await readChain(store.db, { after: walker.place.sequence, limit: pageCount });
    if (rows.length === 0) fault = missing(walker.place.sequence + 1, head.sequence);
    for (const row of rows) {
      if (fault !== undefined || row.sequence > head.sequence) break;
      fault = await walker.step(row);
    }
    await new Promise((resolve) => setImmediate(resolve));
  }
  fault ??= walker.checkEnd(head);
  const { checkedCount, sealCount } = walker;
  return { isIntact: fault === undefined, checkedCount, sealCount, anchor, head, fault };
}

function checkKept(kept: ChainChecks["kept"], { head, anchor }: Ends): ChainFault | undefined {
  if (kept === undefined) return undefined;
  if (kept.sequence > head.sequence) return missing(head.sequence + 1, kept.sequence);
  if (kept.sequence < anchor.sequence)
    return {
      sequence: kept.sequence,
      kind: "anchor",
      about: `Event ${kept.sequence} was purged (up to ${anchor.sequence}): it cannot be compared any more`,
    };
  return kept.sequence === anchor.sequence && kept.hash !== anchor.hash ? keptFault(kept.sequence) : undefined;
}

type Row = Awaited<ReturnType<typeof readChain>>[number];

class Walker {
  readonly #store: Store;
  readonly #checks: ChainChecks;
  readonly #anchor: ChainPlace;
  #purged: { readonly by: number; readonly sequence: unknown; readonly hash: unknown } | undefined;
  place: Pick<ChainPlace, "sequence" | "hash">;
  checkedCount = 0;
  sealCount = 0;
  /** The hashes of the newest places, for seals, which name the one before them. */
  #previous: Pick<ChainPlace, "sequence" | "hash">;

  constructor(store: Store, anchor: ChainPlace, checks: ChainChecks) {
    this.#store = store;
    this.#checks = checks;
    this.#anchor = anchor;
    this.place = anchor;
    this.#previous = anchor;
  }

  async step(row: Row): Promise<ChainFault | undefined> {
    const { sequence, hash } = this.place;
    if (row.sequence !== sequence + 1) return missing(sequence + 1, row.sequence - 1);
    if (row.previous_hash !== hash || hashOfRow(hash, row) !== row.hash) return await this.#explain(row);
    this.#previous = this.place;
    this.place = { sequence: row.sequence, hash: row.hash };
    this.checkedCount += 1;
    const { kept } = this.#checks;
    if (kept?.sequence === row.sequence && kept.hash !== row.hash) return keptFault(row.sequence);
    if (row.action === "audit.purged") this.#readPurge(row);
    return row.action === sealedAction ? this.#checkSeal(row) : undefined;
  }

  checkEnd(head: ChainPlace): ChainFault | undefined {
    if (this.place.hash !== head.hash)
      return { sequence: head.sequence, kind: "changed", about: `Event ${head.sequence} is not the one that was last` };
    const purged = this.#purged;
    const { sequence, hash } = this.#anchor;
    if (purged !== undefined && (purged.sequence !== sequence || purged.hash !== hash))
      return {
        sequence: purged.by,
        kind: "anchor",
        about: `Event ${purged.by} tells of another purge than the one that the chain begins after`,
      };
    return undefined;
  }

  async #explain(row: Row): Promise<ChainFault> {
    const { sequence } = row;
    if (row.previous_hash === this.place.hash)
      return { sequence, kind: "changed", about: `Event ${sequence} does not give its hash: it was changed` };
    const follower = await findSuccessor(this.#store.db, { hash: this.place.hash, beyond: sequence });
    if (follower !== undefined)
      return {
        sequence,
        kind: "reordered",
        about: `Event ${sequence} is not the one that followed: that stands as event ${follower} now`,
      };
    return {
      sequence,
      kind: "changed",
      about: `Event ${sequence} does not follow the one before it: one of the two was replaced`,
    };
  }

  #readPurge(row: Row): void {
    const details = readDetails(row.details);
    this.#purged = { by: row.sequence, sequence: details["sequence"], hash: details["hash"] };
  }

  #checkSeal(row: Row): ChainFault | undefined {
    const { sealKey } = this.#checks;
    const seal: Partial<Seal> = readDetails(row.details);
    if (sealKey === undefined || seal.key !== keyName(sealKey)) return undefined;
    const isRight =
      seal.sequence === this.#previous.sequence &&
      seal.hash === this.#previous.hash &&
      verifySignature("sha256", sealedBytes(this.#previous), sealKey, Buffer.from(String(seal.signature), "base64"));
    if (!isRight)
      return {
        sequence: row.sequence,
        kind: "seal",
        about: `Event ${row.sequence} is a signature that does not fit the events before it`,
      };
    this.sealCount += 1;
    return undefined;
  }
}

function missing(first: number, last: number): ChainFault {
  const about = first >= last ? `Event ${first} is missing` : `Events ${first} to ${last} are missing`;
  return { sequence: first, kind: "missing", about };
}

function keptFault(sequence: number): ChainFault {
  return { sequence, kind: "anchor", about: `Event ${sequence} has another hash than the one that was kept outside` };
}

const sealedAction = "audit.sealed";

/** What a sealing event tells. */
interface Seal {
  readonly sequence: number;
  readonly hash: string;
  /** SHA-256 of the public key's PEM. */
  readonly key: string;
  /** ECDSA P-256 over SHA-256, DER in base64. */
  readonly signature: string;
}

/** A key that seals the chain. */
export interface SealKey {
  readonly publicPem: string;
  sign(bytes: Uint8Array): Buffer;
}

/**
 * Signs the head of the chain and adds the signature as an event; nothing where the head is such an event already.
 *
 * Who rewrites the database later cannot sign what it says then.
 */
export async function sealChain(store: Store, key: SealKey): Promise<void> {
  await store.transaction(async (db) => {
    const { head } = await chainEnds(db);
    const [last] = await readChain(db, { after: head.sequence - 1, limit: 1 });
    if (last === undefined || last.action === sealedAction) return;
    const seal: Seal = {
      sequence: head.sequence,
      hash: head.hash,
      key: keyName(key.publicPem),
      signature: key.sign(sealedBytes(head)).toString("base64"),
    };
    await addAuditEvent(db, { actor: "schedule", action: sealedAction, subject: "audit", details: { ...seal } });
  });
}

function sealedBytes({ sequence, hash }: Pick<ChainPlace, "sequence" | "hash">): Buffer {
  return Buffer.from(`mintmark-audit-head-1\n${sequence}\n${hash}\n`);
}

function keyName(publicPem: string): string {
  return sha256Hex(publicPem);
}
