import { gunzipSync } from "node:zlib";
import { Failure } from "../../base/errors.ts";
import { type SourceDocument } from "../format.ts";

/** A JSON object of which nothing is known. */
export type JsonObject = Readonly<Record<string, unknown>>;

/** Unpacked bytes of a document. */
const documentBytes = 256 * 1024 * 1024;

/**
 * Reads an upstream's JSON object, also where it is gzip that nobody called so: the `-gz-` registrations of static copies.
 *
 * @throws Failure `upstream_unreachable` where it is none
 */
export function readObject(document: Pick<SourceDocument, "bytes" | "url">): JsonObject {
  try {
    const { bytes } = document;
    const isPacked = bytes[0] === 0x1f && bytes[1] === 0x8b;
    const plain = isPacked ? gunzipSync(bytes, { maxOutputLength: documentBytes }) : bytes;
    const value: unknown = JSON.parse(plain.toString("utf8").replace(/^\uFEFF/, ""));
    if (!isObject(value)) throw new TypeError("it is no object");
    return value;
  } catch (error) {
    throw new Failure("upstream_unreachable", `Cannot read "${document.url}": it is not the JSON of a NuGet source`, {
      cause: error,
    });
  }
}

/** Whether a value is an object and no array. */
export function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The objects of an array; of anything else none. */
export function objectsOf(value: unknown): readonly JsonObject[] {
  return Array.isArray(value) ? (value as unknown[]).filter(isObject) : [];
}

/** A text, or undefined. */
export function textOf(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}
