import { Failure, messageOf } from "../base/errors.ts";

/** One request of the API. */
export interface ApiRequest {
  readonly method: "GET" | "POST" | "DELETE";
  /** From the root, with its query. */
  readonly path: string;
  readonly accept?: string;
  /** Becomes JSON. */
  readonly body?: unknown;
  readonly signal?: AbortSignal;
}

/** One answer of the API. */
export interface ApiResponse {
  readonly status: number;
  readonly contentType: string;
  readonly body: AsyncIterable<Uint8Array>;
}

/** Carries requests to a server: over the network, or to one in this process. */
export type Transport = (request: ApiRequest) => Promise<ApiResponse>;

/** Carries requests over HTTP. */
export function fetchTransport(server: { readonly url: string; readonly token?: string }): Transport {
  return async ({ method, path, accept, body, signal }) => {
    const headers = requestHeaders({ accept, token: server.token, hasBody: body !== undefined });
    try {
      const answer = await fetch(new URL(path, server.url), {
        method,
        headers,
        redirect: "error",
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        ...(signal === undefined ? {} : { signal }),
      });
      return {
        status: answer.status,
        contentType: answer.headers.get("content-type") ?? "",
        body: answer.body ?? noBytes(),
      };
    } catch (error) {
      if (signal?.aborted === true)
        throw new Failure("cancelled", "Stopped waiting for the server on request", { cause: error });
      const reason = error instanceof Error && error.cause !== undefined ? messageOf(error.cause) : messageOf(error);
      throw new Failure("upstream_unreachable", `Cannot reach the server "${server.url}": ${reason}`, {
        hint: "Start it with `mintmark up`",
        cause: error,
      });
    }
  };
}

/** The headers of a request; shared by all transports so that the server sees the same. */
export function requestHeaders(request: {
  accept: string | undefined;
  token: string | undefined;
  hasBody: boolean;
}): Record<string, string> {
  return {
    accept: request.accept ?? "application/json",
    ...(request.token === undefined ? {} : { authorization: `Bearer ${request.token}` }),
    ...(request.hasBody ? { "content-type": "application/json" } : {}),
  };
}

async function* noBytes(): AsyncGenerator<Uint8Array> {
  // An answer without a body.
}
