import { type FormatName } from "../format.ts";

/** A repository of another product, as its address tells it. */
export interface ProductAddress {
  readonly product: "nexus" | "artifactory";
  /** The root of the server, with a slash at its end. */
  readonly server: string;
  readonly repository: string;
}

/**
 * Recognises an address of a Nexus or an Artifactory.
 *
 * Source: Sonatype's documentation, "Repository URL"; JFrog's, "Package management": `/artifactory/api/<type>/<key>`.
 */
export function productOf(address: string): ProductAddress | undefined {
  const url = URL.parse(address);
  if (url === null) return undefined;
  const nexus = /^(.*?\/)repository\/([^/]+)(?:\/|$)/.exec(url.pathname);
  if (nexus !== null) return { product: "nexus", server: `${url.origin}${nexus[1]}`, repository: nexus[2]! };
  const root = /^(.*?\/artifactory\/)(.*)$/.exec(url.pathname);
  if (root === null) return undefined;
  const key = /^api\/(?:nuget\/v3|[a-z]+)\/([^/]+)/.exec(root[2]!)?.[1] ?? /^(?!api\/)([^/]+)/.exec(root[2]!)?.[1];
  return key === undefined ? undefined : { product: "artifactory", server: `${url.origin}${root[1]}`, repository: key };
}

/** A repository that a Nexus or Artifactory lists. */
export interface ListedRepository {
  readonly name: string;
  /** Undefined for a format that the mirror does not speak. */
  readonly format: FormatName | "oci" | undefined;
  readonly kind: "proxy" | "hosted" | "group";
  /** Where a client reaches it. */
  readonly url: string;
}

/** Where a server lists its repositories, below its root. */
export const listPaths = { nexus: "service/rest/v1/repositories", artifactory: "api/repositories" } as const;

/** A format of another product: what stands before and behind a repository's name in the address that clients are given. */
interface ProductFormat {
  readonly format: FormatName | "oci";
  readonly before?: string;
  readonly behind?: string;
}

const nexusFormats: Readonly<Record<string, ProductFormat>> = {
  maven2: { format: "maven" },
  npm: { format: "npm" },
  pypi: { format: "pypi", behind: "simple/" },
  apt: { format: "apt" },
  go: { format: "go" },
  cargo: { format: "cargo" },
  nuget: { format: "nuget" },
  raw: { format: "raw" },
  docker: { format: "oci" },
};

const artifactoryFormats: Readonly<Record<string, ProductFormat>> = {
  maven: { format: "maven" },
  gradle: { format: "maven" },
  npm: { format: "npm", before: "api/npm/" },
  pypi: { format: "pypi", before: "api/pypi/", behind: "simple/" },
  debian: { format: "apt" },
  go: { format: "go", before: "api/go/" },
  cargo: { format: "cargo", before: "api/cargo/", behind: "index/" },
  nuget: { format: "nuget", before: "api/nuget/v3/" },
  generic: { format: "raw" },
  docker: { format: "oci", before: "api/docker/" },
};

const nexusKinds: Readonly<Record<string, ListedRepository["kind"]>> = {
  proxy: "proxy",
  hosted: "hosted",
  group: "group",
};

/** Federated ones are local ones that others have too. */
const artifactoryKinds: Readonly<Record<string, ListedRepository["kind"]>> = {
  REMOTE: "proxy",
  LOCAL: "hosted",
  FEDERATED: "hosted",
  VIRTUAL: "group",
};

/** Reads what a server answered at {@link listPaths}; what is not understood is left out. */
export function listedRepositories(
  { product, server }: Pick<ProductAddress, "product" | "server">,
  answer: unknown,
): ListedRepository[] {
  if (!Array.isArray(answer)) return [];
  return answer.flatMap((item: unknown): ListedRepository[] => {
    const text = textReader(item);
    const isNexus = product === "nexus";
    const name = text(isNexus ? "name" : "key");
    const kind = (isNexus ? nexusKinds : artifactoryKinds)[text("type")];
    if (!isName(name) || kind === undefined) return [];
    const known = isNexus ? nexusFormats[text("format")] : artifactoryFormats[text("packageType").toLowerCase()];
    const before = isNexus ? "repository/" : (known?.before ?? "");
    return [{ name, kind, format: known?.format, url: `${server}${before}${name}/${known?.behind ?? ""}` }];
  });
}

function textReader(item: unknown): (key: string) => string {
  const record = item !== null && typeof item === "object" ? (item as Record<string, unknown>) : {};
  return (key) => (typeof record[key] === "string" ? record[key] : "");
}

function isName(name: string): boolean {
  return /^[A-Za-z0-9][\w.-]{0,199}$/.test(name);
}
