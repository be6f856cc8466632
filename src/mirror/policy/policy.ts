import { isoSeconds, nowMs } from "../../base/clock.ts";
import { Failure } from "../../base/errors.ts";
import { sha256Hex } from "../../base/hash.ts";
import { canonicalJson } from "../../base/json.ts";
import type { Log } from "../../base/log.ts";
import { readGlob } from "../../model/glob.ts";
import { addAuditEvent } from "../../store/event-records.ts";
import {
  deleteMirrorPolicy,
  endMirrorException,
  insertMirrorException,
  listMirrorExceptions,
  listMirrorFindings,
  listMirrorPolicies,
  type MirrorExceptionRecord,
  type MirrorFinding,
  putMirrorPolicy,
} from "../../store/mirror-policy-records.ts";
import type { Store } from "../../store/store.ts";
import type { MirrorPolicy, MirrorRepository } from "../contract.ts";
import type { Format, FormatName } from "../format.ts";
import { type Findings, openFindings } from "./findings.ts";
import { judge, type Judgement, type KnownAdvisory, type Withheld } from "./judge.ts";
import { orderOf } from "./orders.ts";
import { purlTypes } from "./purl.ts";
import { type MirrorRules, type OwnRules, ownRulesSchema, rulesOf } from "./rules.ts";
import type { VersionOrder } from "./version-range.ts";

/** What is known against packages; the advisories of another room, handed in by who opens the rules. */
export interface AdvisorySource {
  /** Changes with each import; from memory. */
  generation(): string;
  /** Waits until it is known what others imported, where that was not looked at for a while. */
  refreshed?(): Promise<void>;
  /** `compare` is the order of the format's versions; where there is none, nothing is known. */
  about(format: FormatName, name: string, compare: VersionOrder | undefined): Promise<readonly KnownAdvisory[]>;
}

/** What the rules stand on. */
export interface PolicyOptions {
  readonly store: Store;
  readonly log: Log;
  readonly formats: ReadonlyMap<FormatName, Format>;
  readonly advisories: AdvisorySource;
  /** How apt's versions are ordered; those of the other formats are known here. */
  readonly compareDebian: VersionOrder;
}

/** The rules of one scope as they were chosen. */
interface ChosenRules {
  /** `*` for all repositories. */
  readonly scope: string;
  readonly rules: OwnRules;
  readonly changedAt: number;
  readonly changedBy: string;
}

/** What the rules say of one package, and why. */
export interface PolicyCheck extends Judgement {
  readonly repository: string;
  readonly name: string;
  readonly mode: MirrorRules["mode"];
}

/** The rules of the package mirror: who may get what, who says so, and what was refused. */
export interface PolicyBook extends MirrorPolicy {
  /** The rules that a repository follows, or with `*` those where it has none of its own. */
  rules(scope: string): MirrorRules;
  chosen(): Promise<readonly ChosenRules[]>;
  /** Chooses rules; what is left out stays as it is, what is null goes back to what holds for all. @throws Failure `usage` */
  choose(scope: string, change: RulesChange, actor: string): Promise<MirrorRules>;
  /** Forgets what was chosen for a scope. */
  forget(scope: string, actor: string): Promise<boolean>;
  exceptions(): Promise<readonly MirrorExceptionRecord[]>;
  /** @throws Failure `exception_invalid` */
  allow(exception: Omit<MirrorExceptionRecord, "id" | "createdAt">): Promise<MirrorExceptionRecord>;
  /** @throws Failure `not_found` */
  endException(id: string, actor: string): Promise<void>;
  /** Judges as {@link judge} does for every mode, and counts nothing: a dry run. */
  check(question: Parameters<MirrorPolicy["judge"]>[0]): Promise<PolicyCheck>;
  /** What rules were against, the latest first. */
  findings(filter: { readonly repository: string | undefined; readonly limit: number }): Promise<MirrorFinding[]>;
  close(): Promise<void>;
}

/** A change of rules. */
type RulesChange = { readonly [Key in keyof OwnRules]?: OwnRules[Key] | null };

const everywhere = "*";

type PolicyQuestion = Parameters<MirrorPolicy["judge"]>[0];

/** Opens the rules of a store; they are in memory, so that a request that no rule concerns pays nothing. */
export async function openPolicy(options: PolicyOptions): Promise<PolicyBook> {
  const book = new RuleBook(options);
  await book.reload();
  return book;
}

class RuleBook implements PolicyBook {
  readonly #options: PolicyOptions;
  readonly #findings: Findings;
  #chosen = new Map<string, ChosenRules>();
  #exceptions: readonly MirrorExceptionRecord[] = [];
  /** What identifies the rules of repositories; every request asks for one. */
  readonly #states = new Map<string, string>();

  constructor(options: PolicyOptions) {
    this.#options = options;
    this.#findings = openFindings(options.store, options.log);
  }

  async reload(): Promise<void> {
    const { db } = this.#options.store;
    this.#chosen = new Map((await listMirrorPolicies(db)).map((record) => [record.scope, chosenOf(record)]));
    this.#exceptions = await listMirrorExceptions(db);
    this.#states.clear();
  }

  rules(scope: string): MirrorRules {
    const own = scope === everywhere ? undefined : this.#chosen.get(scope)?.rules;
    return rulesOf(this.#chosen.get(everywhere)?.rules ?? {}, own ?? {});
  }

  generation(repository: MirrorRepository): string {
    const state = this.#states.get(repository.name) ?? this.#stateOf(repository);
    this.#states.set(repository.name, state);
    return state === "" ? "" : `${state}-${this.#options.advisories.generation()}`;
  }

  async refreshed(): Promise<void> {
    await this.#options.advisories.refreshed?.();
  }

  #stateOf(repository: MirrorRepository): string {
    const rules = this.rules(repository.name);
    if (isIdle(repository, rules)) return "";
    return sha256Hex(canonicalJson({ rules, exceptions: this.#exceptionsOf(repository.name) })).slice(0, 16);
  }

  #exceptionsOf(repository: string): MirrorExceptionRecord[] {
    return this.#exceptions.filter((one) => one.repository === undefined || one.repository === repository);
  }

  async judge(question: PolicyQuestion): ReturnType<MirrorPolicy["judge"]> {
    const generation = this.generation(question.repository);
    if (generation === "") return { withheld: new Map(), until: undefined, generation };
    const { withheld, until, mode } = await this.check(question);
    // A document is only looked at; who asks for a file of a version takes it. A name that is refused is never asked for
    // by version.
    const isTold = this.#options.formats.get(question.repository.format)?.tellsByFiles !== true;
    const isWhole = isTold && mode === "enforce" && withheld.some(({ version }) => version === "*");
    if (question.version !== undefined || isWhole) this.#note(question, mode, withheld);
    if (mode !== "enforce") return { withheld: new Map(), until, generation };
    return { withheld: new Map(withheld.map(({ version, reason }) => [version, reason])), until, generation };
  }

  #note({ repository, name, version: asked }: PolicyQuestion, mode: string, withheld: readonly Withheld[]): void {
    for (const { version, rule, reason } of withheld)
      this.#findings.note({
        repository: repository.name,
        name,
        version: version === "*" ? (asked ?? version) : version,
        rule,
        reason,
        mode,
      });
  }

  async check({ repository, name, facts, version }: PolicyQuestion): Promise<PolicyCheck> {
    const { advisories, formats, compareDebian } = this.#options;
    const rules = this.rules(repository.name);
    const needsAdvisories = rules.malicious || rules.maximumSeverity !== "none";
    const compare = repository.format === "apt" ? compareDebian : orderOf(repository.format);
    const known = (facts?.versions ?? []).filter((one) => version === undefined || one.version === version);
    const judgement = judge({
      rules,
      exceptions: this.#exceptionsOf(repository.name).map((one) => ({ ...one, until: one.expiresAt })),
      name,
      format: formats.get(repository.format),
      versions: version !== undefined && known.length === 0 ? [{ version }] : known,
      advisories: needsAdvisories ? await advisories.about(repository.format, name, compare) : [],
      purl: purlMaker(formats.get(repository.format), name),
      compare,
      now: nowMs(),
    });
    return { ...judgement, repository: repository.name, name, mode: rules.mode };
  }

  async chosen(): Promise<readonly ChosenRules[]> {
    return [...this.#chosen.values()];
  }

  async choose(scope: string, change: RulesChange, actor: string): Promise<MirrorRules> {
    const rules: Record<string, unknown> = { ...this.#chosen.get(scope)?.rules };
    for (const [key, value] of Object.entries(change))
      if (value === null) delete rules[key];
      else if (value !== undefined) rules[key] = value;
    const parsed = ownRulesSchema.safeParse(rules);
    if (!parsed.success) {
      const { path, message } = parsed.error.issues[0]!;
      throw new Failure("usage", `Cannot use the rules for "${scope}": ${path.join(".")}: ${message}`);
    }
    const details = { rules: parsed.data };
    await this.#options.store.transaction(async (db) => {
      await putMirrorPolicy(db, { scope, rules: JSON.stringify(parsed.data), actor });
      await addAuditEvent(db, { actor, action: "mirror.policy.changed", subject: scope, details });
    });
    await this.reload();
    return this.rules(scope);
  }

  async forget(scope: string, actor: string): Promise<boolean> {
    if (!this.#chosen.has(scope)) return false;
    await this.#options.store.transaction(async (db) => {
      await deleteMirrorPolicy(db, scope);
      await addAuditEvent(db, { actor, action: "mirror.policy.forgotten", subject: scope });
    });
    await this.reload();
    return true;
  }

  async exceptions(): Promise<readonly MirrorExceptionRecord[]> {
    return this.#exceptions;
  }

  async allow(exception: Omit<MirrorExceptionRecord, "id" | "createdAt">): Promise<MirrorExceptionRecord> {
    checkException(exception);
    const { author: actor, pattern: subject } = exception;
    const made = await this.#options.store.transaction(async (db) => {
      const record = await insertMirrorException(db, exception);
      const { id, repository, reason, expiresAt } = record;
      const details = { id, repository, reason, expiresAt: isoSeconds(expiresAt) };
      await addAuditEvent(db, { actor, action: "mirror.exception.created", subject, details });
      return record;
    });
    await this.reload();
    return made;
  }

  async endException(id: string, actor: string): Promise<void> {
    const found = this.#exceptions.find((one) => one.id === id);
    if (found === undefined) throw new Failure("not_found", `Cannot find the exception "${id}" of the mirror`);
    const { pattern: subject } = found;
    await this.#options.store.transaction(async (db) => {
      await endMirrorException(db, id);
      await addAuditEvent(db, { actor, action: "mirror.exception.ended", subject, details: { id } });
    });
    await this.reload();
  }

  async findings(filter: Parameters<PolicyBook["findings"]>[0]): Promise<MirrorFinding[]> {
    await this.#findings.flush();
    return await listMirrorFindings(this.#options.store.db, filter);
  }

  async close(): Promise<void> {
    await this.#findings.close();
  }
}

/** Hosted packages are our own, and raw files have no versions: only what was chosen for such a repository itself counts. */
function isIdle({ kind }: MirrorRepository, own: MirrorRules): boolean {
  if (own.mode === "off") return true;
  const hasRule = own.minimumAgeDays > 0 || own.blocked.length > 0 || own.malicious || own.maximumSeverity !== "none";
  return !hasRule || (kind === "hosted" && own.blocked.length === 0);
}

function chosenOf({
  scope,
  rules,
  changedAt,
  changedBy,
}: {
  scope: string;
  rules: string;
  changedAt: number;
  changedBy: string;
}): ChosenRules {
  return { scope, rules: ownRulesSchema.parse(JSON.parse(rules)), changedAt, changedBy };
}

/** A package URL without a version is that of some version, cut. */
function purlMaker(format: Format | undefined, name: string): (version: string | undefined) => string {
  return (version) => {
    if (format === undefined)
      return `pkg:generic/${encodeURIComponent(name)}${version === undefined ? "" : `@${version}`}`;
    if (version !== undefined) return format.purl({ name, version });
    return format.purl({ name, version: "0" }).replace(/@0(?=[?#]|$)/, "");
  };
}

function checkException({ pattern, expiresAt, reason }: { pattern: string; expiresAt: number; reason: string }): void {
  const wrong = (state: string): Failure => new Failure("exception_invalid", `Cannot allow "${pattern}": ${state}`);
  const glob = readGlob(pattern);
  if ("invalid" in glob) throw wrong(glob.invalid);
  if (!pattern.startsWith("pkg:")) throw wrong("it is no pattern over package URLs, such as pkg:npm/left-pad@1.3.0");
  const type = /^pkg:([^*?[\\/]+)\//.exec(pattern)?.[1];
  if (type !== undefined && !purlTypes.includes(type))
    throw wrong(`the mirror has no packages of the type "${type}", but of ${purlTypes.join(", ")}`);
  if (expiresAt <= nowMs()) throw wrong("its end has passed");
  if (reason.trim() === "") throw wrong("it has no reason");
}
