import { nowIso, nowMs } from "../../base/clock.ts";
import { sha256Hex } from "../../base/hash.ts";
import type { Digest } from "../../model/digest.ts";
import { projectOf } from "../../model/permission.ts";
import type { PullGate } from "../../model/pull-gate.ts";
import {
  blockedSeverities,
  blockingFindings,
  judge,
  needsScan,
  policyDocument,
  refusalMessage,
  type BlockingFinding,
  type RefusedImage,
} from "../../policy/policy.ts";
import type { PullCheck } from "../../registry/registry.ts";
import { adviceGeneration, exceptionGeneration, type ScanRecord } from "../../store/admission-records.ts";
import { openDenialTrail } from "../../store/event-records.ts";
import { listExceptions } from "../../store/exception-records.ts";
import type { Admission, AdmissionCounts, AdmissionGround } from "./admission.ts";
import type { Gates } from "./gates.ts";
import { isIndex, runnableImages, type RunnableImage } from "./manifests.ts";
import type { Reports } from "./reports.ts";
import type { Scans } from "./scans.ts";
import { openSignatures, type SignatureState } from "./signatures.ts";
import { waitingText } from "./waiting-text.ts";

/** One image of an answer: the one that was asked for, or one platform of an index. */
interface JudgedImage {
  readonly digest: Digest;
  readonly platform: string | undefined;
  /** Undefined where the gate asks for no scan. */
  readonly scan: ScanRecord["state"] | undefined;
  /** The id of the key that signed it; undefined where it is not signed, or nobody asks. */
  readonly signedBy: string | undefined;
  readonly findings: readonly BlockingFinding[];
  /** Everything else that stands in the way, a clause each. */
  readonly missing: readonly string[];
  /** Exceptions that let something pass, a sentence each. */
  readonly allowed: readonly string[];
}

/** Whether a manifest is given out, and why not. */
export interface PullVerdict {
  readonly repository: string;
  readonly digest: Digest;
  readonly project: string;
  /** `open`: the project has no gate. */
  readonly result: "open" | "pass" | "fail";
  readonly gate: PullGate | undefined;
  /** What a client prints; undefined where it is given out. */
  readonly message: string | undefined;
  /** Where waiting helps. */
  readonly retryAfterSeconds: number | undefined;
  readonly images: readonly JudgedImage[];
}

/** Decides about pulls. */
export interface Judge {
  readonly check: PullCheck;
  readonly explain: Admission["explain"];
  refusals(this: void): AdmissionCounts["refusals"];
}

interface JudgeGround extends AdmissionGround {
  readonly reports: Reports;
  readonly gates: Gates;
  readonly scans: Scans;
}

interface Asked {
  readonly repository: string;
  readonly digest: Digest;
  readonly mediaType: string;
}

interface KeptVerdict {
  readonly verdict: PullVerdict;
  /** Everything that it depends on and that may change. */
  readonly basis: string;
  /** From this instant on an exception no longer counts. */
  readonly until: number;
}

/** Verdicts in memory; a registry under load gives out a few hundred images. */
const keptVerdicts = 5000;
/** When a client may ask again for an image whose scan is on its way. */
const retryAfterSeconds = 5;

/** Opens the judge. */
export function openJudge(ground: JudgeGround): Judge {
  const { store, registry, gates, scans, log } = ground;
  const signatures = openSignatures(ground);
  const kept = new Map<string, KeptVerdict>();
  const refusals = { findings: 0, "no-verdict": 0, signature: 0 };
  const record = openDenialTrail(store.db);

  /** What a verdict was made from, in a word; four look-ups at most. */
  async function basisOf(gate: PullGate, { repository, digest }: Asked): Promise<string> {
    const parts = [gates.generation(), scans.generation].map(String);
    if (needsScan(gate)) parts.push(await adviceGeneration(store.db), await exceptionGeneration(store.db));
    if (gate.requireSignature) parts.push(await signatures.generation(repository, digest));
    return parts.join("|");
  }

  async function verdictOf(gate: PullGate, asked: Asked): Promise<PullVerdict> {
    const key = `${asked.repository} ${asked.digest}`;
    const basis = await basisOf(gate, asked);
    const known = kept.get(key);
    if (known?.basis === basis && known.until > nowMs()) return known.verdict;
    const { verdict, until } = await judgePull({ ...ground, signatures }, gate, asked);
    kept.delete(key);
    // Who waits for a scan asks again: its end is the change.
    if (verdict.retryAfterSeconds === undefined) kept.set(key, { verdict, basis, until });
    for (const oldest of kept.keys()) if (kept.size > keptVerdicts) kept.delete(oldest);
    return verdict;
  }

  return {
    async check(pull) {
      const gate = gates.of(projectOf(pull.repository));
      if (gate === undefined) return undefined;
      const verdict = await verdictOf(gate, pull);
      if (verdict.message === undefined) return undefined;
      const [kind, reasons] = reasonsOf(verdict);
      refusals[kind]++;
      const subject = `${pull.repository}@${pull.digest}`;
      const details = { reference: pull.reference, reasons };
      await record({ actor: pull.actor, action: "pull.refused", subject, address: pull.address, details }).catch(
        // The refusal stands whether or not the disk takes the note of it.
        (error: unknown) => log.error({ err: error, subject }, "cannot record a refused pull"),
      );
      const { message, retryAfterSeconds: seconds, images } = verdict;
      const detail = { project: verdict.project, images: images.filter(isRefused).map(detailOf) };
      return { message, detail, ...(seconds === undefined ? {} : { retryAfterSeconds: seconds }) };
    },
    async explain(repository, reference) {
      const manifest = await registry.getManifest(repository, reference);
      if (manifest === undefined) return undefined;
      const { digest, mediaType } = manifest;
      const project = projectOf(repository);
      const gate = gates.of(project);
      if (gate !== undefined) return await verdictOf(gate, { repository, digest, mediaType });
      const open = { result: "open" as const, gate, message: undefined, retryAfterSeconds: undefined, images: [] };
      return { repository, digest, project, ...open };
    },
    refusals: () => ({ ...refusals }),
  };
}

interface JudgePullGround extends JudgeGround {
  readonly signatures: ReturnType<typeof openSignatures>;
}

async function judgePull(
  ground: JudgePullGround,
  gate: PullGate,
  asked: Asked,
): Promise<{ readonly verdict: PullVerdict; readonly until: number }> {
  const { repository, digest } = asked;
  const project = projectOf(repository);
  const runnable = await runnableImages(ground.store, asked);
  const images: JudgedImage[] = [];
  let until = Number.MAX_SAFE_INTEGER;
  for (const image of runnable === "too many" ? [] : runnable) {
    const judged = await judgeImage(ground, gate, { ...asked, image });
    images.push(judged.image);
    until = Math.min(until, judged.until);
  }
  // Not needed where the index is signed itself: its signature covers its images.
  if (runnable === "too many")
    images.push({ ...blank, digest, platform: undefined, missing: ["no verdict: its index cannot be looked through"] });
  const refused = images.filter(isRefused);
  const isPending = refused.length > 0 && refused.every(({ scan }) => scan === "queued" || scan === "running");
  const short = `${repository}@${digest.slice(0, 19)}`;
  const told = refused.map((image): RefusedImage => ({
    ...image,
    image: short,
    platform: isIndex(asked.mediaType) ? nameOf(image) : undefined,
  }));
  const verdict = {
    repository,
    digest,
    project,
    result: refused.length === 0 ? ("pass" as const) : ("fail" as const),
    gate,
    message: refused.length === 0 ? undefined : refusalMessage(project, repository, told),
    retryAfterSeconds: isPending ? retryAfterSeconds : undefined,
    images,
  };
  return { verdict, until };
}

const blank = { scan: undefined, signedBy: undefined, findings: [], missing: [], allowed: [] } as const;

function nameOf({ platform, digest }: JudgedImage): string {
  return platform ?? digest.slice(0, 19);
}

async function judgeImage(
  ground: JudgePullGround,
  gate: PullGate,
  { repository, image }: Asked & { readonly image: RunnableImage },
): Promise<{ readonly image: JudgedImage; readonly until: number }> {
  const signature: SignatureState | undefined = gate.requireSignature
    ? await ground.signatures.of(gate, repository, image.digest)
    : undefined;
  const unsigned = signature !== undefined && "missing" in signature ? [signature.missing] : [];
  const signedBy = signature !== undefined && "keyId" in signature ? signature.keyId : undefined;
  const { digest, platform } = image;
  const base = { ...blank, digest, platform, signedBy };
  if (!needsScan(gate)) return { image: { ...base, missing: unsigned }, until: Number.MAX_SAFE_INTEGER };
  const scan = await ground.scans.recordOf(repository, digest);
  const report = scan.state === "done" ? await ground.reports.of(digest) : undefined;
  if (report === undefined) {
    const missing = [waitingText(scan, repository), ...unsigned];
    return { image: { ...base, scan: scan.state, missing }, until: Number.MAX_SAFE_INTEGER };
  }
  const block = blockedSeverities(gate, ground.config.gate.block);
  const policy = { name: `pull:${projectOf(repository)}`, block, unfixedToo: !gate.allowUnfixed };
  const exceptions = await listExceptions(ground.store.db);
  const policySha256 = sha256Hex(policyDocument(policy));
  const verdict = judge({ report, exceptions, repository, now: nowIso(), policy, policySha256 });
  const others = verdict.reasons.filter(({ outcome, finding }) => outcome === "deny" && finding === undefined);
  const now = nowMs();
  const ends = exceptions.map(({ expiresAt }) => Date.parse(expiresAt)).filter((end) => end > now);
  return {
    image: {
      ...base,
      scan: scan.state,
      findings: blockingFindings(report, verdict),
      missing: [...others.map(({ message }) => `no verdict: ${message}`), ...unsigned],
      allowed: verdict.reasons.filter(({ outcome }) => outcome === "allow").map(({ message }) => message),
    },
    until: Math.min(Number.MAX_SAFE_INTEGER, ...ends),
  };
}

function isRefused({ findings, missing }: JudgedImage): boolean {
  return findings.length > 0 || missing.length > 0;
}

/** What is told in the audit trail and counted: the kind of the first thing in the way, and a few words on each. */
function reasonsOf({ images }: PullVerdict): ["findings" | "no-verdict" | "signature", string[]] {
  const refused = images.filter(isRefused);
  const findings = refused.flatMap((image) => image.findings);
  const missing = refused.flatMap((image) => image.missing);
  const kind = findings.length > 0 ? "findings" : missing[0]!.startsWith("no signature") ? "signature" : "no-verdict";
  const words = [...findings.map(({ id, package: name }) => `${id} in ${name}`), ...missing];
  return [kind, words.slice(0, 20)];
}

/** Findings that a refusal lists for programs; `mintmark gate explain` has all. */
const detailedFindings = 50;

function detailOf({ digest, platform, findings, missing }: JudgedImage): Record<string, unknown> {
  const listed = findings.slice(0, detailedFindings);
  return { digest, platform, findingCount: findings.length, findings: listed, missing };
}
