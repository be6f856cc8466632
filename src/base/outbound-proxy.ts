import { setGlobalProxyFromEnv } from "node:http";
import { getProxyForUrl } from "proxy-from-env";

const loopback = /^(?:localhost|127(?:\.\d+){3}|\[::1\])$/;

/**
 * The proxy that requests to an address go out by; undefined where they go straight.
 *
 * It is what the environment variables `https_proxy`, `http_proxy`, `all_proxy` and `no_proxy` say, in lower or upper
 * case; this machine itself is never asked by a proxy.
 */
export function outboundProxy(url: URL): string | undefined {
  const proxy = loopback.test(url.hostname) ? "" : getProxyForUrl(url.href);
  return proxy === "" ? undefined : proxy;
}

/** Has what is asked by Node's own `fetch` go out by the same proxies; to be called once, before anything is asked. */
export function adoptOutboundProxy(environment: NodeJS.ProcessEnv): void {
  const [http, https] = ["http", "https"].map((scheme) => getProxyForUrl(`${scheme}://any.invalid`));
  // Where there is none, Node's client need not be loaded, which takes 10 MB.
  if (http === "" && https === "") return;
  const direct = environment["no_proxy"] ?? environment["NO_PROXY"];
  setGlobalProxyFromEnv({
    http_proxy: http,
    https_proxy: https,
    no_proxy: [direct, "localhost", "127.0.0.1", "[::1]"].filter((one) => one !== undefined && one !== "").join(","),
  });
}
