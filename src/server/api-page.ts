import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";

/** The page that shows the API to people, and the policy that lets its own script and style run and nothing else. */
export async function readApiPage(): Promise<{ readonly html: string; readonly policy: string }> {
  const html = await readFile(join(import.meta.dirname, "api-page", "api-page.html"), "utf8");
  const script = inlineHash(html, "script");
  const style = inlineHash(html, "style");
  const policy = `default-src 'none'; script-src '${script}'; style-src '${style}'; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`;
  return { html, policy };
}

/** Source: Content Security Policy level 3, "hash-source". */
function inlineHash(html: string, element: "script" | "style"): string {
  const start = html.indexOf(">", html.indexOf(`<${element}`)) + 1;
  const text = html.slice(start, html.indexOf(`</${element}>`, start));
  return `sha256-${createHash("sha256").update(text).digest("base64")}`;
}
