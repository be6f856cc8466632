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

async function writePage({ mirror, mirrorCare, config }: PageSite, origin: string): Promise<string> {
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
  const offline = config.mirror.offline
    ? `<p class="notice">${dot({ state: "offline", reason: "" })}This mirror is offline: it gives out what is here, and asks no upstream.</p>`
    : "";
  const body = shown.length === 0 ? empty : `${overview(shown)}<div class="cards">${shown.map(card).join("")}</div>`;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Mintmark package mirror</title>
<link rel="icon" href="${mark}">
<style>${style}</style>
</head>
<body>
<main>
<header>
<img src="${mark}" alt="" width="44" height="44">
<div><h1>Package mirror</h1>
<p>Point a client here: what it fetches is checked, kept, and still there when its source is not.</p></div>
</header>
${offline}${shown.length === 0 ? "" : figures(shown)}${body}
<footer><p><a href="/api">The API</a> says the same to programs, and <code>mintmark mirror list</code> in a terminal.</p></footer>
</main>
</body>
</html>
`;
}

const mark =
  "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 32 32'%3E%3Ccircle cx='16' cy='16' r='15' fill='%23b8860b'/%3E%3Ccircle cx='16' cy='16' r='12.4' fill='none' stroke='%23fff' stroke-opacity='.5' stroke-dasharray='1 1.6'/%3E%3Ctext x='16' y='22' font-size='17' font-family='Georgia' text-anchor='middle' fill='white'%3EM%3C/text%3E%3C/svg%3E";

const empty = `<section class="card empty"><h2>Nothing here yet</h2><ol><li><code>mintmark mirror detect</code> shows what this machine’s package clients use today, and changes nothing.</li><li><code>mintmark mirror detect --apply</code> makes a repository for each of these places.</li><li><code>mintmark mirror config npm --install</code> points a client at its repository; so for pip, maven, go, cargo, apt and the others.</li></ol><p>By hand: <code>mintmark mirror create npm --format npm --upstream URL</code></p></section>`;

function heldBytes(usage: MirrorUsageRecord | undefined): number {
  return (usage?.sizeBytes ?? 0) + (usage?.madeBytes ?? 0);
}

function figures(shown: readonly Shown[]): string {
  const sum = (value: (usage: MirrorUsageRecord) => number): number =>
    shown.reduce((total, { usage }) => total + (usage === undefined ? 0 : value(usage)), 0);
  const bad = shown.filter(({ health }) => health.state === "unreachable").length;
  const rows: [string, string][] = [
    [String(shown.length), shown.length === 1 ? "repository" : "repositories"],
    [sum(({ fileCount }) => fileCount).toLocaleString("en"), "files"],
    [sizeText(sum(heldBytes)), "on disk"],
    [sum(({ useCount }) => useCount).toLocaleString("en"), "times given out"],
    ...(bad === 0 ? [] : [[String(bad), "unreachable"] as [string, string]]),
  ];
  return `<ul class="figures">${rows.map(([value, title]) => `<li><b>${value}</b> ${title}</li>`).join("")}</ul>`;
}

function overview(shown: readonly Shown[]): string {
  if (shown.length === 1) return "";
  const rows = shown.map(
    ({ repository: { name, format, kind }, url, usage, health }) =>
      `<tr><th scope="row"><a href="#${text(name)}">${text(name)}</a></th><td>${text(format)}</td><td class="more">${text(kind)}</td><td>${dot(health)}${text(health.state)}</td><td class="number">${sizeText(heldBytes(usage))}</td><td class="more"><code>${text(url)}</code></td></tr>`,
  );
  return `<table><thead><tr><th scope="col">Repository</th><th scope="col">Format</th><th scope="col" class="more">Kind</th><th scope="col">State</th><th scope="col" class="number">Size</th><th scope="col" class="more">Address</th></tr></thead><tbody>${rows.join("")}</tbody></table>`;
}

function card({ repository, url, usage, health, mode, clients }: Shown): string {
  const { name, format, kind, upstream, members, allowed, isPublic } = repository;
  const facts: [string, string][] = [
    ...(upstream === undefined ? [] : [["Stands for", `<code>${text(upstream)}</code>`] as [string, string]]),
    ...(members === undefined
      ? []
      : [["Members", members.map((one) => `<a href="#${text(one)}">${text(one)}</a>`).join(", ")] as [string, string]]),
    ...(allowed === undefined ? [] : [["Fetches", allowedText(allowed)] as [string, string]]),
    ["State", `${dot(health)}${text(health.reason)}`],
    ["Holds", usageText(usage, repository.quotaBytes)],
    ...(usage?.usedAt === undefined
      ? []
      : [["Last used", `${isoSeconds(usage.usedAt).replace("T", " ").replace("Z", " UTC")}`] as [string, string]]),
    ["Read by", isPublic ? "everybody" : "accounts, and whoever may read this page"],
    ["Rules", modeText(mode)],
  ];
  const list = facts.map(([title, value]) => `<dt>${title}</dt><dd>${value}</dd>`).join("");
  return `<section class="card" id="${text(name)}"><h2>${text(name)} <span>${text(format)} ${text(kind)}</span></h2><p class="address"><code>${text(url)}</code></p><dl>${list}</dl>${clients.map(snippet).join("")}</section>`;
}

function allowedText(allowed: NonNullable<MirrorRepository["allowed"]>): string {
  if (allowed.length === 0) return "nothing yet: no host is allowed";
  return allowed.map(({ host, path }) => `<code>${text(`${host}/${path}`)}</code>`).join(", ");
}

function usageText(usage: MirrorUsageRecord | undefined, quotaBytes: number | undefined): string {
  if (usage === undefined) return quotaBytes === undefined ? "nothing yet" : `nothing yet, of ${sizeText(quotaBytes)}`;
  const bound = quotaBytes === undefined ? "" : ` of ${sizeText(quotaBytes)}`;
  return `${sizeText(usage.sizeBytes)}${bound}: ${counted(usage.fileCount, "file")}, ${counted(usage.documentCount, "document")}; given out ${counted(usage.useCount, "time")}`;
}

function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}

function modeText(mode: string): string {
  if (mode === "enforce") return "enforced: refused with the reason";
  return mode === "audit" ? "in audit: counted, and given out" : "none";
}

function snippet({ client, files, environment }: ClientSetup): string {
  const parts = files.map(
    ({ path, content }) => `<h3><code>${text(path)}</code></h3><pre>${text(content.trimEnd())}</pre>`,
  );
  const variables = Object.entries(environment);
  const lines = variables.map(([key, value]) => `export ${key}='${value.replaceAll("'", "'\\''")}'`).join("\n");
  const title = files.length === 0 ? "Variables" : "Or as variables";
  return `<details><summary>Use it with ${text(client)}</summary>${parts.join("")}${variables.length === 0 ? "" : `<h3>${title}</h3><pre>${text(lines)}</pre>`}${isInstalled(files) ? `<p><code>mintmark mirror config ${text(client)} --install</code> does it, and <code>--undo</code> takes it back.</p>` : ""}</details>`;
}

/** A file of a project is the project's: nobody writes it but its people. */
function isInstalled(files: ClientSetup["files"]): boolean {
  return files.some(({ path }) => path.startsWith("~/") || path.startsWith("/"));
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
:root { --ground: #faf8f3; --card: #fff; --ink: #23211c; --soft: #625d52; --line: #e4dfd3; --gold: #86640a; --code: #f4f1e8; --well: #1f6f54; --bad: #a83a2f; color-scheme: light dark; }
@media (prefers-color-scheme: dark) { :root { --ground: #151417; --card: #1e1d22; --ink: #e9e6de; --soft: #a8a295; --line: #35333b; --gold: #e0b64a; --code: #28262c; --well: #63c79f; --bad: #f08a7d; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--ink); font: 16px/1.55 system-ui, -apple-system, "Segoe UI", sans-serif; }
main { max-width: 76rem; margin: 0 auto; padding: 2.2rem 1.5rem 4rem; }
header { display: flex; gap: 1rem; align-items: center; }
h1 { font: 600 1.9rem/1.2 Georgia, "Times New Roman", serif; margin: 0; }
header p { color: var(--soft); margin: .2rem 0 0; }
a { color: var(--gold); text-underline-offset: .15em; }
a:focus-visible, summary:focus-visible { outline: 2px solid var(--gold); outline-offset: 2px; border-radius: 2px; }
code, pre { font-family: ui-monospace, "SFMono-Regular", Menlo, Consolas, "DejaVu Sans Mono", monospace; font-size: .86em; overflow-wrap: anywhere; }
.notice { border-left: 3px solid var(--gold); background: var(--card); padding: .6rem 1rem; margin: 1.4rem 0 0; }
.figures { display: flex; flex-wrap: wrap; gap: .4rem 2.2rem; list-style: none; margin: 1.5rem 0; padding: .9rem 0; border-block: 1px solid var(--line); color: var(--soft); }
.figures b { color: var(--ink); font: 600 1.25rem Georgia, "Times New Roman", serif; margin-right: .15rem; font-variant-numeric: tabular-nums; }
table { border-collapse: collapse; width: 100%; font-size: .93rem; margin-bottom: 1.8rem; }
thead th { color: var(--soft); font-size: .8rem; }
th { text-align: left; font-weight: 600; }
th, td { padding: .42rem 1.4rem .42rem 0; border-bottom: 1px solid var(--line); vertical-align: baseline; }
tbody tr:hover { background: var(--card); }
td:not(:last-child) { white-space: nowrap; }
.number { text-align: right; font-variant-numeric: tabular-nums; }
.cards { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 31rem), 1fr)); gap: 1.2rem; }
.card { background: var(--card); border: 1px solid var(--line); border-radius: .6rem; padding: 1.1rem 1.3rem .7rem; scroll-margin-top: 1rem; min-width: 0; }
.card:target { border-color: var(--gold); }
.card h2 { font: 600 1.25rem Georgia, "Times New Roman", serif; margin: 0; overflow-wrap: anywhere; }
.card h2 span { font: 400 .85rem system-ui, sans-serif; color: var(--soft); margin-left: .3rem; white-space: nowrap; }
.address { margin: .45rem 0 .9rem; background: var(--code); border-radius: .35rem; padding: .35rem .7rem; }
.empty { max-width: 46rem; margin-top: 1.8rem; }
.empty li { margin-bottom: .4rem; }
dl { display: grid; grid-template-columns: 6rem minmax(0, 1fr); gap: .15rem 1rem; margin: 0 0 .9rem; font-size: .93rem; }
dt { color: var(--soft); }
dd { margin: 0; }
i { display: inline-block; width: .6em; height: .6em; border-radius: 50%; margin-right: .45em; background: var(--soft); }
i.well { background: var(--well); } i.unreachable { background: var(--bad); } i.offline { background: var(--gold); }
details { border-top: 1px solid var(--line); }
summary { cursor: pointer; padding: .4rem 0; color: var(--gold); }
details h3 { font-size: .85rem; font-weight: 400; color: var(--soft); margin: .4rem 0 .2rem; }
details p { font-size: .9rem; color: var(--soft); margin: .3rem 0 .8rem; }
pre { background: var(--code); padding: .6rem .8rem; border-radius: .35rem; margin: 0 0 .5rem; overflow-x: auto; white-space: pre-wrap; }
footer { color: var(--soft); margin-top: 2.5rem; font-size: .9rem; }
@media (max-width: 46rem) { main { padding: 1.2rem 1rem 3rem; } .more { display: none; } td, th { padding-right: .8rem; } }
@media (max-width: 30rem) { dl { grid-template-columns: 1fr; gap: 0; } dt { margin-top: .3rem; font-size: .85rem; } header { align-items: flex-start; } }
`;
