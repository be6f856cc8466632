import { checkAllowed } from "./allowed.ts";
import { type Leaf, type Repositories } from "./repositories.ts";

/** Finds which proxy stands for an address, and the path below it, with its query; the longest prefix wins. */
export function placeOf(
  repositories: Repositories,
  address: string,
): { readonly repository: string; readonly path: string } | undefined {
  const url = URL.parse(address);
  if (url === null || (url.protocol !== "http:" && url.protocol !== "https:")) return undefined;
  let best: { readonly repository: string; readonly path: string; readonly length: number } | undefined;
  for (const { name, kind } of repositories.list()) {
    const leaf = repositories.get(name);
    if (kind !== "proxy" || leaf === undefined) continue;
    const found = pathIn(leaf, url);
    if (found !== undefined && (best === undefined || found.length > best.length))
      best = { repository: name, ...found };
  }
  return best === undefined ? undefined : { repository: best.repository, path: best.path };
}

function pathIn({ settings, format }: Leaf, url: URL): { readonly path: string; readonly length: number } | undefined {
  const { upstream } = settings;
  if (upstream === undefined) {
    if (!isAllowed(settings, url)) return undefined;
    const path = format.pathOf?.(url) ?? `${url.host}${url.pathname}${url.search}`;
    return { path, length: url.host.length };
  }
  const home = URL.parse(upstream.replace(/\/*$/, "/"));
  // Clients say http where they are to go through us, whatever the upstream speaks.
  if (home === null || home.host !== hostOf(url, home)) return undefined;
  if (!`${url.pathname}/`.startsWith(home.pathname)) return undefined;
  const path = format.pathOf?.(url) ?? `${url.pathname.slice(home.pathname.length)}${url.search}`;
  return { path, length: home.host.length + home.pathname.length };
}

function hostOf(url: URL, home: URL): string {
  return url.port === "" && home.port === "" ? url.hostname : url.host;
}

function isAllowed(settings: Leaf["settings"], url: URL): boolean {
  try {
    checkAllowed(settings, url);
    return settings.allowed !== undefined;
  } catch {
    return false;
  }
}
