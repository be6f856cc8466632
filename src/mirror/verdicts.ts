import { nowMs } from "../base/clock.ts";
import { type PackageFacts, type Subject } from "./format.ts";
import { askFor, factsOfDocument, openReader } from "./reader.ts";
import { type Leaf } from "./repositories.ts";
import { isOfUpstream, type Site } from "./site.ts";
import { type HeldDocument, holdDocument } from "./source-documents.ts";

/** What policy says of a package for one request. */
export interface Verdict {
  /** Versions that are kept back; `*` is all of them. */
  readonly withheld: ReadonlyMap<string, string>;
  readonly until: number | undefined;
}

const nothing: Verdict = { withheld: new Map(), until: undefined };

/** The state of the rules for a repository as it was asked and those that answer for it; empty where there are none. */
export function generationOf({ policy }: Site, asked: Leaf, leaves: readonly Leaf[]): string {
  if (policy === undefined) return "";
  const places = [...new Set([asked, ...leaves])];
  const generations = places.map(({ settings }) => `${settings.name}=${policy.generation(settings)}`);
  return generations.every((one) => one.endsWith("=")) ? "" : generations.join(" ");
}

/** Asks policy about a document of one leaf. */
export async function judgeDocument(
  site: Site,
  { asked, leaf }: { readonly asked: Leaf; readonly leaf: Leaf },
  { subject, document }: { readonly subject: Subject | undefined; readonly document: HeldDocument },
): Promise<Verdict> {
  if (subject === undefined || generationOf(site, asked, [leaf]) === "") return nothing;
  const facts = await factsFor(site, leaf, { subject, document });
  return await judge(site, [asked, leaf], { name: subject.name, facts });
}

/** Asks policy about a file of one leaf; the reason where it is kept back. */
export async function judgeFile(
  site: Site,
  { asked, leaf }: { readonly asked: Leaf; readonly leaf: Leaf },
  subject: Subject | undefined,
): Promise<string | undefined> {
  if (subject === undefined || generationOf(site, asked, [leaf]) === "") return undefined;
  const facts = await factsFor(site, leaf, { subject, document: undefined });
  const { name, version } = subject;
  const { withheld } = await judge(site, [asked, leaf], { name, facts, ...(version === undefined ? {} : { version }) });
  return withheld.get("*") ?? (subject.version === undefined ? undefined : withheld.get(subject.version));
}

async function judge(
  { policy }: Site,
  places: readonly Leaf[],
  question: { readonly name: string; readonly facts: PackageFacts | undefined; readonly version?: string },
): Promise<Verdict> {
  const withheld = new Map<string, string>();
  let until: number | undefined;
  for (const { settings } of new Set(places)) {
    if (policy === undefined || policy.generation(settings) === "") continue;
    const answer = await policy.judge({ repository: settings, ...question });
    for (const [version, reason] of answer.withheld) if (!withheld.has(version)) withheld.set(version, reason);
    if (answer.until !== undefined) until = Math.min(until ?? Infinity, answer.until);
  }
  // An instant that has passed would have it made anew with each request.
  return { withheld, until: until === undefined ? undefined : Math.max(until, nowMs() + 1000) };
}

/** What the repositories that answer for one know of a package: the first that knows anything; for a dry run of the rules. */
export async function factsOfSubject(site: Site, asked: Leaf, subject: Subject): Promise<PackageFacts | undefined> {
  for (const leaf of site.repositories.leaves(asked.settings.name)) {
    const { kind, name } = leaf.settings;
    if (kind === "proxy" && (await site.repositories.isReserved(name, subject.name))) continue;
    const facts = await factsFor(site, leaf, { subject, document: undefined });
    if (facts !== undefined && facts.versions.length > 0) return facts;
  }
  return undefined;
}

/** What is known of a package; undefined where the format has no such document, or it cannot be had now. */
async function factsFor(
  site: Site,
  leaf: Leaf,
  { subject, document }: { readonly subject: Subject; readonly document: HeldDocument | undefined },
): Promise<PackageFacts | undefined> {
  const { format } = leaf;
  try {
    if (format.factsOf !== undefined) return await format.factsOf(subject, openReader(site, leaf));
    const source = format.documentOf?.(subject);
    if (source === undefined || format.facts === undefined) return undefined;
    const found = document?.entry.key === source ? document : await holdDocument(site, leaf, askFor(source));
    return found === undefined ? undefined : await factsOfDocument(site, leaf, found);
  } catch (error) {
    if (!isOfUpstream(error)) throw error;
    site.log.warn(
      { repository: leaf.settings.name, name: subject.name, reason: error.message },
      "policy judges without facts",
    );
    return undefined;
  }
}
