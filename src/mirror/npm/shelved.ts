import { nowMs } from "../../base/clock.ts";
import { sha256Hex } from "../../base/hash.ts";
import type { Publication, Shelf } from "../format.ts";
import { searchSource } from "./classify.ts";
import type { Packument } from "./packument.ts";
import { withSearchEntry } from "./search.ts";

/** A package as it was published here, and the shelf that it stands on. */
export interface Shelved {
  readonly name: string;
  readonly shelf: Shelf;
  readonly packument: Packument;
}

interface Change {
  readonly status: number;
  /** The version that the change is about, where it is about one. */
  readonly version?: string;
  readonly files: Publication["files"];
  readonly removed: readonly string[];
}

/** What a change of a package's document writes: the document with a new revision, and the list for searches. */
export async function publication(shelved: Shelved, change: Change): Promise<Publication> {
  const { name, packument, shelf } = shelved;
  packument.time["modified"] = instant();
  packument._rev = nextRevision(packument);
  const search = withSearchEntry(await shelf.read(searchSource), packument);
  const mediaType = "application/json";
  return {
    subject: { name, ...(change.version === undefined ? {} : { version: change.version }) },
    files: change.files,
    documents: [
      { source: name, bytes: Buffer.from(JSON.stringify(packument)), mediaType },
      { source: searchSource, bytes: search, mediaType },
    ],
    removed: change.removed,
    answer: {
      status: change.status,
      mediaType,
      body: JSON.stringify({ ok: true, success: true, id: name, rev: packument._rev }),
    },
  };
}

/** Now, to the millisecond, as npm writes it. */
export function instant(): string {
  return new Date(nowMs()).toISOString();
}

function nextRevision(packument: Packument): string {
  const count = Number.parseInt(packument._rev ?? "0", 10) + 1;
  return `${count}-${sha256Hex(JSON.stringify(packument)).slice(0, 32)}`;
}
