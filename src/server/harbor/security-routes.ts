import { z } from "zod";
import type { Finding } from "../../model/finding.ts";
import { severities } from "../../model/finding.ts";
import { tagsOfManifests } from "../../store/harbor-artifact-records.ts";
import { countScannable, listScannedImages, type ScannedImage } from "../../store/harbor-scan-records.ts";
import type { ApiApp, ApiContext } from "../api-app.ts";
import { reduced } from "./harbor-app.ts";
import { flag, listQuery, meets, type Conditions, readConditions, sendPage, sliceOf } from "./listing.ts";
import { severityName, statusOf } from "./scan-shapes.ts";

/** What is known against all images together. Source: Harbor's swagger, tag "securityhub". */
export function securityRoutes(app: ApiApp, context: ApiContext): void {
  summaryRoute(app, context);
  findingsRoute(app, context);
}

/** Images that one answer looks at. */
const imagesMax = 10_000;
const dangerousMax = 5;

function summaryRoute(app: ApiApp, context: ApiContext): void {
  const { store } = context.factory;
  app.get(
    "/security/summary",
    {
      config: reduced("administrator", `counts up to ${imagesMax} images`),
      schema: {
        querystring: z.object({
          with_dangerous_cve: flag.default(false),
          with_dangerous_artifact: flag.default(false),
        }),
      },
    },
    async ({ query }) => {
      const listed = await listScannedImages(store.db, { limit: imagesMax });
      const images = [...new Map(listed.map((image) => [image.digest, image])).values()];
      const sum = (of: (image: ScannedImage) => number): number => images.reduce((total, one) => total + of(one), 0);
      const count = (severity: (typeof severities)[number]): number =>
        sum(({ summary }) => summary?.severities[severity] ?? 0);
      return {
        critical_cnt: count("critical"),
        high_cnt: count("high"),
        medium_cnt: count("medium"),
        low_cnt: count("low"),
        none_cnt: count("negligible"),
        unknown_cnt: count("unknown"),
        total_vuls: sum(({ summary }) => summary?.total ?? 0),
        scanned_cnt: images.length,
        total_artifact: await countScannable(store.db),
        fixable_cnt: sum(({ summary }) => summary?.fixable ?? 0),
        dangerous_cves: query.with_dangerous_cve ? await dangerousFindings(context, images) : undefined,
        dangerous_artifacts: query.with_dangerous_artifact ? await dangerousImages(context, images) : undefined,
      };
    },
  );
}

function worstFirst(images: readonly ScannedImage[]): ScannedImage[] {
  const weight = ({ summary }: ScannedImage): number =>
    (summary?.severities.critical ?? 0) * 1e8 +
    (summary?.severities.high ?? 0) * 1e4 +
    (summary?.severities.medium ?? 0);
  return images.toSorted((a, b) => weight(b) - weight(a)).slice(0, dangerousMax);
}

async function dangerousImages(context: ApiContext, images: readonly ScannedImage[]): Promise<unknown[]> {
  const projects = await projectNumbers(context);
  return worstFirst(images).map(({ repository, digest, summary }) => ({
    project_id: projects.get(repository.split("/", 1)[0]!) ?? 0,
    repository_name: repository,
    digest,
    critical_cnt: summary?.severities.critical ?? 0,
    high_cnt: summary?.severities.high ?? 0,
    medium_cnt: summary?.severities.medium ?? 0,
  }));
}

async function projectNumbers({ accounts }: ApiContext): Promise<ReadonlyMap<string, number>> {
  return new Map((await accounts.projects.list()).map(({ name, id }) => [name, id]));
}

async function dangerousFindings(context: ApiContext, images: readonly ScannedImage[]): Promise<unknown[]> {
  const found = new Map<string, Finding>();
  for (const image of worstFirst(images))
    for (const finding of await findingsOf(context, image)) if (!found.has(finding.id)) found.set(finding.id, finding);
  return [...found.values()]
    .toSorted((a, b) => severities.indexOf(a.severity) - severities.indexOf(b.severity))
    .slice(0, dangerousMax)
    .map((finding) => ({
      cve_id: finding.id,
      severity: severityName(finding.severity),
      desc: finding.title,
      package: finding.package.name,
      version: finding.package.version,
    }));
}

async function findingsOf({ factory }: ApiContext, { repository, digest }: ScannedImage): Promise<readonly Finding[]> {
  return ((await factory.admission.scans(repository, digest)) ?? []).flatMap(({ report }) => report?.findings ?? []);
}

/** Reports that one answer looks into where a condition is on the findings themselves. */
const reportsMax = 300;

function findingsRoute(app: ApiApp, context: ApiContext): void {
  const { store } = context.factory;
  app.get(
    "/security/vul",
    {
      config: reduced(
        "administrator",
        `no CVSS scores; a condition on findings looks into ${reportsMax} images, with \`X-Total-Count\` -1 beyond`,
      ),
      schema: { querystring: listQuery.extend({ tune_count: flag.default(false), with_tag: flag.default(false) }) },
    },
    async ({ query }, reply) => {
      const conditions = readConditions(query.q);
      const projects = await projectNumbers(context);
      const images = await imagesOf(context, conditions, projects);
      const { found, total } = await page(context, { images, conditions, ...sliceOf(query) });
      const items = [];
      for (const { image, finding } of found) {
        const { repository, digest } = image;
        const tags = query.with_tag ? await tagsOfManifests(store.db, repository, [digest]) : undefined;
        items.push({
          project_id: projects.get(repository.split("/", 1)[0]!) ?? 0,
          repository_name: repository,
          digest,
          tags: tags?.map(({ name }) => name),
          cve_id: finding.id,
          severity: severityName(finding.severity),
          status: statusOf(finding),
          cvss_v3_score: 0,
          package: finding.package.name,
          version: finding.package.version,
          fixed_version: finding.fixedVersion ?? "",
          desc: finding.title,
          links: finding.links,
        });
      }
      return await sendPage(reply, { items, total });
    },
  );
}

async function imagesOf(
  { factory }: ApiContext,
  conditions: Conditions,
  projects: ReadonlyMap<string, number>,
): Promise<readonly ScannedImage[]> {
  const exact = (key: string): string | undefined => {
    const match = conditions.get(key);
    return match?.kind === "equal" ? match.value : undefined;
  };
  const number = exact("projectid");
  const project = number === undefined ? undefined : ([...projects].find(([, id]) => String(id) === number)?.[0] ?? "");
  if (project === "") return [];
  const wish = { project, repository: exact("repositoryname"), digest: exact("digest"), limit: imagesMax };
  const tag = conditions.get("tag");
  const images = (await listScannedImages(factory.store.db, wish)).filter(
    ({ repository, digest }) =>
      meets(conditions.get("repositoryname"), repository) && meets(conditions.get("digest"), digest),
  );
  if (tag === undefined) return images;
  const tagged: ScannedImage[] = [];
  for (const image of images.slice(0, reportsMax)) {
    const tags = await tagsOfManifests(factory.store.db, image.repository, [image.digest]);
    if (tags.some(({ name }) => meets(tag, name))) tagged.push(image);
  }
  return tagged;
}

interface FindingWish {
  readonly images: readonly ScannedImage[];
  readonly conditions: Conditions;
  readonly offset: number;
  readonly limit: number;
}

interface FoundFindings {
  readonly found: readonly { readonly image: ScannedImage; readonly finding: Finding }[];
  /** -1 where it was not counted to the end. */
  readonly total: number;
}

/** Where nothing is asked of the findings, counts lead to the page, and only its reports are looked into. */
async function page(context: ApiContext, { images, conditions, offset, limit }: FindingWish): Promise<FoundFindings> {
  const isPlain = !["cveid", "severity", "package"].some((key) => conditions.has(key));
  const found: { image: ScannedImage; finding: Finding }[] = [];
  let [seen, looked] = [0, 0];
  for (const image of images) {
    const count = isPlain ? image.summary?.total : undefined;
    const isOnPage = found.length < limit && (count === undefined || seen + count > offset);
    if (count !== undefined && !isOnPage) {
      seen += count;
      continue;
    }
    if (looked++ >= reportsMax) return { found, total: -1 };
    for (const finding of await findingsOf(context, image)) {
      if (!isMet(conditions, finding)) continue;
      if (seen >= offset && found.length < limit) found.push({ image, finding });
      seen++;
    }
  }
  return { found, total: seen };
}

function isMet(conditions: Conditions, { id, severity, package: item }: Finding): boolean {
  return (
    meets(conditions.get("cveid"), id) &&
    meets(conditions.get("severity"), severityName(severity)) &&
    meets(conditions.get("package"), item.name)
  );
}
