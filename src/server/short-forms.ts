/** What stands beside the API at the root of the server. */
const others =
  /^\/(?:$|[?#]|v2(?:[/?#]|$)|mirror(?:[/?#]|$)|repository\/|api(?:[/?#]|$)|auth\/|service\/|openapi\.json(?:[?#]|$))/;

/**
 * Makes the short form of an API path the full one: `/images` is `/api/v1/images`.
 *
 * A rewritten target costs nothing; a second set of routes would cost 3 MB.
 */
export function expandShortForm(url: string): string {
  return others.test(url) || !url.startsWith("/") ? url : `/api/v1${url}`;
}
