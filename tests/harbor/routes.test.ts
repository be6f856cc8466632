/** All routes at once: who may, what bad requests get, that labels stay bounded, and what the page about them says. */
import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { after, before, describe, test } from "node:test";
import fastify from "fastify";
import type { ZodTypeProvider } from "fastify-type-provider-zod";
import fc from "fast-check";
import type { ApiContext } from "../../src/server/api-app.ts";
import { addHarbor, harborPrefix, type HarborRoute } from "../../src/server/harbor/harbor.ts";
import { type AdmissionSite, debian, openSite, pushImage, removeSite } from "../admission/site.ts";
import { type HarborClient, type Json, openHarborClient } from "./harbor-client.ts";

const page = new URL("../../docs/how-to/harbor-scripts.md", import.meta.url);

/** The routes, from an app that answers nobody. */
async function listRoutes(site: AdmissionSite): Promise<readonly HarborRoute[]> {
  const app = fastify();
  let routes: readonly HarborRoute[] = [];
  const context = { factory: site.factory, accounts: {} } as ApiContext;
  await app.register(
    async (scope) => {
      routes = addHarbor(scope.withTypeProvider<ZodTypeProvider>(), context, () => Promise.reject(new Error("nobody")));
    },
    { prefix: harborPrefix },
  );
  await app.ready();
  await app.close();
  return routes;
}

describe("the routes of Harbor's API", () => {
  let site: AdmissionSite;
  let harbor: HarborClient;
  let routes: readonly HarborRoute[];

  before(async () => {
    site = await openSite();
    harbor = openHarborClient(site);
    routes = await listRoutes(site);
    await pushImage(site, "team/app", { tag: "v1", layers: [debian({ bash: "5" })] });
    await site.client.createAccount({ name: "anna", password: "correct horse" });
    await site.factory.admission.settled();
  });

  after(async () => {
    await site.stop();
    await removeSite(site);
  });

  const fill = (path: string, word: string): string =>
    path.replaceAll(/\{(\w+)\}/g, (_, name: string) =>
      name === "project" ? "team" : name === "repository" ? "app" : name === "reference" ? "v1" : word,
    );

  test("every path of Harbor's is there: answered, reduced, or 501", () => {
    assert.ok(routes.filter(({ fidelity }) => fidelity !== "absent").length >= 100);
    const keys = routes.map(({ method, path }) => `${method} ${path}`);
    assert.equal(new Set(keys).size, keys.length);
  });

  test("no request without an account gets more than the open ones, and none of another's project", async () => {
    for (const { method, path } of routes) {
      const isOpen = ["/ping", "/health", "/systeminfo"].includes(path);
      const anonymous = await harbor.ask(method, fill(path, "1"), {
        as: null,
        headers: { "x-forwarded-for": "192.0.2.1" },
      });
      if (!isOpen) assert.ok([401, 404].includes(anonymous.status), `${method} ${path}: ${anonymous.status}`);
    }
    const wrong = await harbor.ask("GET", "/projects", { as: "nobody:wrong-password" });
    assert.deepEqual([wrong.status, codeOf(wrong.json)], [401, "UNAUTHORIZED"]);
    for (const { method, path, fidelity } of routes) {
      if (!path.startsWith("/projects/{project}") || fidelity === "absent") continue;
      const other = await harbor.ask(method, fill(path, "1"), {
        as: "anna:correct horse",
        ...(method === "GET" ? {} : { body: {} }),
      });
      assert.ok([403, 422].includes(other.status), `${method} ${path}: ${other.status} ${other.text}`);
    }
  });

  test("what is not offered is 501, what is not known 404, another method 405, all in Harbor's form", async () => {
    for (const { method, path, fidelity } of routes) {
      if (fidelity !== "absent") continue;
      const answer = await harbor.ask(method, fill(path, "1"), method === "GET" ? {} : { body: {} });
      assert.equal(answer.status, 501, `${method} ${path}`);
      assert.equal(codeOf(answer.json), "NOT_IMPLEMENTED");
    }
    const unknown = await harbor.ask("GET", "/nothing/here");
    assert.deepEqual(unknown.json, {
      errors: [{ code: "NOT_FOUND", message: "path /api/v2.0/nothing/here was not found" }],
    });
    const method = await harbor.ask("PATCH", "/projects");
    assert.deepEqual([method.status, codeOf(method.json)], [405, "METHOD_NOT_ALLOWED"]);
  });

  test("bodies: JSON alone, and none where a type is named all the same", async () => {
    const headers = { "content-type": "application/x-www-form-urlencoded" };
    const form = await harbor.ask("POST", "/projects", { body: "project_name=x", headers });
    assert.deepEqual([form.status, codeOf(form.json)], [415, "UNSUPPORTED_MEDIA_TYPE"]);
    const scan = "/projects/team/repositories/app/artifacts/v1/scan";
    assert.equal((await harbor.ask("POST", scan, { headers: { "content-type": "application/json" } })).status, 202);
    const broken = await harbor.ask("POST", "/projects", { body: "{" });
    assert.deepEqual([broken.status, codeOf(broken.json)], [400, "BAD_REQUEST"]);
  });

  test("bad requests are never 500", async () => {
    const words = fc.constantFrom(
      "",
      "0",
      "-1",
      "1e99",
      "nope",
      "%00",
      "%",
      "..",
      "a%252Fb",
      "9".repeat(30),
      "'",
      "q=",
      "{}",
    );
    const bodies = fc.oneof(
      fc.json({ maxDepth: 2 }),
      fc.constantFrom("", "{", "[]", "null", '{"schedule":{"type":"Custom","cron":"x"}}'),
    );
    const queries = fc.oneof(
      fc.string({ maxLength: 20 }).map(encodeURIComponent),
      fc.constantFrom(
        "q=a=[1~",
        "q=tags={",
        "q=op_time=[x~y]",
        "page=-5&page_size=0",
        "page=x",
        "sort=-,,",
        "q=%25",
        "labels=1&q=labels=(x)",
      ),
    );
    const route = fc.constantFrom(...routes);
    await fc.assert(
      fc.asyncProperty(fc.tuple(route, words, bodies, queries), async ([{ method, path }, word, body, query]) => {
        // Deep into a route leads only what is there.
        const target = `${fill(path, word)}?${query}`;
        const hasBody = method !== "GET" && method !== "HEAD";
        const answer = await harbor.ask(method, target, hasBody ? { body } : {});
        assert.ok(
          answer.status < 500 || answer.status === 501,
          `${method} ${target} ${body}: ${answer.status} ${answer.text}`,
        );
        if (answer.status >= 400 && method !== "HEAD") assert.match(codeOf(answer.json), /^[A-Z_]+$/);
      }),
      { numRuns: 600 },
    );
  });

  test("metrics know templates, never names", async () => {
    const answer = await site.ask("GET", "/metrics");
    const labels = [...(await answer.text()).matchAll(/route="([^"]*)"/g)].map(([, route]) => route!);
    const shown = new Set(labels.filter((route) => route.startsWith(harborPrefix)));
    assert.ok(shown.size > 20);
    for (const route of shown) assert.doesNotMatch(route, /team|v1\b|nope/);
  });

  test("the page lists the routes as they are", async () => {
    const text = await readFile(page, "utf8");
    const [before_ = "", after_ = ""] = text.split(/<!-- routes -->[\s\S]*<!-- end -->/);
    const current = `${before_}<!-- routes -->\n\n${table(routes)}\n\n<!-- end -->${after_}`;
    if (process.env["MINTMARK_WRITE_GOLDEN"] === "1") await writeFile(page, current);
    else assert.equal(text, current, "write it anew with MINTMARK_WRITE_GOLDEN=1");
  });
});

function codeOf(json: unknown): string {
  const code = (json as { readonly errors?: readonly Json[] } | undefined)?.errors?.[0]?.["code"];
  return typeof code === "string" ? code : "";
}

/** Routes by path, with the methods that differ in nothing on one line. */
function table(routes: readonly HarborRoute[]): string {
  const rows = new Map<string, string[]>();
  for (const { method, path, fidelity, note } of routes) {
    const told = fidelity === "absent" ? "501" : fidelity;
    const key = `\`${path}\` | ${told} | ${note ?? ""}`;
    rows.set(key, [...(rows.get(key) ?? []), method]);
  }
  const lines = [...rows].map(([key, methods]) => `| ${methods.join(", ")} | ${key} |`);
  return ["| method | path | how | note |", "| --- | --- | --- | --- |", ...lines].join("\n");
}
