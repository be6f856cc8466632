import { Failure } from "../base/errors.ts";
import { type Claim, type Format } from "./format.ts";

/** A tiny format: `pkg/NAME.json` tells of a package, `file/NAME/VERSION` is its file, `mutable/X` may change. */
interface Listing {
  readonly name: string;
  readonly versions: Readonly<
    Record<string, { readonly sha256?: string; readonly url?: string; readonly at?: number }>
  >;
}

/** The tiny format of the engine's tests. */
export const tiny: Format = {
  name: "raw",
  classify({ path }) {
    const [, name] = /^pkg\/([^/]+)\.json$/.exec(path) ?? [];
    if (name !== undefined) return { kind: "document", source: `pkg/${name}.json`, variant: "full", subject: { name } };
    const [, whose, version] = /^file\/([^/]+)\/([^/]+)$/.exec(path) ?? [];
    if (whose !== undefined && version !== undefined)
      return { kind: "file", key: path, lifetime: "immutable", subject: { name: whose, version } };
    if (path.startsWith("mutable/")) return { kind: "file", key: path, lifetime: "mutable" };
    if (path.startsWith("vouched/")) return { kind: "file", key: path, lifetime: "vouched" };
    if (path === "ping") return { kind: "fixed", status: 200, mediaType: "text/plain", body: (base) => `at ${base}` };
    return { kind: "refused", status: 404, reason: `nothing is at "${path}"` };
  },
  async locate(ask, reader) {
    if (ask.kind === "document") return { url: ask.source };
    if (ask.key.startsWith("vouched/")) {
      const sums = (await reader.read("sums.json"))?.toString("utf8");
      if (sums === undefined) return undefined;
      const value = (JSON.parse(sums) as Record<string, string>)[ask.key];
      return value === undefined ? undefined : { url: ask.key, claim: { algorithm: "sha256", value } };
    }
    if (ask.subject?.version === undefined) return { url: ask.key };
    const facts = await reader.facts(`pkg/${ask.subject.name}.json`);
    if (facts === undefined) return { url: ask.key };
    const version = facts.versions.find((one) => one.version === ask.subject?.version);
    const file = version?.files[0];
    return file === undefined
      ? undefined
      : { url: file.url, ...(file.claim === undefined ? {} : { claim: file.claim }) };
  },
  documentOf: ({ name }) => `pkg/${name}.json`,
  facts({ bytes, url }) {
    const listing = read(bytes, url);
    return {
      name: listing.name,
      versions: Object.entries(listing.versions).map(([version, one]) => {
        const claim: Claim | undefined =
          one.sha256 === undefined ? undefined : { algorithm: "sha256", value: one.sha256 };
        const name = `file/${listing.name}/${version}`;
        return {
          version,
          ...(one.at === undefined ? {} : { publishedAt: one.at }),
          files: [{ name, url: one.url ?? name, ...(claim === undefined ? {} : { claim }) }],
        };
      }),
    };
  },
  render({ documents, base, withheld }) {
    const versions: Record<string, unknown> = {};
    for (const { bytes, url } of documents.toReversed())
      for (const version of Object.keys(read(bytes, url).versions))
        versions[version] = { file: `${base}/file/${version}` };
    for (const version of withheld.keys()) delete versions[version];
    return { bytes: Buffer.from(JSON.stringify({ base, versions })), mediaType: "application/json" };
  },
  probe: "ping",
  deny: ({ status, message }) => ({ status, mediaType: "text/plain", body: message }),
  async write({ method, path, body }, shelf) {
    const [, name = "", version = ""] = /^file\/([^/]+)\/([^/]+)$/.exec(path) ?? [];
    if (method === "DELETE") {
      const listing = read((await shelf.read(`pkg/${name}.json`)) ?? Buffer.from("{}"), "");
      const { [version]: _gone, ...versions } = listing.versions;
      return {
        subject: { name, version },
        files: [],
        documents: [document({ name, versions })],
        removed: [path],
        answer: { status: 200, mediaType: "text/plain", body: "gone" },
      };
    }
    if ((await shelf.fileDigest(path)) !== undefined)
      return { refused: true, status: 409, mediaType: "text/plain", body: "there is one" };
    const { digest, sizeBytes } = await shelf.put(body);
    const before = await shelf.read(`pkg/${name}.json`);
    const versions = before === undefined ? {} : read(before, "").versions;
    return {
      subject: { name, version },
      files: [{ key: path, digest, sizeBytes, mediaType: "application/octet-stream", subject: { name, version } }],
      documents: [document({ name, versions: { ...versions, [version]: { sha256: digest.slice(7) } } })],
      removed: [],
      answer: { status: 201, mediaType: "text/plain", body: "made" },
    };
  },
  clients: () => [],
  purl: ({ name, version }) => `pkg:generic/${name}@${version}`,
};

function document(listing: Listing) {
  return {
    source: `pkg/${listing.name}.json`,
    bytes: Buffer.from(JSON.stringify(listing)),
    mediaType: "application/json",
  };
}

function read(bytes: Buffer, url: string): Listing {
  try {
    return JSON.parse(bytes.toString("utf8")) as Listing;
  } catch (cause) {
    throw new Failure("upstream_unreachable", `Cannot read "${url}": it is no JSON`, { cause });
  }
}
