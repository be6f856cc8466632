const views = ["sbom", "scan", "verdict", "verification", "why", "difference"];

/**
 * Escapes the slashes of an image's id in a request target, so that the router sees one path part.
 *
 * `/api/v1/images/team/app:1/sbom` becomes `/api/v1/images/team%2Fapp:1/sbom`. A last part that names a view is one: a repository
 * that ends in such a word needs its tag or digest.
 */
export function escapeImageId(url: string): string {
  const match = /^(\/api\/v1\/images\/)([^?#]+)(.*)$/s.exec(url);
  if (match === null) return url;
  const [, prefix = "", path = "", query = ""] = match;
  const slash = path.lastIndexOf("/");
  const hasView = slash > 0 && views.includes(path.slice(slash + 1));
  const id = hasView ? path.slice(0, slash) : path;
  return `${prefix}${id.replaceAll("/", "%2F")}${hasView ? path.slice(slash) : ""}${query}`;
}
