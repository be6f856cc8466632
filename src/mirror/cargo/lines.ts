/** One line of an index file: one version of a crate. */
export interface IndexLine {
  /** As it came, without its line break: what clients get. */
  readonly raw: Buffer;
  readonly name: string;
  readonly version: string;
  /** SHA-256 of the archive in lower-case hex; undefined where the line has none that can be one. */
  readonly checksum: string | undefined;
  readonly publishedAt: number | undefined;
}

/** Reads the lines of an index file; those that Cargo could not read either are left out. */
export function readLines(bytes: Buffer): IndexLine[] {
  return rawLines(bytes).flatMap((raw) => parseLine(raw) ?? []);
}

/** Finds the line of one version without reading the others. */
export function findLine(bytes: Buffer, version: string): IndexLine | undefined {
  for (const raw of rawLines(bytes)) {
    if (!raw.includes(version)) continue;
    const line = parseLine(raw);
    if (line?.version === version) return line;
  }
  return undefined;
}

/**
 * A line as it stands for a yanked version: Cargo takes it only where a lock names it. All else stays byte for byte.
 *
 * Empty where the mark cannot be set without writing the line anew.
 */
export function yankedLine(raw: Buffer): Buffer {
  // Byte for byte, whatever the encoding; within a string the quotes would be escaped.
  const text = raw.toString("latin1");
  const end = text.lastIndexOf("}");
  const forms = [
    text,
    text.replace(/"yanked"\s*:\s*(?:false|null)/, '"yanked":true'),
    `${text.slice(0, end)},"yanked":true${text.slice(end)}`,
  ];
  const marked = forms.find((form) => (JSON.parse(form) as { readonly yanked?: unknown }).yanked === true);
  return Buffer.from(marked ?? "", "latin1");
}

function rawLines(bytes: Buffer): Buffer[] {
  const lines: Buffer[] = [];
  for (let start = 0; start < bytes.length;) {
    const end = bytes.indexOf(10, start);
    const stop = end === -1 ? bytes.length : end;
    if (stop > start) lines.push(bytes.subarray(start, stop));
    start = stop + 1;
  }
  return lines;
}

function parseLine(raw: Buffer): IndexLine | undefined {
  let value: unknown;
  try {
    value = JSON.parse(raw.toString("utf8"));
  } catch {
    return undefined;
  }
  if (typeof value !== "object" || value === null) return undefined;
  const { name, vers, cksum, pubtime } = value as Readonly<Record<string, unknown>>;
  if (typeof name !== "string" || typeof vers !== "string") return undefined;
  const publishedAt = typeof pubtime === "string" ? Date.parse(pubtime) : Number.NaN;
  return {
    raw,
    name,
    version: vers,
    checksum: typeof cksum === "string" && /^[\da-f]{64}$/i.test(cksum) ? cksum.toLowerCase() : undefined,
    publishedAt: Number.isNaN(publishedAt) ? undefined : publishedAt,
  };
}
