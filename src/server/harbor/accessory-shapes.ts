import type { AttachedManifest } from "../../store/harbor-artifact-records.ts";
import { instant, numberOf } from "./names.ts";

/** What Harbor calls things that are attached, by the beginning of their type. Source: Harbor's pkg/accessory/model. */
const kinds: readonly (readonly [type: string, kind: string])[] = [
  ["application/vnd.dev.cosign.artifact.sig.", "signature.cosign"],
  ["application/vnd.dev.cosign.simplesigning.", "signature.cosign"],
  ["application/vnd.dev.sigstore.bundle.", "signature.cosign"],
  ["application/vnd.cncf.notary.signature", "signature.notation"],
  ["application/vnd.goharbor.harbor.sbom.", "sbom.harbor"],
  ["application/vnd.cyclonedx", "sbom.harbor"],
  ["application/spdx", "sbom.harbor"],
  ["application/vnd.nydus.", "accelerator.nydus"],
];
const kindsByEnding: Readonly<Record<string, string>> = { ".sig": "signature.cosign", ".sbom": "sbom.harbor" };

/** Each thing that is attached once, however it is. */
export function accessoriesOf(attached: readonly AttachedManifest[]): AttachedManifest[] {
  const byKey = new Map<string, AttachedManifest>();
  for (const one of attached) {
    const key = `${one.subject} ${one.digest}`;
    if (!byKey.has(key)) byKey.set(key, one);
  }
  return [...byKey.values()];
}

/** What kind of accessory something is, in Harbor's words. */
function accessoryKind({ artifactType = "", ending }: AttachedManifest): string {
  const byType = kinds.find(([type]) => artifactType.startsWith(type))?.[1];
  return byType ?? kindsByEnding[ending ?? ""] ?? "subject.accessory";
}

/** An accessory in Harbor's shape. */
interface ShownAccessory {
  readonly id: number;
  readonly artifact_id: number;
  readonly subject_artifact_id: number;
  readonly subject_artifact_digest: string;
  readonly subject_artifact_repo: string;
  readonly size: number;
  readonly digest: string;
  readonly type: string;
  readonly icon: string;
  readonly creation_time: string;
}

/** Shows an accessory as Harbor does. */
export function shownAccessory(one: AttachedManifest): ShownAccessory {
  const { repository, digest, subject } = one;
  const id = numberOf("artifact", `${repository}@${digest}`);
  return {
    id,
    artifact_id: id,
    subject_artifact_id: numberOf("artifact", `${repository}@${subject}`),
    subject_artifact_digest: subject,
    subject_artifact_repo: repository,
    size: one.sizeBytes,
    digest,
    type: accessoryKind(one),
    icon: "",
    creation_time: instant(one.pushedAt),
  };
}
