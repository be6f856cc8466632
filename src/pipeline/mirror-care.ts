import { readFile, stat } from "node:fs/promises";
import { homedir } from "node:os";
import { basename, isAbsolute } from "node:path";
import { Failure, messageOf } from "../base/errors.ts";
import { processEnvironment } from "../config/environment.ts";
import { machineSources } from "../build/build.ts";
import type { RunContext } from "../jobs/jobs.ts";
import {
  cleanMirror,
  type CleanReport,
  type CleanRequest,
  detect,
  type Detection,
  type Mirror,
  type MirrorHealth,
  type MirrorRepository,
  openHealthWatch,
  type PolicyBook,
  type PolicyCheck,
  prefetch,
  type PrefetchReport,
  type Proposal,
  readLockFile,
  readPurl,
} from "../mirror/mirror.ts";
import { sha256Digest } from "../model/digest.ts";
import { addAuditEvent } from "../store/event-records.ts";
import { searchEvents } from "../store/event-search-records.ts";
import { listMirrorUsage, type MirrorUsageRecord } from "../store/mirror-care-records.ts";
import { exportMirror, type MirrorExportReport, type MirrorExportRequest } from "./archive/mirror-export.ts";
import { importMirror, type MirrorImportReport, type MirrorImportRequest } from "./archive/mirror-import.ts";
import type { Ground } from "./features.ts";
import { findHeldBlobs } from "./held-blobs.ts";

/** What became of a proposed repository. */
interface AppliedProposal {
  readonly name: string;
  readonly state: "created" | "there" | "failed";
  readonly reason?: string;
}

/** What is looked for on this machine, and what is done with it. */
interface DetectionRequest {
  /** An absolute path: the project whose files count before the user's. */
  readonly folder?: string | undefined;
  /** Repositories of a Nexus or Artifactory too, under their own names. */
  readonly takesOver: boolean;
  readonly isApplied: boolean;
  /** Applies only where the mirror has no repository and never did this before. */
  readonly isFirstStart?: boolean;
  /** The root of a Nexus or Artifactory to ask, credentials in it where it wants some. */
  readonly server?: string | undefined;
  /** Addresses of this server's mirror. */
  readonly own: readonly string[];
  readonly actor: string;
}

/** A dry run of the rules for one package URL. */
interface PurlCheck {
  readonly purl: string;
  /** Empty where no repository of the mirror has its format. */
  readonly checks: readonly PolicyCheck[];
}

/** The care for the package mirror: its rules, what it is set up from, what it holds, what is carried in and out. */
export interface MirrorCare {
  readonly rules: PolicyBook;
  detect(
    request: DetectionRequest,
  ): Promise<{ readonly detection: Detection; readonly applied: readonly AppliedProposal[] }>;
  usage(): Promise<MirrorUsageRecord[]>;
  health(repository: MirrorRepository): Promise<MirrorHealth>;
  /** @throws Failure `usage` for what is no package URL */
  check(purls: readonly string[], repository: string | undefined): Promise<PurlCheck[]>;
  /** The following queue jobs and return their ids; files are absolute paths on this machine. */
  startClean(
    request: CleanRequest & { readonly repository?: string | undefined; readonly actor: string },
  ): Promise<string>;
  startPrefetch(request: { readonly file: string; readonly actor: string }): Promise<string>;
  startExport(request: MirrorExportRequest): Promise<string>;
  startImport(request: MirrorImportRequest): Promise<string>;
}

interface CareGround extends Ground {
  readonly mirror: Mirror;
  readonly rules: PolicyBook;
}

/** Opens the care for the mirror, and puts the cleaning on its schedule. */
export async function openMirrorCare(ground: CareGround): Promise<MirrorCare> {
  const { store, queue, schedules, config, rules, isStanding } = ground;
  defineJobs(ground);
  const watch = openHealthWatch({ isOffline: config.mirror.offline });
  const start = async (name: string, input: unknown): Promise<string> =>
    await queue.enqueue({ name, input, concurrencyKey: name });
  const care: MirrorCare = {
    rules,
    detect: async (request) => await detectHere(ground, request),
    usage: async () => await listMirrorUsage(store.db),
    health: async (repository) => await watch.of(repository),
    check: async (purls, repository) => await checkPurls(ground, purls, repository),
    startClean: async (request) => await start("mirror-clean", request),
    startPrefetch: async (request) => await start("mirror-prefetch", { ...request, file: absolute(request.file) }),
    startExport: async (request) => await start("mirror-export", { ...request, file: absolute(request.file) }),
    startImport: async (request) => await start("mirror-import", { ...request, file: absolute(request.file) }),
  };
  const { schedule, unusedDays } = config.mirror.clean;
  const name = "mirror-clean";
  if (isStanding && schedule === "never") await schedules.remove(name);
  else if (isStanding)
    await schedules.set({
      name,
      cron: schedule,
      start: async () => void (await care.startClean({ unusedDays, isDryRun: false, actor: "schedule" })),
    });
  return care;
}

function absolute(file: string): string {
  if (isAbsolute(file)) return file;
  throw new Failure("usage", `Cannot use the file "${file}": its path is not absolute`);
}

function defineJobs(ground: CareGround): void {
  const { queue, store, mirror } = ground;
  queue.define("mirror-clean", 1, async (job) => await clean(ground, job), { attemptsMax: 2 });
  queue.define("mirror-prefetch", 1, async (job) => await prefetchFile(ground, job), { attemptsMax: 2 });
  const carry = (job: RunContext, phase: string) => ({
    signal: job.signal,
    onBytes: sparing((done: number, total: number) =>
      job.emit({ kind: "progress", phase, done, total, unit: "bytes" }),
    ),
  });
  queue.define(
    "mirror-export",
    1,
    async (job): Promise<MirrorExportReport> => {
      const request = job.input as MirrorExportRequest;
      // A second try may find the file of the first, which was killed before it could say so.
      const isReplacing = request.isReplacing || job.attempt > 1;
      return await exportMirror({ store, mirror }, { ...request, isReplacing }, carry(job, "export"));
    },
    { attemptsMax: 2 },
  );
  queue.define(
    "mirror-import",
    1,
    async (job): Promise<MirrorImportReport> =>
      await importMirror({ store, mirror }, job.input as MirrorImportRequest, carry(job, "import")),
    { attemptsMax: 2 },
  );
}

const reportBytes = 8 * 1024 * 1024;

function sparing(report: (done: number, total: number) => void): (done: number, total: number) => void {
  let told = 0;
  return (done, total) => {
    if (done - told < reportBytes && done !== total) return;
    told = done;
    report(done, total);
  };
}

async function clean(ground: CareGround, job: RunContext): Promise<CleanReport> {
  const { store, mirror, workshop, config } = ground;
  const request = job.input as CleanRequest & { readonly repository?: string; readonly actor: string };
  const all = await mirror.list();
  const repositories = all.filter(({ name }) => request.repository === undefined || name === request.repository);
  if (request.repository !== undefined && repositories.length === 0)
    throw new Failure("not_found", `Cannot find the repository "${request.repository}" of the mirror`);
  const cacheMs = config.gc.cacheDays * 24 * 60 * 60 * 1000;
  const held = await findHeldBlobs({ db: store.db, workshop, cacheMs });
  const onPage = ({ entryCount: done, keptCount }: CleanReport): void =>
    job.emit({ kind: "progress", phase: "clean", done, total: done + keptCount, unit: "entries" });
  const report = await cleanMirror({ store, repositories, held, signal: job.signal, onPage }, request);
  if (!report.isDryRun)
    await addAuditEvent(store.db, {
      actor: request.actor,
      action: "mirror.cleaned",
      subject: request.repository ?? "*",
      details: { unusedDays: request.unusedDays, entryCount: report.entryCount, freedBytes: report.freedBytes },
    });
  return report;
}

/** A lock is text: the largest of real projects have some ten megabytes. */
const lockBytes = 64 * 1024 * 1024;

async function prefetchFile({ mirror, store }: CareGround, job: RunContext): Promise<PrefetchReport> {
  const { file, actor } = job.input as { readonly file: string; readonly actor: string };
  const facts = await stat(file).catch(() => undefined);
  if (facts?.isFile() !== true) throw new Failure("not_found", `Cannot prefetch from "${file}": there is no such file`);
  if (facts.size > lockBytes)
    throw new Failure("too_large", `Cannot prefetch from "${file}": it has more than ${lockBytes} bytes`);
  const lock = readLockFile(basename(file), await readFile(file, "utf8"));
  return await prefetch(
    {
      answer: async (read) => await mirror.answer(read),
      repositories: await mirror.list(),
      actor,
      signal: job.signal,
      onProgress: ({ done, total }) => job.emit({ kind: "progress", phase: "prefetch", done, total, unit: "files" }),
      async keep(sha256, bytes) {
        const expected = sha256Digest(sha256);
        if (await store.blobs.touch(expected)) return true;
        if (bytes === undefined) return false;
        await store.blobs.put(bytes, { expected });
        return true;
      },
    },
    lock,
  );
}

async function detectHere(
  ground: CareGround,
  request: DetectionRequest,
): Promise<{ readonly detection: Detection; readonly applied: readonly AppliedProposal[] }> {
  const { mirror, store } = ground;
  if (request.folder !== undefined) absolute(request.folder);
  if (request.isFirstStart === true && !(await isUntouched(ground))) return { detection: nothing, applied: [] };
  const environment = processEnvironment();
  const home = environment["HOME"] ?? homedir();
  const detection = await detect({
    machine: {
      home,
      folder: request.folder ?? home,
      root: "/",
      environment,
      aptSuites: async (folder) => await machineSources(folder),
    },
    own: request.own,
    asksServers: true,
    takesOver: request.takesOver,
    server: request.server,
  });
  const applied: AppliedProposal[] = [];
  if (request.isApplied) {
    for (const proposal of detection.proposals) applied.push(await apply(mirror, proposal, request.actor));
    await addAuditEvent(store.db, {
      actor: request.actor,
      action: "mirror.detected",
      subject: "*",
      details: { created: applied.filter(({ state }) => state === "created").map(({ name }) => name) },
    });
  }
  return { detection, applied };
}

const nothing: Detection = { sources: [], servers: [], proposals: [], problems: [] };

/** Whoever removed all repositories does not get them back by a restart. */
async function isUntouched({ mirror, store }: CareGround): Promise<boolean> {
  if ((await mirror.list()).length > 0) return false;
  const page = { newestFirst: true, limit: 1 };
  return (await searchEvents(store.db, { action: "mirror.detected" }, page)).events.length === 0;
}

async function apply(mirror: Mirror, proposal: Proposal, actor: string): Promise<AppliedProposal> {
  const { name, format, url, login, checksumDatabase } = proposal;
  if ((await mirror.get(name)) !== undefined)
    return { name, state: "there", reason: "there is a repository of this name already" };
  try {
    await mirror.create(
      {
        name,
        format,
        kind: "proxy",
        // What anybody can fetch from its source anybody may fetch from here; what needs a login there needs one here.
        isPublic: url !== undefined && login === undefined,
        ...(url === undefined ? { allowed: [] } : { upstream: withLogin(url, login) }),
        ...(checksumDatabase === undefined ? {} : { checksumDatabase }),
      },
      actor,
    );
    return { name, state: "created" };
  } catch (error) {
    return { name, state: "failed", reason: messageOf(error) };
  }
}

function withLogin(address: string, login: Proposal["login"]): string {
  if (login === undefined) return address;
  const url = new URL(address);
  url.username = encodeURIComponent(login.username);
  url.password = encodeURIComponent(login.password);
  return url.href;
}

async function checkPurls(
  { mirror, rules }: CareGround,
  purls: readonly string[],
  only: string | undefined,
): Promise<PurlCheck[]> {
  const repositories = (await mirror.list()).filter(({ name }) => only === undefined || name === only);
  if (only !== undefined && repositories.length === 0)
    throw new Failure("not_found", `Cannot find the repository "${only}" of the mirror`);
  const answers: PurlCheck[] = [];
  for (const purl of purls) {
    const named = readPurl(purl);
    if (named === undefined)
      throw new Failure("usage", `Cannot check "${purl}": it is no package URL of a format that the mirror speaks`, {
        hint: "Write it as pkg:npm/left-pad@1.3.0, pkg:pypi/requests, pkg:maven/group/artifact@1.0 …",
      });
    const checks: PolicyCheck[] = [];
    for (const repository of repositories.filter(({ format }) => format === named.format)) {
      const { name, version } = named;
      const facts = await mirror.factsOf(repository.name, { name, ...(version === undefined ? {} : { version }) });
      checks.push(await rules.check({ repository, name, facts, ...(version === undefined ? {} : { version }) }));
    }
    answers.push({ purl, checks });
  }
  return answers;
}
