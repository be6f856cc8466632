import type { SourceDocument } from "../format.ts";
import { isObject, type JsonObject, readObject } from "./packument.ts";

/** The keys of all members of a group, each once. Source: npm documentation, "Verifying registry signatures". */
export function renderKeys(documents: readonly SourceDocument[]): JsonObject {
  const keys = new Map<unknown, JsonObject>();
  for (const document of documents) {
    const listed = readObject(document.bytes)?.["keys"];
    for (const key of Array.isArray(listed) ? listed.filter(isObject) : [])
      if (!keys.has(key["keyid"])) keys.set(key["keyid"], key);
  }
  return { keys: [...keys.values()] };
}
