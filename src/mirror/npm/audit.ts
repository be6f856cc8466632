import type { Relay, WriteRefusal, WriteRequest } from "../format.ts";
import { readRequestBody } from "../request-body.ts";
import { splitPath } from "./classify.ts";
import { readObject } from "./packument.ts";
import { refuse } from "./refuse.ts";

const bulkPath = "-/npm/v1/security/advisories/bulk";

/** The names and versions of a large workspace stay far below this. */
const auditBytes = 16 * 1024 * 1024;

/**
 * The question of `npm audit`: which advisories stand against these versions of these packages.
 *
 * The older form sends the whole tree with the project's own name; it is refused, npm's clients know the newer one.
 */
export async function audit(request: WriteRequest): Promise<Relay | WriteRefusal | undefined> {
  const path = splitPath(request.path)?.join("/");
  if (request.method !== "POST" || path?.startsWith("-/npm/v1/security/") !== true) return undefined;
  if (path !== bulkPath)
    return refuse(501, "Only the bulk form of an audit is taken: the other tells a project's whole tree");
  const asked = readObject(await readRequestBody(request, auditBytes));
  if (asked === undefined) return refuse(400, "The body of an audit is an object of package names");
  return {
    path: bulkPath,
    mediaType: "application/json",
    names: Object.keys(asked),
    body(hidden) {
      const left = Object.entries(asked).filter(([name]) => !hidden.has(name));
      return left.length === 0 ? undefined : Buffer.from(JSON.stringify(Object.fromEntries(left)));
    },
    nothing: { mediaType: "application/json", body: "{}" },
  };
}
