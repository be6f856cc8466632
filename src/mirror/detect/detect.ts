import { fetchLimited } from "../../base/http.ts";
import { Failure, messageOf } from "../../base/errors.ts";
import { type FoundSource, sourceOf } from "./found-source.ts";
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
  /** What its list was asked for with; it never leaves this process. */
  readonly login?: FoundSource["login"];
}

interface DetectOptions {
  readonly machine: Machine;
  /** Addresses of this server: clients that use them already ask for nothing. */
  readonly own: readonly string[];
  /** Whether other products are asked for the list of their repositories. */
  readonly asksServers: boolean;
  /** Whether their repositories are proposed too. */
  readonly takesOver: boolean;
  /** The root of a Nexus or Artifactory that no client of this machine need use; credentials may stand in it. */
  readonly server?: string | undefined;
}

/**
 * Finds what this machine's clients take packages from, and proposes a repository for each place.
 *
 * Files and variables are read and the clients' own programs asked; no address is known here. A client whose files
 * cannot be read is a problem in the answer, and the others are told all the same.
 *
 * @throws Failure `not_found` where the server that is named is neither a Nexus nor an Artifactory
 */
export async function detect(options: DetectOptions): Promise<Detection> {
  const { machine, own, asksServers, takesOver, server } = options;
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
  const named = server === undefined ? [] : [await nameServer(server)];
  const used = await findServers(marked, asksServers);
  const servers = [...named, ...used.filter(({ address }) => named.every((one) => one.address !== address))];
  const listed = takesOver ? servers.flatMap(({ login, repositories = [] }) => takenOver(repositories, login)) : [];
  return { sources: marked, servers, proposals: [...proposalsOf(sources, own, listed), ...listed], problems };
}

/** Which product answers at an address: the one that lists its repositories. */
async function nameServer(address: string): Promise<ProductServer> {
  const { url, login } = sourceOf(address, { client: "", format: "raw", from: "" });
  if (url === undefined) throw new Failure("usage", `Cannot ask "${address}": it is no http or https address`);
  const root = url.endsWith("/") ? url : `${url}/`;
  const problems: string[] = [];
  for (const [product, place] of [
    ["nexus", root],
    ["artifactory", root],
    ["artifactory", `${root}artifactory/`],
  ] as const) {
    const found = await askServer({ product, server: place, login });
    // An answer that is no list is some other server's page.
    if (found.repositories !== undefined) return found;
    problems.push(found.problem ?? "");
  }
  throw new Failure("not_found", `Cannot find a Nexus or an Artifactory at "${root}": ${problems.join("; ")}`, {
    hint: "Name the root of the server, and with --credentials-file who may list its repositories",
  });
}

/** How long a server may take to list its repositories, and how long its list may be. */
const listBounds = { limitBytes: 8 * 1024 * 1024, idleMs: 5000, allowPrivate: true } as const;

async function findServers(sources: Detection["sources"], asks: boolean): Promise<ProductServer[]> {
  const found = new Map<string, { product: ProductAddress; login: FoundSource["login"] }>();
  for (const { product, login } of sources)
    if (product !== undefined && found.get(product.server)?.login === undefined)
      found.set(product.server, { product, login });
  return await Promise.all(
    [...found.values()].map(async ({ product: { product, server }, login }): Promise<ProductServer> => {
      if (!asks) return { product, address: server, repositories: undefined };
      return await askServer({ product, server, login });
    }),
  );
}

interface ServerQuestion extends Pick<ProductAddress, "product" | "server"> {
  readonly login: FoundSource["login"];
}

async function askServer({ product, server, login }: ServerQuestion): Promise<ProductServer> {
  const facts = { product, address: server, ...(login === undefined ? {} : { login }) };
  try {
    const headers = login === undefined ? {} : { authorization: authorizationOf(login) };
    const bytes = await fetchLimited(`${server}${listPaths[product]}`, { ...listBounds, headers });
    const answer = jsonOf(bytes);
    if (!Array.isArray(answer)) return { ...facts, repositories: undefined, problem: "what it answers is no list" };
    return { ...facts, repositories: listedRepositories({ product, server }, answer) };
  } catch (error) {
    return { ...facts, repositories: undefined, problem: messageOf(error) };
  }
}

function jsonOf(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString("utf8"));
  } catch {
    return undefined;
  }
}

function authorizationOf({ username, password }: NonNullable<FoundSource["login"]>): string {
  if (username === "") return `Bearer ${password}`;
  return `Basic ${Buffer.from(`${username}:${password}`).toString("base64")}`;
}
