import type {
  AcceptedJob,
  CollectionPlan,
  CollectionRunList,
  Explanation,
  NewCollection,
  NewScrub,
  Restored,
  RestoreWish,
  Trash,
} from "./api-types.ts";
import type { Asking } from "./event-operations.ts";

/** The operations about garbage collection, its trash, and scrubbing. */
export interface CollectionOperations {
  startCollection(collection: NewCollection): Promise<AcceptedJob>;
  startScrub(scrub: NewScrub): Promise<AcceptedJob>;
  /** Collections and scrubs, newest first. */
  collections(): Promise<CollectionRunList>;
  /** What the last dry run would have taken. */
  collectionPlan(): Promise<CollectionPlan>;
  trash(): Promise<Trash>;
  restoreFromTrash(wish: RestoreWish): Promise<Restored>;
  explainDigest(digest: string): Promise<Explanation>;
}

/** The operations about garbage collection, over what sends requests. */
export function collectionOperations({ json }: Asking): CollectionOperations {
  const get = <Answer>(path: string): Promise<Answer> => json({ method: "GET", path: `/api/v1${path}` });
  const post = <Answer>(path: string, body: unknown): Promise<Answer> =>
    json({ method: "POST", path: `/api/v1${path}`, body });
  return {
    startCollection: (collection) => post("/gc", collection),
    startScrub: (scrub) => post("/scrub", scrub),
    collections: () => get("/gc/runs"),
    collectionPlan: () => get("/gc/plan"),
    trash: () => get("/gc/trash"),
    restoreFromTrash: (wish) => post("/gc/restore", wish),
    explainDigest: (digest) => get(`/gc/explain/${encodeURIComponent(digest)}`),
  };
}
