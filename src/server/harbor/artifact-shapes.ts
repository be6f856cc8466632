import { parseJson } from "./json-parts.ts";
import type { Digest } from "../../model/digest.ts";
import { mediaTypes, type Descriptor } from "../../model/oci.ts";
import { readTagScope } from "../../model/tag-scope.ts";
import type { Factory } from "../../pipeline/factory.ts";
import {
  type ArtifactRow,
  type ArtifactTag,
  listAttached,
  readManifests,
  tagsOfManifests,
} from "../../store/harbor-artifact-records.ts";
import { labelsOfImages } from "../../store/label-records.ts";
import type { ProjectRecord } from "../../store/projects-records.ts";
import { accessoriesOf, shownAccessory } from "./accessory-shapes.ts";
import { readExtraAttributes } from "./extra-attributes.ts";
import { shownLabel } from "./label-shapes.ts";
import { escapedRepository, instant, neverInstant, numberOf } from "./names.ts";
import { overviewsOf, type ReportTypes } from "./scan-shapes.ts";

/** What of an artifact is asked for. */
interface ArtifactParts {
  readonly with_tag: boolean;
  readonly with_label: boolean;
  readonly with_scan_overview: boolean;
  readonly with_sbom_overview: boolean;
  readonly with_immutable_status: boolean;
  readonly with_accessory: boolean;
}

/** How artifacts are shown. */
export interface ShowOptions {
  readonly parts: ArtifactParts;
  readonly reportTypes: ReportTypes;
}

/** What of a manifest is shown; everything may be missing. */
interface ReadManifest {
  readonly config?: Descriptor;
  readonly layers?: readonly Descriptor[];
  readonly manifests?: readonly Descriptor[];
  readonly annotations?: Readonly<Record<string, string>>;
  readonly artifactType?: string;
}

/** The number of an artifact. */
function artifactNumber(repository: string, digest: Digest): number {
  return numberOf("artifact", `${repository}@${digest}`);
}

/** Artifacts of one project in Harbor's shape. The look-ups are as many for a page as for one. */
export async function shownArtifacts(
  factory: Factory,
  { project, rows }: { readonly project: ProjectRecord; readonly rows: readonly ArtifactRow[] },
  { parts, reportTypes }: ShowOptions,
): Promise<unknown[]> {
  const { db } = factory.store;
  const documents = await readManifests(
    db,
    rows.map(({ digest }) => digest),
  );
  const read = new Map(rows.map(({ digest }) => [digest, parseJson<ReadManifest>(documents.get(digest)) ?? {}]));
  const children = [...read.values()].flatMap(({ manifests = [] }) => manifests.map(({ digest }) => digest));
  const childDocuments = await readManifests(db, children.slice(0, childrenMax));
  const shownParts = await partsOf(factory, rows, parts);
  const overviews =
    parts.with_scan_overview || parts.with_sbom_overview ? await overviewsOf(factory, rows, read) : undefined;
  return await Promise.all(
    rows.map(async (row) => {
      const { repository, digest } = row;
      const manifest = read.get(digest)!;
      const id = artifactNumber(repository, digest);
      const key = `${repository}@${digest}`;
      const overview = overviews?.get(digest);
      return {
        id,
        type: typeOf(row, manifest),
        media_type: manifest.config?.mediaType ?? row.mediaType,
        manifest_media_type: row.mediaType,
        artifact_type: row.artifactType ?? manifest.config?.mediaType ?? row.mediaType,
        project_id: project.id,
        repository_id: numberOf("repository", repository),
        repository_name: repository,
        digest,
        size: row.sizeBytes + sizeOf(manifest, childDocuments),
        icon: "",
        push_time: instant(row.pushedAt),
        pull_time: row.pulledAt === undefined ? neverInstant : instant(row.pulledAt),
        extra_attrs: await readExtraAttributes(factory, manifest.config),
        annotations: manifest.annotations,
        references: referencesOf(repository, id, manifest),
        tags: parts.with_tag ? shownParts.tagsOf(key) : undefined,
        addition_links: additionLinks(row, project),
        labels: parts.with_label ? shownParts.labelsOf(key) : undefined,
        scan_overview: parts.with_scan_overview ? overview?.scan(reportTypes) : undefined,
        sbom_overview: parts.with_sbom_overview ? overview?.sbom() : undefined,
        accessories: parts.with_accessory ? shownParts.accessoriesOf(key) : undefined,
      };
    }),
  );
}

/** Children of all indexes of one page that are looked into for their sizes. */
const childrenMax = 500;

interface ShownParts {
  tagsOf(key: string): unknown;
  labelsOf(key: string): unknown;
  accessoriesOf(key: string): unknown;
}

async function partsOf(factory: Factory, rows: readonly ArtifactRow[], parts: ArtifactParts): Promise<ShownParts> {
  const { db } = factory.store;
  const tags = new Map<string, unknown[]>();
  const accessories = new Map<string, unknown[]>();
  for (const [repository, some] of Map.groupBy(rows, (row) => row.repository)) {
    const digests = some.map(({ digest }) => digest);
    if (parts.with_tag) {
      const isPinned = await pinsOf(factory, repository);
      for (const tag of await tagsOfManifests(db, repository, digests))
        add(
          tags,
          `${repository}@${tag.digest}`,
          shownTag(tag, parts.with_immutable_status ? isPinned(tag.name) : undefined),
        );
    }
    if (parts.with_accessory)
      for (const attached of accessoriesOf(await listAttached(db, repository, digests)))
        add(accessories, `${repository}@${attached.subject}`, shownAccessory(attached));
  }
  const labels = parts.with_label ? await labelsOfImages(db, rows) : undefined;
  return {
    tagsOf: (key) => tags.get(key),
    labelsOf: (key) => (labels?.get(key) ?? []).map((label) => shownLabel(label, undefined)),
    accessoriesOf: (key) => accessories.get(key) ?? [],
  };
}

function add(lists: Map<string, unknown[]>, key: string, item: unknown): void {
  const list = lists.get(key);
  if (list === undefined) lists.set(key, [item]);
  else list.push(item);
}

/** Whether rules pin the tags of a repository. */
export async function pinsOf({ lifetime }: Factory, repository: string): Promise<(tag: string) => boolean> {
  const { immutability } = await lifetime.rules.list(repository.split("/", 1)[0]!);
  const scopes = immutability.flatMap((rule) => {
    const scope = readTagScope(rule);
    return "invalid" in scope || !scope.covers(repository) ? [] : [scope];
  });
  return (tag) => scopes.some((scope) => scope.fits(tag));
}

/** A tag in Harbor's shape. */
export function shownTag(tag: ArtifactTag, isPinned: boolean | undefined): unknown {
  const { repository, name, digest } = tag;
  return {
    id: numberOf("tag", `${repository}:${name}`),
    repository_id: numberOf("repository", repository),
    artifact_id: artifactNumber(repository, digest),
    name,
    push_time: instant(tag.pushedAt),
    pull_time: tag.pulledAt === undefined ? neverInstant : instant(tag.pulledAt),
    immutable: isPinned ?? false,
  };
}

const imageConfigs: readonly string[] = [mediaTypes.config, mediaTypes.dockerConfig];

/** Harbor names the kind of an artifact by the type of its configuration. Source: Harbor's controller/artifact/processor. */
function typeOf({ artifactType }: ArtifactRow, { config, manifests }: ReadManifest): string {
  if (manifests !== undefined) return "IMAGE";
  const type = config?.mediaType === mediaTypes.empty ? (artifactType ?? "") : (config?.mediaType ?? "");
  if (imageConfigs.includes(type)) return "IMAGE";
  if (type === "application/vnd.cncf.helm.config.v1+json") return "CHART";
  return /^application\/vnd\.[^.]*\.(.*)\.config\.[^.]*\+json$/.exec(type)?.[1]?.toUpperCase() ?? "UNKNOWN";
}

function sizeOf({ config, layers = [], manifests = [] }: ReadManifest, children: ReadonlyMap<Digest, Buffer>): number {
  const own = [...layers, ...(config === undefined ? [] : [config])].reduce((sum, { size }) => sum + (size ?? 0), 0);
  return manifests.reduce((sum, { digest, size }) => {
    const child = parseJson<ReadManifest>(children.get(digest));
    return sum + (size ?? 0) + (child === undefined ? 0 : sizeOf({ ...child, manifests: [] }, children));
  }, own);
}

function referencesOf(repository: string, parent: number, { manifests }: ReadManifest): unknown {
  return manifests?.map(({ digest, platform, annotations, ...rest }) => ({
    parent_id: parent,
    child_id: artifactNumber(repository, digest),
    child_digest: digest,
    platform: platform === undefined ? undefined : { "os.version": "", variant: "", ...platform },
    annotations,
    urls: (rest as { readonly urls?: readonly string[] }).urls ?? [],
  }));
}

/** Where the additions of an artifact are. */
function additionLinks({ repository, digest, mediaType }: ArtifactRow, project: ProjectRecord): unknown {
  const base = `/api/v2.0/projects/${project.name}/repositories/${escapedRepository(repository)}/artifacts/${digest}/additions`;
  const isIndex = mediaType === mediaTypes.index || mediaType === mediaTypes.dockerIndex;
  const names = isIndex ? ["vulnerabilities"] : ["build_history", "vulnerabilities", "sbom"];
  return Object.fromEntries(names.map((name) => [name, { href: `${base}/${name}`, absolute: false }]));
}
