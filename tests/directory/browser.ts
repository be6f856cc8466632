/** A browser as far as signing in goes: it keeps cookies by host and path, and shows where it is sent. */
export interface Browser {
  /** Asks for an address of one's own accord, or for what a page of `from` asks for; follows nothing. */
  visit(
    url: string,
    options?: { readonly method?: string; readonly headers?: Readonly<Record<string, string>> },
  ): Promise<Response>;
  /** Follows redirects from an address until an answer is none. */
  follow(url: string): Promise<{ readonly url: string; readonly response: Response }>;
  cookies(): readonly string[];
}

interface Cookie {
  readonly host: string;
  readonly path: string;
  readonly name: string;
  readonly value: string;
}

/** Opens a browser without cookies. */
export function openBrowser(): Browser {
  let jar: Cookie[] = [];

  function take(url: URL, line: string): void {
    const [pair = "", ...attributes] = line.split("; ");
    const [name = "", value = ""] = pair.split(/=(.*)/s);
    const path = attributes.find((one) => one.startsWith("Path="))?.slice("Path=".length) ?? "/";
    jar = jar.filter((one) => one.host !== url.host || one.name !== name || one.path !== path);
    if (!attributes.includes("Max-Age=0")) jar.push({ host: url.host, path, name, value });
  }

  const browser: Browser = {
    async visit(address, { method = "GET", headers = {} } = {}) {
      const url = new URL(address);
      const cookie = jar
        .filter(({ host, path }) => host === url.host && url.pathname.startsWith(path))
        .map(({ name, value }) => `${name}=${value}`)
        .join("; ");
      const response = await fetch(url, { method, redirect: "manual", headers: { ...headers, cookie } });
      for (const line of response.headers.getSetCookie()) take(url, line);
      return response;
    },
    async follow(address) {
      let url = address;
      for (let hop = 0; hop < 10; hop++) {
        const response = await browser.visit(url);
        const location = response.headers.get("location");
        if (response.status < 300 || response.status >= 400 || location === null) return { url, response };
        url = new URL(location, url).href;
      }
      throw new Error("too many redirects");
    },
    cookies: () => jar.map(({ name, value }) => `${name}=${value}`),
  };
  return browser;
}
