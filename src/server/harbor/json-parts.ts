/** Reads JSON that was stored as it came; undefined where it is absent or not an object. */
export function parseJson<Shape extends object>(bytes: Uint8Array | undefined): Partial<Shape> | undefined {
  if (bytes === undefined) return undefined;
  try {
    const value: unknown = JSON.parse(Buffer.from(bytes).toString("utf8"));
    return typeof value === "object" && value !== null ? value : undefined;
  } catch {
    return undefined;
  }
}
