import { createHash } from "node:crypto";
import type { FastifyInstance, FastifyRequest } from "fastify";
import { isoSeconds } from "../base/clock.ts";
import type { Config } from "../config/config.ts";
import type { ClientSetup, Mirror, MirrorHealth, MirrorRepository } from "../mirror/mirror.ts";
import type { Factory } from "../pipeline/factory.ts";
import type { MirrorUsageRecord } from "../store/mirror-care-records.ts";
import type { Caller, Need } from "./access.ts";
import { mirrorOrigin } from "./mirror-origin.ts";

/** What the page is made from. */
interface PageSite {
  readonly mirror: Mirror;
  readonly mirrorCare: Pick<Factory["mirrorCare"], "usage" | "health" | "rules">;
  readonly config: Config;
  /** Decides about a request; throws where it is refused. */
  readonly admit: (request: FastifyRequest, need: Need) => Promise<Caller>;
}

/** Adds `GET /mirror`: every repository with its address, its state and what each client needs, as plain HTML. */
export function addMirrorPage(app: FastifyInstance, site: PageSite): void {
  const policy = `default-src 'none'; style-src 'sha256-${createHash("sha256").update(style).digest("base64")}'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`;
  app.get("/mirror", async (request, reply) => {
    await site.admit(request, "read");
    const html = await writePage(site, mirrorOrigin(request, site.config));
    return await reply.type("text/html; charset=utf-8").header("content-security-policy", policy).send(html);
  });
}

/** What is told of one repository. */
interface Shown {
  readonly repository: MirrorRepository;
  readonly url: string;
  readonly usage: MirrorUsageRecord | undefined;
  readonly health: MirrorHealth;
  readonly mode: string;
  readonly clients: readonly ClientSetup[];
}

async function writePage({ mirror, mirrorCare }: PageSite, origin: string): Promise<string> {
  const usages = new Map((await mirrorCare.usage()).map((usage) => [usage.repository, usage]));
  const shown = await Promise.all(
    (await mirror.list()).map(async (repository): Promise<Shown> => {
      const { name } = repository;
      const url = `${origin}/mirror/${name}`;
      return {
        repository,
        url,
        usage: usages.get(name),
        health: await mirrorCare.health(repository),
        mode: mirrorCare.rules.rules(name).mode,
        clients: mirror.formatOf(name)?.clients({ base: url, isSealed: false }) ?? [],
      };
    }),
  );
  const sizeBytes = shown.reduce((sum, { usage }) => sum + (usage?.sizeBytes ?? 0) + (usage?.madeBytes ?? 0), 0);
  const count = `${shown.length} ${shown.length === 1 ? "repository" : "repositories"}, ${sizeText(sizeBytes)}`;
  const body = shown.length === 0 ? empty : `${overview(shown)}${shown.map(card).join("")}`;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Mintmark package mirror</title>
<link rel="icon" href="data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 32 32'%3E%3Ccircle cx='16' cy='16' r='15' fill='%23b8860b'/%3E%3Ctext x='16' y='22' font-size='17' font-family='Georgia' text-anchor='middle' fill='white'%3EM%3C/text%3E%3C/svg%3E">
<style>${style}</style>
</head>
<body>
<main>
<header>
<h1>Package mirror</h1>
<p>${count}. Point a client here, and what it fetches is checked, kept, and there the next time too. <a href="/api">The API</a> says the same to programs.</p>
</header>
${body}
</main>
</body>
</html>
`;
}

const empty = `<section class="card"><h2>Nothing here yet</h2><p><code>mintmark mirror detect --apply</code> makes a repository for each place that this machine's package clients use today; <code>mintmark mirror create</code> makes one by hand.</p></section>`;

function overview(shown: readonly Shown[]): string {
  const rows = shown.map(
    ({ repository: { name, format, kind }, url, usage, health }) =>
      `<tr><td><a href="#${text(name)}">${text(name)}</a></td><td>${text(format)}</td><td>${text(kind)}</td><td>${dot(health)}${text(health.state)}</td><td class="number">${sizeText((usage?.sizeBytes ?? 0) + (usage?.madeBytes ?? 0))}</td><td><code>${text(url)}</code></td></tr>`,
  );
  return `<div class="wide"><table><thead><tr><th>Repository</th><th>Format</th><th>Kind</th><th>State</th><th class="number">Size</th><th>Address</th></tr></thead><tbody>${rows.join("")}</tbody></table></div>`;
}

function card({ repository, url, usage, health, mode, clients }: Shown): string {
  const { name, format, kind, upstream, members, allowed, isPublic } = repository;
  const facts: [string, string][] = [
    ["Address", `<code>${text(url)}</code>`],
    ...(upstream === undefined ? [] : [["Stands for", `<code>${text(upstream)}</code>`] as [string, string]]),
    ...(members === undefined
      ? []
      : [["Members", members.map((one) => `<a href="#${text(one)}">${text(one)}</a>`).join(", ")] as [string, string]]),
    ...(allowed === undefined ? [] : [["Fetches", allowedText(allowed)] as [string, string]]),
    ["State", `${dot(health)}${text(health.reason)}`],
    ["Holds", usageText(usage)],
    ["Read by", isPublic ? "everybody" : "accounts, and whoever may read this page"],
    ["Rules", modeText(mode)],
  ];
  const list = facts.map(([title, value]) => `<dt>${title}</dt><dd>${value}</dd>`).join("");
  return `<section class="card" id="${text(name)}"><h2>${text(name)} <span>${text(format)} ${text(kind)}</span></h2><dl>${list}</dl>${clients.map(snippet).join("")}</section>`;
}

function allowedText(allowed: NonNullable<MirrorRepository["allowed"]>): string {
  if (allowed.length === 0) return "nothing yet: no host is allowed";
  return allowed.map(({ host, path }) => `<code>${text(`${host}/${path}`)}</code>`).join(", ");
}

function usageText(usage: MirrorUsageRecord | undefined): string {
  if (usage === undefined) return "nothing yet";
  const used =
    usage.usedAt === undefined ? "" : `, last used ${isoSeconds(usage.usedAt).replace("T", " ").replace("Z", " UTC")}`;
  return `${counted(usage.fileCount, "file")} and ${counted(usage.documentCount, "document")}, ${sizeText(usage.sizeBytes)}; given out ${counted(usage.useCount, "time")}${used}`;
}

function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}

function modeText(mode: string): string {
  if (mode === "enforce") return "what they are against is kept back";
  return mode === "audit" ? "counted, and nothing is kept back" : "none";
}

function snippet({ client, files, environment }: ClientSetup): string {
  const parts = files.map(
    ({ path, content }) => `<h3><code>${text(path)}</code></h3><pre>${text(content.trimEnd())}</pre>`,
  );
  const variables = Object.entries(environment);
  const lines = variables.map(([key, value]) => `export ${key}='${value.replaceAll("'", "'\\''")}'`).join("\n");
  const title = files.length === 0 ? "Variables" : "Or as variables";
  return `<details><summary>${text(client)}</summary>${parts.join("")}${variables.length === 0 ? "" : `<h3>${title}</h3><pre>${text(lines)}</pre>`}<p><code>mintmark mirror config ${text(client)} --install</code> does it.</p></details>`;
}

function dot({ state }: MirrorHealth): string {
  return `<i class="${state}" aria-hidden="true"></i>`;
}

const units = ["B", "KiB", "MiB", "GiB", "TiB"];

function sizeText(bytes: number): string {
  const power = bytes < 1 ? 0 : Math.min(Math.floor(Math.log2(bytes) / 10), units.length - 1);
  const amount = bytes / 1024 ** power;
  return `${power === 0 || amount >= 100 ? Math.round(amount) : amount.toFixed(1)} ${units[power]}`;
}

const marks: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };

function text(value: string): string {
  return value.replaceAll(/[&<>"']/g, (mark) => marks[mark]!);
}

const style = `
:root { --ground: #fbfaf7; --card: #fff; --ink: #23211c; --soft: #6a655a; --line: #e4dfd3; --gold: #96700a; --code: #f4f1e8; --well: #1f6f54; --bad: #a83a2f; color-scheme: light dark; }
@media (prefers-color-scheme: dark) { :root { --ground: #17161a; --card: #1f1e23; --ink: #e9e6de; --soft: #a39d90; --line: #35333b; --gold: #e0b64a; --code: #29272e; --well: #63c79f; --bad: #f08a7d; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--ink); font: 16px/1.55 system-ui, -apple-system, "Segoe UI", sans-serif; }
main { max-width: 62rem; margin: 0 auto; padding: 2rem 1.5rem 6rem; }
h1 { font: 600 2rem/1.2 Georgia, "Times New Roman", serif; margin: 0; }
header p { max-width: 44rem; color: var(--soft); margin: .6rem 0 1.6rem; }
a { color: var(--gold); }
a:focus-visible, summary:focus-visible { outline: 2px solid var(--gold); outline-offset: 2px; }
code, pre { font-family: ui-monospace, "SFMono-Regular", Menlo, Consolas, "DejaVu Sans Mono", monospace; font-size: .87em; overflow-wrap: anywhere; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: .93rem; }
th { text-align: left; font-weight: 600; color: var(--soft); font-size: .8rem; }
th, td { padding: .4rem 1rem .4rem 0; border-bottom: 1px solid var(--line); white-space: nowrap; }
.number { text-align: right; font-variant-numeric: tabular-nums; }
.card { background: var(--card); border: 1px solid var(--line); border-radius: .5rem; padding: 1rem 1.2rem; margin: 1.4rem 0; scroll-margin-top: 1rem; }
.card h2 { font: 600 1.25rem Georgia, "Times New Roman", serif; margin: 0 0 .5rem; }
.card h2 span { font: 400 .85rem system-ui, sans-serif; color: var(--soft); margin-left: .4rem; }
dl { display: grid; grid-template-columns: 7rem minmax(0, 1fr); gap: .25rem 1rem; margin: 0 0 .8rem; }
dt { color: var(--soft); }
dd { margin: 0; }
i { display: inline-block; width: .6em; height: .6em; border-radius: 50%; margin-right: .45em; background: var(--soft); }
i.well { background: var(--well); } i.unreachable { background: var(--bad); } i.offline { background: var(--gold); }
details { border-top: 1px solid var(--line); }
summary { cursor: pointer; padding: .45rem 0; font-weight: 600; }
details h3 { font-size: .85rem; font-weight: 400; color: var(--soft); margin: .4rem 0 .2rem; }
details p { font-size: .9rem; color: var(--soft); margin: .3rem 0 .8rem; }
pre { background: var(--code); padding: .6rem .8rem; border-radius: .35rem; margin: 0 0 .5rem; overflow-x: auto; white-space: pre-wrap; }
@media (max-width: 40rem) { dl { grid-template-columns: 1fr; } dt { margin-top: .3rem; } main { padding: 1rem; } }
`;
