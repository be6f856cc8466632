import { Failure } from "../../base/errors.ts";
import type { PullGate, SeverityBound } from "../../model/pull-gate.ts";
import { countHeldRepositories } from "../../store/harbor-records.ts";
import type { ProjectRecord } from "../../store/projects-records.ts";
import type { Caller } from "../access.ts";
import type { ApiContext } from "../api-app.ts";
import { instant, numberOf } from "./names.ts";
import { badRequest, notOffered } from "./refusals.ts";
import { nearestRole } from "./roles.ts";

/** What Harbor keeps beside a project, all in texts. */
export type ProjectMetadata = Readonly<Record<string, string>>;

interface ShowOptions {
  readonly caller: Caller;
  /** Counts that were looked up for many projects at once. */
  readonly repositories?: ReadonlyMap<string, number>;
  readonly owners?: ReadonlyMap<string, number>;
  /** Names of peers by the projects that are proxy caches of them. */
  readonly proxies?: ReadonlyMap<string, string>;
}

/** A project in Harbor's shape. */
export async function shownProject(
  context: ApiContext,
  project: ProjectRecord,
  options: ShowOptions,
): Promise<unknown> {
  const { id, name, createdAt, createdBy } = project;
  const { caller } = options;
  const counts = options.repositories ?? (await countHeldRepositories(context.factory.store.db, [name]));
  const proxies = options.proxies ?? (await proxiesOf(context));
  const owners = options.owners ?? (await ownersOf(context));
  const peer = proxies.get(name);
  const role = nearestRole(caller, name);
  const time = instant(createdAt);
  return {
    project_id: id,
    owner_id: owners.get(createdBy) ?? 1,
    owner_name: owners.has(createdBy) ? createdBy : "admin",
    name,
    registry_id: peer === undefined ? undefined : numberOf("registry", peer),
    creation_time: time,
    update_time: time,
    deleted: false,
    togglable: caller.may("settings", name),
    current_user_role_id: role,
    current_user_role_ids: role === undefined ? undefined : [role],
    repo_count: counts.get(name) ?? 0,
    metadata: await metadataOf(context, project),
    cve_allowlist: { id, project_id: id, items: [], creation_time: time, update_time: time },
  };
}

/** The numbers of people by name. */
export async function ownersOf({ accounts }: ApiContext): Promise<ReadonlyMap<string, number>> {
  return new Map((await accounts.people.list()).map(({ name, number }) => [name, number]));
}

/** The peers of projects that are proxy caches. */
export async function proxiesOf({ factory }: ApiContext): Promise<ReadonlyMap<string, string>> {
  return new Map((await factory.movement.proxies.list()).map(({ project, peer }) => [project, peer]));
}

/** Under this key of a project's settings stands what Harbor's clients set and nothing here acts on. */
const settingsKey = "harbor";

/** Words that are kept for those who read them back, though nothing here is done by them. */
const keptWords = [
  "auto_sbom_generation",
  "reuse_sys_cve_allowlist",
  "proxy_speed_kb",
  "max_upstream_conn",
  "proxy_cache_local_on_not_found",
  "proxy_referrer_api",
  "proxy_cache_filter_pattern",
  "proxy_cache_filter_kind",
];
const actedWords = [
  "public",
  "prevent_vul",
  "severity",
  "enable_content_trust",
  "enable_content_trust_cosign",
  "auto_scan",
];

/** The metadata of a project: what is so, whatever was asked for. */
export async function metadataOf({ factory }: ApiContext, project: ProjectRecord): Promise<ProjectMetadata> {
  const gate = factory.admission.gate(project.name);
  const kept = project.settings[settingsKey];
  const retention = await factory.lifetime.retention.find(project.name);
  const prevents = gate !== undefined && (gate.requireVerdict || blockedFrom(gate) !== undefined);
  return {
    public: String(project.isPublic),
    auto_scan: "true",
    enable_content_trust: "false",
    enable_content_trust_cosign: String(gate?.requireSignature ?? false),
    prevent_vul: String(prevents),
    severity: (gate === undefined ? undefined : blockedFrom(gate)) ?? "critical",
    reuse_sys_cve_allowlist: "true",
    ...(typeof kept === "object" && kept !== null ? (kept as ProjectMetadata) : {}),
    ...(retention === undefined ? {} : { retention_id: String(project.id) }),
  };
}

/** Harbor names the least severity that is not let pass, we the worst that is. */
const bounds: readonly (readonly [blockedFrom: string, letPass: SeverityBound])[] = [
  ["critical", "high"],
  ["high", "medium"],
  ["medium", "low"],
  ["low", "negligible"],
  ["none", "none"],
];

function blockedFrom({ maxSeverity }: PullGate): string | undefined {
  return bounds.find(([, letPass]) => letPass === maxSeverity)?.[0];
}

const openGate: PullGate = {
  requireVerdict: false,
  maxSeverity: undefined,
  allowUnfixed: false,
  requireSignature: false,
  trustedKeys: [],
};

/**
 * Does what metadata say, as far as they say something.
 *
 * @throws Failure `usage` for a value that cannot be meant, 501 for what would be promised and not kept
 */
export async function applyMetadata(
  context: ApiContext,
  project: ProjectRecord,
  { metadata, caller }: { readonly metadata: Readonly<Record<string, unknown>>; readonly caller: Caller },
): Promise<void> {
  const { factory, accounts } = context;
  const { name } = project;
  const said = checkedMetadata(metadata);
  const isPublic = said["public"];
  const before = factory.admission.gate(name);
  const gate = changedGate(before, said);
  const kept = Object.fromEntries(Object.entries(said).filter(([word]) => keptWords.includes(word)));
  if (isPublic !== undefined && isPublic !== String(project.isPublic))
    await accounts.projects.setPublic({ name, isPublic: isPublic === "true", actor: caller });
  if (JSON.stringify(gate) !== JSON.stringify(before ?? openGate))
    await factory.admission.setGate(name, gate, caller.name);
  if (Object.keys(kept).length > 0) await keepMetadata(context, project, { kept, caller });
}

/** Writes down words that nothing here acts on; null takes one away. */
export async function keepMetadata(
  { accounts }: ApiContext,
  { name, settings }: ProjectRecord,
  { kept, caller }: { readonly kept: Readonly<Record<string, string | null>>; readonly caller: Caller },
): Promise<void> {
  const known = settings[settingsKey];
  const all = { ...(typeof known === "object" ? known : {}), ...kept };
  const value = Object.fromEntries(Object.entries(all).filter(([, text]) => text !== null));
  await accounts.projects.configure({ name, key: settingsKey, value, actor: caller });
}

/** Whether a word of metadata is one that a client may set. */
export function isMetadataWord(word: string): boolean {
  return actedWords.includes(word) || keptWords.includes(word);
}

/**
 * Metadata as texts; words that Harbor does not have are left out.
 *
 * @throws Failure `usage` for a value that cannot be meant, 501 for what would be promised and not kept
 */
export function checkedMetadata(metadata: Readonly<Record<string, unknown>>): Readonly<Record<string, string>> {
  const said: Record<string, string> = {};
  for (const [word, value] of Object.entries(metadata)) {
    if (value === null || value === undefined || !isMetadataWord(word)) continue;
    if (typeof value !== "string" && typeof value !== "boolean" && typeof value !== "number")
      throw badRequest(`invalid value of ${word}`);
    const text = String(value).toLowerCase();
    if (text.length > 255) throw badRequest(`invalid value of ${word}`);
    if (word === "severity" ? !bounds.some(([from]) => from === text) : actedWords.includes(word) && !isFlag(text))
      throw badRequest(`invalid value of ${word}: ${text.slice(0, 100)}`);
    said[word] = keptWords.includes(word) ? String(value) : text === "1" ? "true" : text === "0" ? "false" : text;
  }
  if (said["enable_content_trust"] === "true")
    throw notOffered("Notation's signatures are not enforced here: use enable_content_trust_cosign");
  return said;
}

function isFlag(text: string): boolean {
  return ["true", "false", "1", "0"].includes(text);
}

function changedGate(before: PullGate | undefined, said: Readonly<Record<string, string>>): PullGate {
  const gate = before ?? openGate;
  const { prevent_vul: prevents, severity, enable_content_trust_cosign: signed } = said;
  const requireSignature = signed === undefined ? gate.requireSignature : signed === "true";
  if (prevents === "false") return { ...gate, requireVerdict: false, maxSeverity: undefined, requireSignature };
  const isBounded =
    blockedFrom(gate) !== undefined || (prevents === "true" && (severity !== undefined || !gate.requireVerdict));
  const from = severity ?? blockedFrom(gate) ?? "critical";
  const maxSeverity = isBounded ? bounds.find(([word]) => word === from)?.[1] : gate.maxSeverity;
  return { ...gate, maxSeverity, requireSignature };
}

/** Refuses lists of findings to ignore: what is ignored here has an author, a reason and an end. */
export function refuseAllowlist(
  allowlist: { readonly items?: readonly unknown[] | null | undefined } | null | undefined,
): void {
  if ((allowlist?.items?.length ?? 0) > 0)
    throw notOffered(
      "a list of CVEs to ignore is not kept: make an exception with its reason and end under /api/v1/exceptions",
    );
}

/** A refusal of ours as Harbor tells it: the project still holds something. */
export function isConflict(error: unknown): error is Failure {
  return error instanceof Failure && error.code === "conflict";
}
