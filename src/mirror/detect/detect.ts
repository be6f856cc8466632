import { fetchLimited } from "../../base/http.ts";
import { messageOf } from "../../base/errors.ts";
import type { FoundSource } from "./found-source.ts";
import { gatherers } from "./gather.ts";
import type { Machine } from "./machine.ts";
import { listedRepositories, listPaths, productOf, type ListedRepository, type ProductAddress } from "./products.ts";
import { proposalsOf, takenOver, type Proposal } from "./proposals.ts";

/** What this machine's clients use today, and what would stand for it. */
export interface Detection {
  readonly sources: readonly (FoundSource & { readonly product?: ProductAddress })[];
  readonly servers: readonly ProductServer[];
  readonly proposals: readonly Proposal[];
  /** Kinds of clients whose files cannot be read, and why. */
  readonly problems: readonly { readonly client: string; readonly problem: string }[];
}

/** A Nexus or Artifactory that clients are pointed at. */
interface ProductServer {
  readonly product: ProductAddress["product"];
  readonly address: string;
  /** Undefined where the server did not tell. */
  readonly repositories: readonly ListedRepository[] | undefined;
  readonly problem?: string;
}

interface DetectOptions {
  readonly machine: Machine;
  /** Addresses of this server: clients that use them already ask for nothing. */
  readonly own: readonly string[];
  /** Whether other products are asked for the list of their repositories. */
  readonly asksServers: boolean;
  /** Whether their repositories are proposed too. */
  readonly takesOver: boolean;
}

/**
 * Finds what this machine's clients take packages from, and proposes a repository for each place.
 *
 * Files and variables are read and the clients' own programs asked; no address is known here. A client whose files
 * cannot be read is a problem in the answer, and the others are told all the same.
 */
export async function detect({ machine, own, asksServers, takesOver }: DetectOptions): Promise<Detection> {
  const problems: { client: string; problem: string }[] = [];
  const sources: FoundSource[] = [];
  for (const [client, gather] of Object.entries(gatherers)) {
    try {
      sources.push(...(await gather(machine)));
    } catch (error) {
      problems.push({ client, problem: messageOf(error) });
    }
  }
  const marked = sources.map((source) => {
    const product = source.url === undefined ? undefined : productOf(source.url);
    return product === undefined ? source : { ...source, product };
  });
  const servers = await findServers(marked, asksServers);
  const proposals = proposalsOf(sources, own);
  const listed = takesOver ? servers.flatMap(({ repositories }) => repositories ?? []) : [];
  return { sources: marked, servers, proposals: [...proposals, ...takenOver(listed, proposals)], problems };
}

/** How long a server may take to list its repositories, and how long its list may be. */
const listBounds = { limitBytes: 8 * 1024 * 1024, idleMs: 5000, allowPrivate: true } as const;

async function findServers(sources: Detection["sources"], asks: boolean): Promise<ProductServer[]> {
  const found = new Map<string, { product: ProductAddress; login: FoundSource["login"] }>();
  for (const { product, login } of sources)
    if (product !== undefined && found.get(product.server)?.login === undefined)
      found.set(product.server, { product, login });
  return await Promise.all(
    [...found.values()].map(async ({ product, login }): Promise<ProductServer> => {
      const facts = { product: product.product, address: product.server };
      if (!asks) return { ...facts, repositories: undefined };
      try {
        const headers = login === undefined ? {} : { authorization: authorizationOf(login) };
        const bytes = await fetchLimited(`${product.server}${listPaths[product.product]}`, { ...listBounds, headers });
        return { ...facts, repositories: listedRepositories(product, JSON.parse(bytes.toString("utf8"))) };
      } catch (error) {
        return { ...facts, repositories: undefined, problem: messageOf(error) };
      }
    }),
  );
}

function authorizationOf({ username, password }: NonNullable<FoundSource["login"]>): string {
  if (username === "") return `Bearer ${password}`;
  return `Basic ${Buffer.from(`${username}:${password}`).toString("base64")}`;
}
