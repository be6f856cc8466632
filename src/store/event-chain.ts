import { sha256Hex } from "../base/hash.ts";

/** The facts of one event that its hash covers; the texts exactly as they are stored. */
export interface ChainedFacts {
  /** 1, 2, 3 … without gaps. */
  readonly sequence: number;
  readonly id: string;
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly actor: string;
  readonly address: string | null;
  readonly action: string;
  readonly project: string | null;
  readonly subject: string;
  /** JSON text. */
  readonly details: string;
}

/** The hash before the first event: 64 zeros. */
export const genesisHash = "0".repeat(64);

/**
 * The hash of an event: SHA-256 in lower-case hex over the UTF-8 bytes of one JSON array, written as RFC 8785 does.
 *
 * The array is `["mintmark-event-1", previousHash, sequence, id, at, actor, address, action, project, subject,
 * details]` with null for an absent address or project and `details` as the stored JSON text, a string in the array.
 */
export function eventHash(previousHash: string, event: ChainedFacts): string {
  const { sequence, id, at, actor, address, action, project, subject, details } = event;
  return sha256Hex(
    JSON.stringify([
      "mintmark-event-1",
      previousHash,
      sequence,
      id,
      at,
      actor,
      address,
      action,
      project,
      subject,
      details,
    ]),
  );
}
