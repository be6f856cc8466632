import type { Rendered, RenderInput, SourceDocument } from "../format.ts";
import { readLines, yankedLine } from "./lines.ts";
import { crateKey } from "./names.ts";

/**
 * Makes an index file of those of the members: lines as they came, each version once.
 *
 * Lines are never written anew: a field that we do not know would be lost. What is withheld is marked as yanked, so that
 * Cargo chooses something else. Where nothing else is left, or a lock names it, Cargo asks for the archive and prints why
 * it is refused; of a line that is gone it could only say that there is none.
 */
export function render(input: RenderInput): Rendered {
  if (input.variant === "search") return renderSearch(input);
  const mediaType = "text/plain; charset=utf-8";
  const [first] = input.documents;
  if (input.documents.length === 1 && input.withheld.size === 0) return { bytes: first!.bytes, mediaType };
  const lines = new Map<string, Buffer>();
  for (const document of input.documents)
    for (const { version, raw } of readLines(document.bytes)) if (!lines.has(version)) lines.set(version, raw);
  const isAll = [...lines.keys()].every((version) => input.withheld.has(version));
  const ours = [...lines].map(([version, raw]) => (input.withheld.has(version) && !isAll ? yankedLine(raw) : raw));
  const kept = ours.filter((raw) => raw.length > 0);
  return { bytes: Buffer.concat(kept.flatMap((raw) => [raw, lineBreak])), mediaType };
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
