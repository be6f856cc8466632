import { type FastifyRequest } from "fastify";
import { type IncomingMessage } from "node:http";
import { type Readable } from "node:stream";
import { type Log } from "../base/log.ts";
import { type Digest, parseDigest } from "../model/digest.ts";
import { type AuditEvent } from "../store/event-records.ts";
import { type Store } from "../store/store.ts";
import { type AccessControl, type Caller } from "./access.ts";
import { type BodyBounds } from "./body.ts";
import { type Upstreams } from "./proxy/upstreams.ts";
import { type PullCheck } from "./pull-check.ts";
import { refuse, type Refusal } from "./refusal.ts";

/** One request under `/v2` whose sender is known and allowed, with what its handler needs. */
export interface Exchange {
  readonly request: FastifyRequest;
  readonly message: IncomingMessage;
  /** `HEAD` counts as `GET`: the answer is sent without its body. */
  readonly isHead: boolean;
  readonly query: URLSearchParams;
  readonly caller: Caller;
  readonly site: Site;
}

/** What all requests share. */
export interface Site {
  readonly store: Store;
  readonly access: AccessControl;
  readonly log: Log;
  readonly bounds: BodyBounds;
  /** Uploads that a request is working on: one at a time, from the look at its size to the last byte. */
  readonly busyUploads: Set<string>;
  /** Asked before a manifest is sent. */
  readonly pullGate?: PullCheck | undefined;
  readonly recordPull: RecordPull | undefined;
  /** Where the content of proxy caches comes from. */
  readonly upstreams?: Upstreams | undefined;
  /** Puts the denial of a known account into the audit trail. */
  readonly recordDenial: (event: AuditEvent) => Promise<void>;
}

/** Takes down that a manifest was given out; the tag is undefined where its digest was asked for. */
export type RecordPull = (pull: {
  readonly actor: string;
  readonly address: string;
  readonly repository: string;
  readonly digest: Digest;
  readonly tag: string | undefined;
}) => void;

/** An answer before it is sent. */
export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | number>>;
  readonly body?: Buffer | Readable;
}

/** Does what a request asks, or says why not. */
export type Handler = (exchange: Exchange) => Promise<Answer | Refusal>;

/** Reads a digest of a path or query. */
export function readDigest(text: string | null): Digest | Refusal {
  const digest = parseDigest(text ?? "");
  return (
    digest ??
    refuse(
      "DIGEST_INVALID",
      `Cannot read the digest "${(text ?? "").slice(0, 200)}": it is not sha256 or sha512 with its hex digits`,
    )
  );
}

/** An answer in JSON; as bytes, since Fastify would add a charset to the media type of a text. */
export function jsonAnswer(value: unknown, headers: Readonly<Record<string, string>> = {}): Answer {
  return {
    status: 200,
    headers: { "content-type": "application/json", ...headers },
    body: Buffer.from(JSON.stringify(value)),
  };
}

/** The `n` and `last` of a listing. Source: OCI distribution spec, "Listing Tags". */
export function readPage(
  query: URLSearchParams,
  mostCount: number,
): { readonly after: string; readonly limit: number } | Refusal {
  const text = query.get("n");
  if (text !== null && !/^\d{1,15}$/.test(text))
    return refuse("UNSUPPORTED", `Cannot list: "${text.slice(0, 50)}" is not a number of entries`, { status: 400 });
  return { after: query.get("last") ?? "", limit: Math.min(text === null ? mostCount : Number(text), mostCount) };
}

/** The header that leads to the next page. Source: RFC 8288. */
export function nextLink(path: string, parameters: Readonly<Record<string, string>>): Record<string, string> {
  return { link: `<${path}?${new URLSearchParams(parameters).toString()}>; rel="next"` };
}
