import type { WriteRefusal } from "../format.ts";

/** A "no" as npm's clients print it: they show the member `error`. */
export function refuse(status: number, reason: string): WriteRefusal {
  return { refused: true, status, mediaType: "application/json", body: JSON.stringify({ error: reason }) };
}
