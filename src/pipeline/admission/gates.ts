import { nowMs } from "../../base/clock.ts";
import { Failure, toFailure } from "../../base/errors.ts";
import { projectOf } from "../../model/permission.ts";
import type { PullGate } from "../../model/pull-gate.ts";
import { needsScan } from "../../policy/policy.ts";
import { publicKeyId } from "../../sign/sign.ts";
import { listPullGates, putPullGate } from "../../store/admission-records.ts";
import { addAuditEvent } from "../../store/event-records.ts";
import type { Store } from "../../store/store.ts";

/** The gates of all projects, in memory: most pulls are of projects without one, and those must cost nothing. */
export interface Gates {
  of(this: void, project: string): PullGate | undefined;
  needsScan(this: void, repository: string): boolean;
  set(this: void, project: string, gate: PullGate | undefined, actor: string): Promise<void>;
  /** Takes away the gate of a project whose row is gone. */
  forget(this: void, project: string): void;
  /** Changes with every change of a gate. */
  generation(this: void): number;
}

/** Reads every gate; from then on this process is the only one that changes them. */
export async function openGates({ store }: { readonly store: Store }): Promise<Gates> {
  const gates = new Map((await listPullGates(store.db)).map(({ project, gate }) => [project, gate]));
  let generation = 0;
  return {
    of: (project) => gates.get(project),
    needsScan(repository) {
      const gate = gates.get(projectOf(repository));
      return gate !== undefined && needsScan(gate);
    },
    async set(project, asked, actor) {
      const gate = asked === undefined || isOpen(asked) ? undefined : checked(asked);
      await store.transaction(async (db) => {
        await putPullGate(db, { project, gate, actor, now: nowMs() });
        const details = { pullGate: gate === undefined ? "off" : told(gate) };
        await addAuditEvent(db, { actor, action: "project.changed", subject: project, project, details });
      });
      if (gate === undefined) gates.delete(project);
      else gates.set(project, gate);
      generation++;
    },
    forget(project) {
      if (gates.delete(project)) generation++;
    },
    generation: () => generation,
  };
}

/** A gate that asks for nothing is none. */
function isOpen(gate: PullGate): boolean {
  return !needsScan(gate) && !gate.requireSignature;
}

function checked(gate: PullGate): PullGate {
  for (const pem of gate.trustedKeys)
    try {
      publicKeyId(pem);
    } catch (error) {
      throw new Failure("usage", `Cannot trust a key: ${toFailure(error).message}`, {
        hint: "Give each public key as one PEM block, as `cosign public-key` prints it",
        cause: error,
      });
    }
  return { ...gate, trustedKeys: gate.trustedKeys.map((pem) => pem.trim()) };
}

/** Keys are told by their ids: a PEM block says nothing to a reader. */
function told({ trustedKeys, ...gate }: PullGate): Record<string, unknown> {
  return { ...gate, trustedKeys: trustedKeys.map(publicKeyId) };
}
