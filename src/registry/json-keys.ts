/** Fields that clients look for. Source: OCI image spec, manifest.md, image-index.md and descriptor.md. */
const knownFields = [
  "schemaVersion",
  "mediaType",
  "artifactType",
  "config",
  "layers",
  "manifests",
  "subject",
  "annotations",
  "digest",
  "size",
  "urls",
  "data",
  "platform",
];
const spellings = new Map(knownFields.map((field) => [folded(field), field]));

/**
 * A key of a manifest's JSON that makes two clients see two documents; undefined where there is none.
 *
 * That is a key that comes twice in one object, and a field in other letters: programs in Go take `Layers` for `layers`,
 * the last one winning, so that what was scanned and what is run could be two things. In annotations only the same key
 * twice counts: there `a` and `A` are two.
 *
 * @param text valid JSON
 */
export function ambiguousKey(text: string): string | undefined {
  const places: Place[] = [];
  let isKey = false;
  let lastKey = "";
  for (let at = 0; at < text.length; at++) {
    const char = text[at]!;
    const place = places.at(-1);
    if (char === '"') {
      const end = endOfString(text, at);
      if (isKey && place?.keys !== undefined) {
        lastKey = JSON.parse(text.slice(at, end)) as string;
        if (isAmbiguous(lastKey, place.keys, place.isFree)) return lastKey;
        isKey = false;
      }
      at = end - 1;
    } else if (char === "{") {
      const isFree = place?.isFree === true || (place?.keys !== undefined && lastKey === "annotations");
      places.push({ keys: new Set(), isFree });
      isKey = true;
    } else if (char === "[") {
      places.push({ keys: undefined, isFree: place?.isFree ?? false });
      isKey = false;
    } else if (char === "}" || char === "]") {
      places.pop();
      isKey = false;
    } else if (char === ",") isKey = place?.keys !== undefined;
  }
  return undefined;
}

interface Place {
  /** Of an object; undefined in a list. */
  readonly keys: Set<string> | undefined;
  /** Whether keys are of the author's own making. */
  readonly isFree: boolean;
}

function isAmbiguous(key: string, keys: Set<string>, isFree: boolean): boolean {
  const form = isFree ? key : folded(key);
  if (keys.has(form)) return true;
  keys.add(form);
  const known = isFree ? undefined : spellings.get(form);
  return known !== undefined && known !== key;
}

/** As Go compares: capitals are small letters, and so are the long s and the sign of Kelvin. */
function folded(key: string): string {
  return key.toUpperCase().toLowerCase();
}

/** The place behind a text in quotes. */
function endOfString(text: string, start: number): number {
  for (let at = start + 1; ; at++) {
    at = text.indexOf('"', at);
    let slashes = 0;
    while (text[at - 1 - slashes] === "\\") slashes++;
    if (slashes % 2 === 0) return at + 1;
  }
}
