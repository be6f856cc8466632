import { Failure } from "../../base/errors.ts";
import type { Rendered, RenderInput } from "../format.ts";
import { mediaTypes } from "./classify.ts";
import { type ListedVersion, readVersion, readList, writeList } from "./facts.ts";
import { compareModuleVersions, isCanonicalVersion, isPrerelease } from "./module-path.ts";

/**
 * Makes a list of all members' versions, or the newest of what they say is the latest.
 *
 * @throws Failure `not_found` where policy keeps the only version back that a question would be answered with
 */
export function render({ source, documents, withheld }: RenderInput): Rendered {
  if (source.endsWith("/@v/list")) {
    const versions = new Map<string, ListedVersion>();
    for (const listed of documents.flatMap(({ bytes }) => readList(bytes)))
      if (!withheld.has(listed.version)) versions.set(listed.version, listed);
    const text = writeList([...versions.values()], { withTimes: false });
    return { bytes: Buffer.from(text), mediaType: mediaTypes.text };
  }
  const answers = documents.map((document) => ({ document, version: readVersion(document).version }));
  const allowed = answers.filter(({ version }) => !withheld.has(version));
  if (allowed.length === 0) throw withheldFailure(source, withheld.get(answers[0]!.version));
  // Of a branch the first member's word counts; "latest" is the same question to all of them.
  const best = source.endsWith("/@latest")
    ? allowed.reduce((a, b) => (isLater(b.version, a.version) ? b : a))
    : allowed[0]!;
  return { bytes: best.document.bytes, mediaType: mediaTypes.json };
}

/** Releases go before pre-releases, as in go's own choice of the latest. */
function isLater(left: string, right: string): boolean {
  if (!isCanonicalVersion(left) || !isCanonicalVersion(right)) return isCanonicalVersion(left);
  if (isPrerelease(left) !== isPrerelease(right)) return isPrerelease(right);
  return compareModuleVersions(left, right) > 0;
}

function withheldFailure(source: string, reason: string | undefined): Failure {
  return new Failure("not_found", `Cannot answer "${source}": ${reason ?? "policy keeps the version back"}`);
}
