import { denialOf } from "./answers.ts";
import { type MirrorAnswer, type MirrorWrite } from "./contract.ts";
import { type WriteRefusal } from "./format.ts";
import { type Leaf } from "./repositories.ts";

/** A refusal in the words of the format. */
export function refused(
  leaf: Leaf,
  write: MirrorWrite,
  denial: { readonly status: number; readonly message: string },
): MirrorAnswer {
  const sent = denialOf(leaf.format.deny(denial), { isHead: false });
  return { ...sent, exchange: exchangeOf(leaf, write, { status: sent.status, reason: denial.message }) };
}

/** An answer in a format's own words. */
export function plain(
  leaf: Leaf,
  write: MirrorWrite,
  { status, mediaType, body, statusText }: Omit<WriteRefusal, "refused">,
): MirrorAnswer {
  const bytes = Buffer.from(body);
  const headers = { "content-type": mediaType, "content-length": String(bytes.length), "cache-control": "no-store" };
  const line = statusText === undefined ? {} : { statusText };
  return { status, ...line, headers, body: bytes, exchange: exchangeOf(leaf, write, { status, reason: undefined }) };
}

async function exchangeOf(
  { format, settings }: Leaf,
  { path }: MirrorWrite,
  { status, reason }: { readonly status: number; readonly reason: string | undefined },
): ReturnType<() => MirrorAnswer["exchange"]> {
  const outcome = status >= 400 ? "denied" : "fixed";
  return {
    repository: settings.name,
    format: format.name,
    key: path,
    status,
    outcome,
    ...(reason === undefined ? {} : { reason }),
  };
}
