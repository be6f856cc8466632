/**
 * The client speaks the API of a Mintmark server: one method for each operation, typed from the server's schemas.
 *
 * It owns how requests are formed and how answers are read, over any {@link Transport}; api-types.ts is made from
 * the server's zod schemas and a test keeps it so. It promises that a refused request is a Failure with the server's
 * code, message and hint, and that following a build survives a connection that breaks.
 */
import { errorCodes, type ErrorCodeName } from "../base/error-codes.ts";
import { Failure } from "../base/errors.ts";
import { limits } from "../base/limits.ts";
import type {
  About,
  AcceptedBuild,
  AcceptedJob,
  AdvisoryImport,
  BackupList,
  BackupPlace,
  Build,
  Cancellation,
  Exception,
  ExceptionList,
  FeedList,
  Image,
  ImageDifference,
  ImageList,
  Job,
  JobEvent,
  JobList,
  JobRevival,
  LockChange,
  NewBackup,
  NewBuild,
  NewException,
  Problem,
  RunEvent,
  ScanReport,
  Verdict,
  Verification,
} from "./api-types.ts";
import { admissionOperations, type AdmissionOperations } from "./admission-operations.ts";
import { collectionOperations, type CollectionOperations } from "./collection-operations.ts";
import { eventOperations, type EventOperations } from "./event-operations.ts";
import { lifetimeOperations, type LifetimeOperations } from "./lifetime-operations.ts";
import { mirrorOperations, type MirrorOperations } from "./mirror-operations.ts";
import { movementOperations, type MovementOperations } from "./movement-operations.ts";
import { identityOperations, type IdentityOperations } from "./identity-operations.ts";
import { findServer, type FoundServer } from "./find-server.ts";
import { follow } from "./follow.ts";
import { fetchTransport, requestHeaders, type ApiRequest, type ApiResponse, type Transport } from "./transport.ts";

export type { AuditSearch } from "./event-operations.ts";

/** A document that goes out as it came in. */
const documentBytes = 256 * 1024 * 1024;

/** Every operation of the API. Images are named by digest or `repository:tag`. */
export interface Client
  extends
    AdmissionOperations,
    CollectionOperations,
    EventOperations,
    IdentityOperations,
    LifetimeOperations,
    MirrorOperations,
    MovementOperations {
  about(): Promise<About>;
  images(filter?: { readonly repository?: string }): Promise<ImageList>;
  image(id: string): Promise<Image>;
  why(id: string): Promise<unknown>;
  /** What differs between two images, down to the file. */
  difference(id: string, other: string): Promise<ImageDifference>;
  /** The text of the document, byte for byte as it is attached to the image. */
  sbom(id: string, format: "cyclonedx" | "spdx"): Promise<string>;
  scan(id: string): Promise<ScanReport>;
  verdict(id: string): Promise<Verdict>;
  verification(id: string): Promise<Verification>;
  startBuild(build: NewBuild): Promise<AcceptedBuild>;
  build(id: string): Promise<Build>;
  /** The events of a build until it ends; goes on after a broken connection. */
  follow(id: string, options?: { readonly after?: number; readonly signal?: AbortSignal }): AsyncIterable<RunEvent>;
  cancelBuild(id: string): Promise<Cancellation>;
  jobs(filter?: { readonly kind?: string; readonly state?: string }): Promise<JobList>;
  job(id: string): Promise<Job>;
  /** The events of a job until it ends; goes on after a broken connection. */
  followJob(id: string, options?: { readonly after?: number; readonly signal?: AbortSignal }): AsyncIterable<JobEvent>;
  cancelJob(id: string): Promise<Cancellation>;
  retryJob(id: string): Promise<JobRevival>;
  /** Folders are the server's. */
  startBackup(backup: NewBackup): Promise<AcceptedJob>;
  proveBackup(backup: BackupPlace): Promise<AcceptedJob>;
  backups(folder: string): Promise<BackupList>;
  lock(build: NewBuild): Promise<LockChange>;
  feeds(): Promise<FeedList>;
  importAdvisories(source: string): Promise<AdvisoryImport>;
  exceptions(): Promise<ExceptionList>;
  createException(exception: NewException): Promise<Exception>;
  endException(id: string, reason: string): Promise<Exception>;
}

/** Speaks to a server over any transport. */
export function openClient(transport: Transport): Client {
  const sent = (request: ApiRequest): Promise<ApiResponse> => ask(transport, request);
  const json = async <Answer>(request: ApiRequest): Promise<Answer> =>
    JSON.parse(await readText(await ask(transport, request))) as Answer;
  const get = <Answer>(path: string): Promise<Answer> => json({ method: "GET", path: `/api/v1${path}` });
  const post = <Answer>(path: string, body?: unknown): Promise<Answer> =>
    json({ method: "POST", path: `/api/v1${path}`, ...(body === undefined ? {} : { body }) });
  return {
    ...admissionOperations({ sent, json }),
    ...collectionOperations({ sent, json }),
    ...eventOperations({ sent, json }),
    ...lifetimeOperations({ sent, json }),
    ...mirrorOperations({ sent, json }),
    ...movementOperations({ sent, json }),
    ...identityOperations(json),
    about: () => get("/about"),
    images: ({ repository } = {}) =>
      get(`/images?limit=1000${repository === undefined ? "" : `&repository=${encodeURIComponent(repository)}`}`),
    image: (id) => get(imagePath(id)),
    why: (id) => get(`${imagePath(id)}/why`),
    difference: (id, other) => get(`${imagePath(id)}/difference?with=${encodeURIComponent(other)}`),
    sbom: async (id, format) =>
      readText(
        await ask(transport, { method: "GET", path: `/api/v1${imagePath(id)}/sbom?format=${format}`, accept: "*/*" }),
      ),
    scan: (id) => get(`${imagePath(id)}/scan`),
    verdict: (id) => get(`${imagePath(id)}/verdict`),
    verification: (id) => get(`${imagePath(id)}/verification`),
    startBuild: (build) => post("/images/build", build),
    build: (id) => get(`/builds/${encodeURIComponent(id)}`),
    follow: (id, options) =>
      follow<RunEvent>({ ask: sent, path: `/api/v1/builds/${encodeURIComponent(id)}`, ...options }),
    cancelBuild: (id) => post(`/builds/${encodeURIComponent(id)}/cancel`),
    jobs: (filter = {}) => get(`/jobs?${new URLSearchParams(Object.entries(filter)).toString()}`),
    job: (id) => get(`/jobs/${encodeURIComponent(id)}`),
    followJob: (id, options) =>
      follow<JobEvent>({ ask: sent, path: `/api/v1/jobs/${encodeURIComponent(id)}`, ...options }),
    cancelJob: (id) => post(`/jobs/${encodeURIComponent(id)}/cancel`),
    retryJob: (id) => post(`/jobs/${encodeURIComponent(id)}/retry`),
    startBackup: (backup) => post("/backups", backup),
    proveBackup: (backup) => post("/backups/proof", backup),
    backups: (folder) => get(`/backups?folder=${encodeURIComponent(folder)}`),
    lock: (build) => post("/locks", build),
    feeds: () => get("/advisories"),
    importAdvisories: (source) => post("/advisories/import", { source }),
    exceptions: () => get("/exceptions"),
    createException: (exception) => post("/exceptions", exception),
    endException: (id, reason) => post(`/exceptions/${encodeURIComponent(id)}/end`, { reason }),
  };
}

/** Speaks to the server that owns a data folder; undefined where none runs. */
export async function connectToOwner(
  dataDir: string,
): Promise<{ readonly client: Client; readonly server: FoundServer } | undefined> {
  const server = await findServer(dataDir);
  return server === undefined ? undefined : { client: openClient(fetchTransport(server)), server };
}

/** What an API in this process offers; {@link localTransport} makes a transport of it. */
interface LocalRequests {
  readonly token: string;
  request(request: { method: string; path: string; headers: Record<string, string>; body?: string }): Promise<{
    readonly status: number;
    readonly headers: Readonly<Record<string, string>>;
    readonly body: AsyncIterable<Uint8Array> & { destroy(): void };
  }>;
}

/** Carries requests to an API in this process. */
export function localTransport(api: LocalRequests): Transport {
  return async ({ method, path, accept, body, signal }) => {
    const headers = requestHeaders({ accept, token: api.token, hasBody: body !== undefined });
    const answer = await api.request({
      method,
      path,
      headers,
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    signal?.addEventListener("abort", () => answer.body.destroy(), { once: true });
    return { status: answer.status, contentType: answer.headers["content-type"] ?? "", body: answer.body };
  };
}

/** Slashes are part of an id and stay; the server expects them. */
function imagePath(id: string): string {
  return `/images/${id.split("/").map(encodeURIComponent).join("/")}`;
}

async function ask(transport: Transport, request: ApiRequest): Promise<ApiResponse> {
  const answer = await transport(request);
  if (answer.status < 400) return answer;
  const text = await readText(answer, limits.requestBytes);
  throw failureOf(text, answer.status);
}

function failureOf(text: string, status: number): Failure {
  try {
    const { code, detail, hint } = JSON.parse(text) as Problem;
    if (Object.hasOwn(errorCodes, code))
      return new Failure(code as ErrorCodeName, detail, hint === undefined ? {} : { hint });
  } catch {
    // Not our answer: a proxy's page, perhaps.
  }
  return new Failure("internal", `Cannot read the server's answer: status ${status} without a problem document`, {
    hint: "Is this address a Mintmark server?",
  });
}

async function readText({ body }: ApiResponse, limitBytes: number = documentBytes): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of body) {
    size += chunk.length;
    if (size > limitBytes)
      throw new Failure("too_large", `Cannot take the server's answer: it is larger than ${limitBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}
