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

const nexusFormats: Readonly<Record<string, FormatName | "oci">> = {
  maven2: "maven",
  npm: "npm",
  pypi: "pypi",
  apt: "apt",
  go: "go",
  cargo: "cargo",
  nuget: "nuget",
  raw: "raw",
  docker: "oci",
};

const artifactoryFormats: Readonly<Record<string, { readonly format: FormatName | "oci"; readonly path: string }>> = {
  maven: { format: "maven", path: "" },
  gradle: { format: "maven", path: "" },
  npm: { format: "npm", path: "api/npm/" },
  pypi: { format: "pypi", path: "api/pypi/" },
  debian: { format: "apt", path: "" },
  go: { format: "go", path: "api/go/" },
  cargo: { format: "cargo", path: "api/cargo/" },
  nuget: { format: "nuget", path: "api/nuget/v3/" },
  generic: { format: "raw", path: "" },
  docker: { format: "oci", path: "api/docker/" },
};

/** Reads what a server answered at {@link listPaths}; what is not understood is left out. */
export function listedRepositories(
  { product, server }: Pick<ProductAddress, "product" | "server">,
  answer: unknown,
): ListedRepository[] {
  if (!Array.isArray(answer)) return [];
  return answer.flatMap((item: unknown): ListedRepository[] => {
    const text = textReader(item);
    if (product === "nexus") {
      const name = text("name");
      const kind = { proxy: "proxy", hosted: "hosted", group: "group" }[text("type")] as
        | ListedRepository["kind"]
        | undefined;
      if (!isName(name) || kind === undefined) return [];
      return [{ name, kind, format: nexusFormats[text("format")], url: `${server}repository/${name}/` }];
    }
    const name = text("key");
    const kind = { REMOTE: "proxy", LOCAL: "hosted", VIRTUAL: "group" }[text("type")] as
      | ListedRepository["kind"]
      | undefined;
    if (!isName(name) || kind === undefined) return [];
    const known = artifactoryFormats[text("packageType").toLowerCase()];
    return [{ name, kind, format: known?.format, url: `${server}${known?.path ?? ""}${name}/` }];
  });
}

function textReader(item: unknown): (key: string) => string {
  const record = item !== null && typeof item === "object" ? (item as Record<string, unknown>) : {};
  return (key) => (typeof record[key] === "string" ? record[key] : "");
}

function isName(name: string): boolean {
  return /^[A-Za-z0-9][\w.-]{0,199}$/.test(name);
}
