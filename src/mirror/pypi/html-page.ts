/** A link of a page. */
interface HtmlLink {
  readonly href: string;
  readonly text: string;
  /** By their names in lower case. */
  readonly attributes: ReadonlyMap<string, string>;
}

/** Reads the links of an index page in the order that they stand in. Only anchors count (PEP 503); comments do not. */
export function readHtmlLinks(html: string): HtmlLink[] {
  const links: HtmlLink[] = [];
  for (const { name, inside, end } of tagsOf(html)) {
    if (name !== "a") continue;
    const attributes = readAttributes(inside);
    const href = attributes.get("href");
    const next = html.indexOf("<", end);
    const text = html.slice(end, next < 0 ? undefined : next);
    if (href !== undefined) links.push({ href, text: decodeEntities(text), attributes });
  }
  return links;
}

/** What a page says beside its links: the address that they are relative to, and the state of the project (PEP 792). */
export function readHtmlMeta(html: string): {
  base: string | undefined;
  status: { "project-status"?: { status: string; reason?: string } };
} {
  let base: string | undefined;
  const named = new Map<string, string>();
  for (const { name, inside } of tagsOf(html)) {
    if (name === "base") base ??= readAttributes(inside).get("href");
    if (name !== "meta") continue;
    const attributes = readAttributes(inside);
    named.set(attributes.get("name") ?? "", attributes.get("content") ?? "");
  }
  const status = named.get("pypi:project-status");
  const reason = named.get("pypi:project-status-reason");
  return {
    base,
    status: status === undefined ? {} : { "project-status": { status, ...(reason === undefined ? {} : { reason }) } },
  };
}

/**
 * Gives the tags that open something, with what stands in them and where they end.
 *
 * Every character is looked at once, whatever a hostile page leaves open.
 */
function* tagsOf(html: string): Generator<{ name: string; inside: string; end: number }> {
  for (let at = html.indexOf("<"); at >= 0; at = html.indexOf("<", at)) {
    if (html.startsWith("<!--", at)) {
      const end = html.indexOf("-->", at + 4);
      if (end < 0) return;
      at = end + 3;
      continue;
    }
    const end = endOfTag(html, at + 1);
    if (end < 0) return;
    const inside = html.slice(at + 1, end - 1);
    const name = /^[a-z][a-z0-9]*(?=[\s/]|$)/i.exec(inside)?.[0];
    if (name !== undefined) yield { name: name.toLowerCase(), inside: inside.slice(name.length), end };
    at = end;
  }
}

/** Where a tag ends: after the first `>` that is in no quotes; negative where there is none. */
function endOfTag(html: string, start: number): number {
  const stop = /[>"']/g;
  for (stop.lastIndex = start; ;) {
    const found = stop.exec(html)?.[0];
    if (found === undefined) return -1;
    if (found === ">") return stop.lastIndex;
    const close = html.indexOf(found, stop.lastIndex);
    if (close < 0) return -1;
    stop.lastIndex = close + 1;
  }
}

const attributeForm = /([^\s=>"'/]+)(?:\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s>"']+)))?/g;

function readAttributes(inside: string): Map<string, string> {
  const attributes = new Map<string, string>();
  for (const [, name, double, single, bare] of inside.matchAll(attributeForm)) {
    const key = name!.toLowerCase();
    if (!attributes.has(key)) attributes.set(key, decodeEntities(double ?? single ?? bare ?? ""));
  }
  return attributes;
}

const entities: Readonly<Record<string, string>> = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'", nbsp: " " };

function decodeEntities(text: string): string {
  return text.replaceAll(/&(#\d{1,7}|#x[0-9a-f]{1,6}|[a-z]{1,8});/gi, (whole, inner: string) => {
    if (!inner.startsWith("#")) return Object.hasOwn(entities, inner) ? entities[inner]! : whole;
    const code = /^#x/i.test(inner) ? Number.parseInt(inner.slice(2), 16) : Number.parseInt(inner.slice(1), 10);
    return code > 0 && code <= 0x10ffff && (code < 0xd800 || code > 0xdfff) ? String.fromCodePoint(code) : "\ufffd";
  });
}

/** Writes a text into an HTML attribute or element. */
export function escapeHtml(text: string): string {
  return text
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;")
    .replaceAll("'", "&#x27;");
}
