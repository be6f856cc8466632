import { nowMs } from "../../base/clock.ts";
import { sha256Hex } from "../../base/hash.ts";
import type { Database } from "../../store/database.ts";
import { addAuditEvent, openDenialTrail } from "../../store/event-records.ts";
import type { ExternalRobot, ExternalWorkload } from "../external.ts";
import { applyRules } from "./claim-rules.ts";
import type { Issuer } from "./issuer.ts";
import { claimedIssuer, proveToken } from "./token-proof.ts";

/** Who a token of a trusted issuer is; undefined where it proves nobody. */
export type WorkloadSignIn = (token: string) => Promise<ExternalRobot | ExternalWorkload | undefined>;

const rememberedMs = 60_000;
const rememberedCount = 1000;

interface Remembered {
  readonly subject: ExternalRobot | ExternalWorkload;
  readonly until: number;
}

/**
 * Opens the sign-in of workloads by the tokens that their platform gives them.
 *
 * What was proved is remembered for a minute by the hash of the token. Each proof is an event of the audit trail;
 * of those that failed at most a bounded number a minute, and none about issuers that are not ours.
 */
export function openWorkloads(issuers: readonly Issuer[], db: Database): WorkloadSignIn {
  const byUrl = new Map(issuers.filter(({ config }) => config.rules.length > 0).map((one) => [one.config.issuer, one]));
  const remembered = new Map<string, Remembered>();
  const recordDenial = openDenialTrail(db);

  async function prove(issuer: Issuer, token: string): Promise<ExternalRobot | ExternalWorkload | undefined> {
    const { name, audience = [], maxTokenAgeSeconds, rules } = issuer.config;
    const proof = await proveToken(issuer, token, { audience, maxAgeSeconds: maxTokenAgeSeconds });
    const refuse = async (actor: string, reason: string): Promise<undefined> => {
      const details = { method: "oidc", issuer: name, reason };
      await recordDenial({ actor, action: "sign-in.failed", subject: actor, details });
    };
    if ("reason" in proof) return await refuse("unknown", proof.reason);
    const { claims } = proof;
    const workload = `oidc:${name}:${claims.sub}`;
    const answer = applyRules(rules, claims);
    if (answer === undefined) return await refuse(workload, "no rule fits its claims");
    const endsAt = claims.exp * 1000;
    const subject =
      "robot" in answer
        ? ({ kind: "robot", name: withPrefix(answer.robot), endsAt } as const)
        : ({ kind: "workload", name: workload, grants: answer.grants, endsAt } as const);
    const details = { method: "oidc", issuer: name, subject: claims.sub };
    await addAuditEvent(db, { actor: subject.name, action: "sign-in.succeeded", subject: subject.name, details });
    return subject;
  }

  return async (token) => {
    const issuer = byUrl.get(claimedIssuer(token) ?? "");
    if (issuer === undefined) return undefined;
    const key = sha256Hex(token);
    const known = remembered.get(key);
    if (known !== undefined && nowMs() < known.until) return known.subject;
    const subject = await prove(issuer, token);
    if (subject === undefined) return undefined;
    remembered.delete(key);
    remembered.set(key, { subject, until: Math.min(subject.endsAt ?? Infinity, nowMs() + rememberedMs) });
    const oldest = remembered.size > rememberedCount ? remembered.keys().next() : undefined;
    if (oldest?.done === false) remembered.delete(oldest.value);
    return subject;
  };
}

function withPrefix(robot: string): string {
  return robot.startsWith("robot$") ? robot : `robot$${robot}`;
}
