import type { Rendered, RenderInput, SourceDocument } from "../format.ts";
import { readLines } from "./lines.ts";
import { crateKey } from "./names.ts";

/**
 * Makes an index file of those of the members: lines as they came, each version once, without those that are withheld.
 *
 * Lines are never written anew: a field that we do not know would be lost.
 */
export function render(input: RenderInput): Rendered {
  if (input.variant === "search") return renderSearch(input);
  const mediaType = "text/plain; charset=utf-8";
  const [first] = input.documents;
  if (input.documents.length === 1 && input.withheld.size === 0) return { bytes: first!.bytes, mediaType };
  const seen = new Set(input.withheld.keys());
  const lines: Buffer[] = [];
  const documents = input.withheld.has("*") ? [] : input.documents;
  for (const document of documents)
    for (const line of readLines(document.bytes)) {
      if (seen.has(line.version)) continue;
      seen.add(line.version);
      lines.push(line.raw, lineBreak);
    }
  return { bytes: Buffer.concat(lines), mediaType };
}

const lineBreak = Buffer.from("\n");

/** One answer of a search, and one entry of the list that a hosted repository keeps for it. */
export interface FoundCrate {
  readonly name: string;
  readonly max_version: string;
  readonly description: string;
}

/** Reads the list that a hosted repository keeps, or an upstream's answer; what is not formed as it should be is left out. */
export function readFound(bytes: Buffer): { crates: readonly FoundCrate[]; total: number } {
  let value: unknown;
  try {
    value = JSON.parse(bytes.toString("utf8"));
  } catch {
    value = undefined;
  }
  const { crates, meta } = (value ?? {}) as { readonly crates?: unknown; readonly meta?: { readonly total?: unknown } };
  const found = (Array.isArray(crates) ? (crates as unknown[]) : []).flatMap((entry) => {
    const { name, max_version, description } = (entry ?? {}) as Readonly<Record<string, unknown>>;
    if (typeof name !== "string" || typeof max_version !== "string") return [];
    return { name, max_version, description: typeof description === "string" ? description : "" };
  });
  return { crates: found, total: typeof meta?.total === "number" ? meta.total : found.length };
}

function renderSearch(input: RenderInput): Rendered {
  const query = new URLSearchParams(input.source.slice(input.source.indexOf("?")));
  const words = (query.get("q") ?? "").split(/\s+/).filter((word) => word !== "");
  const answers = input.documents.map((document) => foundIn(document, words));
  const seen = new Set<string>();
  const crates = answers
    .flatMap((answer) => answer.crates)
    .filter(({ name }) => !seen.has(crateKey(name)) && seen.add(crateKey(name)))
    .slice(0, Number(query.get("per_page") ?? 10));
  const total = answers.reduce((sum, answer) => sum + answer.total, 0);
  return { bytes: Buffer.from(JSON.stringify({ crates, meta: { total } })), mediaType: "application/json" };
}

function foundIn(document: SourceDocument, words: readonly string[]): ReturnType<typeof readFound> {
  const found = readFound(document.bytes);
  if (!document.isHosted) return found;
  const crates = found.crates.filter((entry) => {
    const text = `${entry.name} ${entry.description}`.toLowerCase();
    return words.every((word) => text.includes(word));
  });
  return { crates, total: crates.length };
}
