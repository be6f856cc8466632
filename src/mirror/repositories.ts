import { Failure } from "../base/errors.ts";
import { type SecretBox } from "../base/secret-box.ts";
import { type Glob, readGlob } from "../model/glob.ts";
import { addAuditEvent } from "../store/event-records.ts";
import { doubtMirrorEntries, mirrorSubjectsLike } from "../store/mirror-entry-records.ts";
import { expireAllMirrorRenderings } from "../store/mirror-rendering-records.ts";
import {
  deleteMirrorRepository,
  listMirrorRepositories,
  type MirrorRepositoryRecord,
  putMirrorRepository,
} from "../store/mirror-repository-records.ts";
import { type Store } from "../store/store.ts";
import { type MirrorRepository, type MirrorRepositoryChange, type NewMirrorRepository } from "./contract.ts";
import { comparedName, comparedPattern } from "./compared-names.ts";
import { type Format, type FormatName } from "./format.ts";
import { checkRepository } from "./repository-rules.ts";

/** A repository that holds content itself, with what is known of it in memory. */
export interface Leaf {
  readonly settings: MirrorRepository;
  readonly format: Format;
  /** The `Authorization` for its upstream. */
  readonly authorization: string | undefined;
  /** Another number for each repository that has had the name, and for each upstream that it has had. */
  readonly incarnation: number;
}

/** The repositories of a store; in memory, so that a request pays one look into a map. */
export interface Repositories {
  list(): readonly MirrorRepository[];
  get(name: string): Leaf | undefined;
  /** The repositories that answer for one: itself, or the members of a group, hosted ones first. */
  leaves(name: string): readonly Leaf[];
  /** A repository and the groups that it is in, at any depth. */
  around(name: string): readonly string[];
  /** Whether a leaf still is the repository of its name, with the same upstream: what was fetched for another is not kept. */
  isCurrent(leaf: Leaf): boolean;
  /** Whether a name, in whatever form it is written, must not be asked of a proxy's upstream: a hosted neighbour has it, or a pattern reserves it. */
  isReserved(proxy: string, name: string): Promise<boolean>;
  create(repository: NewMirrorRepository, actor: string): Promise<MirrorRepository>;
  change(name: string, change: MirrorRepositoryChange, actor: string): Promise<MirrorRepository>;
  remove(name: string, actor: string): Promise<boolean>;
}

/** What repositories stand on. */
export interface RepositoriesOptions {
  readonly store: Store;
  readonly box: SecretBox;
  readonly formats: ReadonlyMap<FormatName, Format>;
  /** Told of each repository that was changed or removed. */
  readonly onChanged: (name: string) => void;
}

/** Opens the repositories of a store. */
export async function openRepositories(options: RepositoriesOptions): Promise<Repositories> {
  const { store, box } = options;
  let known = new Map<string, KnownRepository>();
  /** A repository and the groups around it, by name; every request of a proxy asks for it. */
  let neighbours = new Map<string, readonly string[]>();
  const incarnations = openIncarnations();
  const reload = async (): Promise<void> => {
    const records = await listMirrorRepositories(store.db);
    known = new Map(
      records
        .map((record) => knownOf(record, { ...options, incarnation: incarnations.of(record.name) }))
        .flatMap((one) => (one === undefined ? [] : [[one.settings.name, one]])),
    );
    neighbours = new Map([...known.keys()].map((name) => [name, neighboursOf(known, name)]));
  };
  await reload();

  const around = (name: string): readonly string[] => neighbours.get(name) ?? [name];
  /** Also where it fails, what is in memory is brought up to date: the repository may have been superseded. */
  const changing = transactionAnd(store, reload);
  async function save(
    repository: MirrorRepository,
    { actor, action, secret, hasMoved }: Saving,
  ): Promise<MirrorRepository> {
    const { name, format, kind, ...settings } = repository;
    const sealed = secret === undefined ? undefined : box.seal(secret, secretContext(name));
    if (hasMoved) await incarnations.supersede(name);
    await changing(async (db) => {
      await putMirrorRepository(db, { name, format, kind, settings: JSON.stringify(settings), secret: sealed });
      // What one upstream said, of what it has or has not, says nothing of another.
      if (hasMoved) await doubtMirrorEntries(db, name);
      await expireAllMirrorRenderings(db, around(name));
      await addAuditEvent(db, { actor, action, subject: name, details: { format, kind, ...settings } });
    });
    for (const one of around(name)) options.onChanged(one);
    return repository;
  }

  async function drop(name: string, actor: string): Promise<void> {
    await incarnations.supersede(name);
    await changing(async (db) => {
      await deleteMirrorRepository(db, name);
      await addAuditEvent(db, { actor, action: "mirror.removed", subject: name });
    });
    options.onChanged(name);
  }

  return {
    list: () => [...known.values()].map(({ settings }) => settings),
    get: (name) => known.get(name),
    leaves: (name) => leavesOf(known, name),
    around,
    isCurrent: ({ settings, incarnation }) =>
      known.has(settings.name) && incarnation === incarnations.of(settings.name),
    async isReserved(proxy, name) {
      const places = around(proxy).flatMap((one) => known.get(one) ?? []);
      return await isReservedAmong(store, known, { places, name });
    },
    ...choices({ known: (name) => known.get(name), all: () => [...known.values()], save, drop }),
  };
}

/** A transaction, and what is done after it in any case. */
function transactionAnd(store: Store, after: () => Promise<void>): Store["transaction"] {
  return async (work) => {
    try {
      return await store.transaction(work);
    } finally {
      await after();
    }
  };
}

/** Counts the repositories that have had a name, and the upstreams of each. */
function openIncarnations(): { of(name: string): number; supersede(name: string): Promise<void> } {
  const counts = new Map<string, number>();
  const of = (name: string): number => counts.get(name) ?? 0;
  return {
    of,
    /** From now on nothing that was begun for the repository is noted; what has begun to be noted comes first. */
    async supersede(name) {
      counts.set(name, of(name) + 1);
      await new Promise((resolve) => setImmediate(resolve));
    },
  };
}

interface Choosing {
  readonly known: (name: string) => KnownRepository | undefined;
  readonly all: () => readonly KnownRepository[];
  readonly save: (repository: MirrorRepository, saving: Saving) => Promise<MirrorRepository>;
  readonly drop: (name: string, actor: string) => Promise<void>;
}

function choices({ known, all, save, drop }: Choosing): Pick<Repositories, "create" | "change" | "remove"> {
  return {
    async create(given, actor) {
      if (known(given.name) !== undefined)
        throw new Failure("conflict", `Cannot make the repository "${given.name}": there is one already`);
      const { upstream, secret } = splitUpstream(given.upstream);
      const repository = withDefaults({ ...given, ...(upstream === undefined ? {} : { upstream }) });
      checkRepository(repository, {
        find: (name) => known(name)?.settings,
        all: all().map(({ settings }) => settings),
      });
      return await save(repository, { actor, action: "mirror.created", secret, hasMoved: false });
    },
    async change(name, change, actor) {
      const before = known(name);
      if (before === undefined) throw new Failure("not_found", `Cannot find the repository "${name}" of the mirror`);
      const { upstream, secret } = splitUpstream(change.upstream);
      const repository = { ...before.settings, ...change, ...(upstream === undefined ? {} : { upstream }) };
      checkRepository(repository, {
        find: (other) => known(other)?.settings,
        all: all().map(({ settings }) => settings),
      });
      // A secret stays with the server that it was given for.
      const stays = originOf(repository.upstream) === originOf(before.settings.upstream);
      const kept = secret ?? (stays ? before.secret : undefined);
      const hasMoved = repository.upstream !== before.settings.upstream;
      return await save(repository, { actor, action: "mirror.changed", secret: kept, hasMoved });
    },
    async remove(name, actor) {
      if (known(name) === undefined) return false;
      const group = all().find(({ settings }) => settings.members?.includes(name) === true);
      if (group !== undefined)
        throw new Failure("conflict", `Cannot remove "${name}": it is a member of "${group.settings.name}"`);
      await drop(name, actor);
      return true;
    },
  };
}

interface Saving {
  readonly actor: string;
  readonly action: string;
  readonly secret: string | undefined;
  /** Whether its content comes from another place than before. */
  readonly hasMoved: boolean;
}

interface KnownRepository extends Leaf {
  readonly secret: string | undefined;
  readonly reserved: readonly Glob[];
}

function knownOf(
  record: MirrorRepositoryRecord,
  { box, formats, incarnation }: RepositoriesOptions & { readonly incarnation: number },
): KnownRepository | undefined {
  const plain = formats.get(record.format as FormatName);
  // A repository of a format that this version does not have stays where it is.
  if (plain === undefined) return undefined;
  const { name, kind } = record;
  const settings = {
    ...(JSON.parse(record.settings) as Omit<MirrorRepository, "name" | "format" | "kind">),
    name,
    kind: kind as MirrorRepository["kind"],
    format: plain.name,
  };
  const secret = record.secret === undefined ? undefined : box.open(record.secret, secretContext(name));
  const format = plain.configured?.(settings) ?? plain;
  const reserved = (settings.reserved ?? []).flatMap((pattern) => globOf(comparedPattern(format, pattern)) ?? []);
  return { settings, format, secret, authorization: authorizationOf(secret), incarnation, reserved };
}

function secretContext(name: string): string {
  return `mirror-repository ${name}`;
}

function globOf(pattern: string): Glob | undefined {
  const glob = readGlob(pattern);
  return "invalid" in glob ? undefined : glob;
}

function authorizationOf(secret: string | undefined): string | undefined {
  if (secret === undefined) return undefined;
  if (secret.startsWith(":")) return `Bearer ${secret.slice(1)}`;
  return `Basic ${Buffer.from(secret).toString("base64")}`;
}

function splitUpstream(address: string | undefined): {
  readonly upstream: string | undefined;
  readonly secret: string | undefined;
} {
  const url = address === undefined ? null : URL.parse(address);
  if (url === null) return { upstream: address, secret: undefined };
  const hasSecret = url.username !== "" || url.password !== "";
  const secret = `${decodedCredential(url.username)}:${decodedCredential(url.password)}`;
  url.username = "";
  url.password = "";
  return { upstream: url.href, secret: hasSecret ? secret : undefined };
}

/** @throws Failure `usage`, which does not repeat what is secret */
function decodedCredential(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new Failure("usage", "Cannot read the credentials in the address of the upstream: a % in them is no escape", {
      hint: "Write a % of a user name or password as %25, or give the credentials in a file of their own",
    });
  }
}

function originOf(address: string | undefined): string | undefined {
  return address === undefined ? undefined : URL.parse(address)?.origin;
}

function withDefaults(given: NewMirrorRepository): MirrorRepository {
  return {
    isOffline: false,
    metadataSeconds: 300,
    missingSeconds: 60,
    staleSeconds: 7 * 24 * 60 * 60,
    isPublic: false,
    allowPrivate: false,
    ...given,
  };
}

function leavesOf(known: ReadonlyMap<string, KnownRepository>, name: string): KnownRepository[] {
  const found = new Map<string, KnownRepository>();
  const seen = new Set<string>();
  const visit = (one: string): void => {
    const repository = known.get(one);
    if (repository === undefined || seen.has(one)) return;
    seen.add(one);
    if (repository.settings.kind === "group") for (const member of repository.settings.members ?? []) visit(member);
    else found.set(one, repository);
  };
  visit(name);
  const all = [...found.values()];
  const isHosted = ({ settings }: Leaf): boolean => settings.kind === "hosted";
  return [...all.filter(isHosted), ...all.filter((leaf) => !isHosted(leaf))];
}

/** A repository and the groups that it is in, at any depth. */
function neighboursOf(known: ReadonlyMap<string, KnownRepository>, name: string): string[] {
  const found = new Set([name]);
  // The set grows while it is walked.
  for (const one of found)
    for (const { settings } of known.values()) if (settings.members?.includes(one) === true) found.add(settings.name);
  return [...found];
}

async function isReservedAmong(
  store: Store,
  known: ReadonlyMap<string, KnownRepository>,
  { places, name }: { readonly places: readonly KnownRepository[]; readonly name: string },
): Promise<boolean> {
  const { format } = places[0] ?? {};
  if (format === undefined) return false;
  const wanted = comparedName(format, name);
  if (places.some(({ reserved }) => reserved.some((glob) => glob.matches(wanted)))) return true;
  if (places.some(({ settings }) => settings.shared?.some((one) => comparedName(format, one) === wanted) === true))
    return false;
  const hosted = new Set<string>();
  for (const { settings } of places)
    if (settings.kind === "group")
      for (const leaf of leavesOf(known, settings.name))
        if (leaf.settings.kind === "hosted") hosted.add(leaf.settings.name);
  for (const repository of hosted)
    for (const subject of await mirrorSubjectsLike(store.db, repository, name))
      if (comparedName(format, subject) === wanted) return true;
  return false;
}
