/** Who may do what over `/v2` and the API, and what one project's people learn of another's: nothing. */
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { builtInRoles, type BuiltInRole } from "../../src/model/permission.ts";
import { digestOf, manifestOf, push, serve, type Served } from "./served.ts";

const secretLayer = "the layer of b";
const openLayer = "the layer of a";
const sharedLayer = "a layer that both have";

describe("tenants", () => {
  let folder = "";
  let served: Served;
  const passwords = new Map<string, string>();
  const as = (name: string): string => `${name}:${passwords.get(name)!}`;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "mintmark-tenants-"));
    served = await serve(folder);
    for (const name of ["a", "b"]) await served.own("POST", "/projects", { name });
    for (const name of ["anna", "ben", "stranger", ...Object.keys(builtInRoles).map((role) => role.toLowerCase())]) {
      const made = await served.own<{ password: string }>("POST", "/accounts", { name });
      passwords.set(name, made.password);
    }
    const put = async (project: string, name: string, role: string): Promise<unknown> =>
      await served.own("POST", `/projects/${project}/members`, { kind: "account", name, role });
    await put("a", "anna", "projectAdmin");
    await put("b", "ben", "projectAdmin");
    for (const role of Object.keys(builtInRoles)) await put("a", role.toLowerCase(), role);
    await push(served, as("anna"), { repository: "a/app", tag: "1", layer: openLayer });
    await push(served, as("ben"), { repository: "b/app", tag: "1", layer: secretLayer });
    await push(served, as("ben"), { repository: "b/app", tag: "2", layer: sharedLayer });
  });
  after(async () => {
    await served.close();
    await rm(folder, { recursive: true });
  });

  test("each role does over /v2 what it may, with passwords and with tokens", async () => {
    for (const [role, actions] of Object.entries(builtInRoles) as [BuiltInRole, readonly string[]][]) {
      const name = role.toLowerCase();
      const scope = "service=mintmark&scope=repository:a/app:pull,push,delete&scope=registry:catalog:*";
      const issued = await served.ask({ method: "GET", path: `/v2/_token?${scope}`, as: as(name) });
      const { token } = JSON.parse(issued.text) as { token: string };
      for (const [who, denied] of [
        [as(name), 403],
        [token, 401],
      ] as const) {
        const status = async (method: "GET" | "HEAD" | "POST" | "DELETE", path: string): Promise<number> =>
          (await served.ask({ method, path, as: who })).status;
        const may = (action: string, status_: number): number => (actions.includes(action) ? status_ : denied);
        assert.equal(await status("GET", "/v2/a/app/manifests/1"), may("pull", 200), `${role} pulls`);
        assert.equal(await status("HEAD", `/v2/a/app/blobs/${digestOf(openLayer)}`), may("pull", 200), role);
        assert.equal(await status("GET", "/v2/a/app/tags/list"), may("pull", 200), `${role} lists tags`);
        assert.equal(await status("POST", "/v2/a/app/blobs/uploads/"), may("push", 202), `${role} pushes`);
        assert.equal(await status("DELETE", "/v2/a/app/manifests/none"), may("delete", 404), `${role} deletes`);
        assert.equal(await status("GET", "/v2/b/app/manifests/1"), denied, `${role} pulls elsewhere`);
        const catalog = JSON.parse((await served.ask({ method: "GET", path: "/v2/_catalog", as: who })).text) as object;
        assert.deepEqual(catalog, { repositories: actions.includes("list") ? ["a/app"] : [] }, `${role} lists`);
      }
    }
  });

  test("each role does over the API what it may", async () => {
    const newRobot = { permissions: [{ repository: "a/**", actions: ["pull"] }], expiresAt: "2999-01-01T00:00:00Z" };
    for (const [role, actions] of Object.entries(builtInRoles) as [BuiltInRole, readonly string[]][]) {
      const name = role.toLowerCase();
      const status = async (method: "GET" | "POST" | "DELETE", path: string, body?: unknown): Promise<number> =>
        (await served.ask({ method, path, as: as(name), ...(body === undefined ? {} : { body }) })).status;
      const may = (action: string, allowed: number): number => (actions.includes(action) ? allowed : 403);
      assert.equal(await status("GET", "/projects/a"), 200, role);
      assert.equal(await status("GET", "/projects/a/members"), may("members", 200), role);
      const member = { kind: "account", name: "guest", role: "guest" };
      assert.equal(await status("POST", "/projects/a/members", member), may("members", 200), role);
      assert.equal(await status("DELETE", "/projects/a/members/999999"), may("members", 200), role);
      assert.equal(await status("POST", "/projects/a/visibility", { isPublic: false }), may("settings", 200), role);
      const robot = { ...newRobot, name: name, project: "a" };
      assert.equal(await status("POST", "/robots", robot), may("robots", 201), role);
      assert.equal(await status("GET", "/robots?project=a"), may("robots", 200), role);
      assert.equal(await status("POST", "/robots", { ...newRobot, name: "system" }), 403, role);
      for (const path of ["/accounts", "/groups"]) assert.equal(await status("GET", path), 403, `${role} ${path}`);
      for (const path of ["/projects", "/accounts", "/groups"])
        assert.equal(await status("POST", path, { name: "x" }), 403, `${role} ${path}`);
      assert.equal(await status("POST", "/roles", { name: "x", actions: ["list"] }), 403, role);
      assert.equal(await status("DELETE", "/projects/a"), 403, role);
      assert.equal(await status("POST", "/accounts/ben/password", { password: "long enough 1" }), 403, role);
      for (const [method, path] of [
        ["GET", "/projects/b"],
        ["GET", "/projects/b/members"],
        ["GET", "/projects/none"],
      ] as const)
        assert.equal(await status(method, path), 404, `${role} ${path}`);
      const me = JSON.parse((await served.ask({ method: "GET", path: "/whoami", as: as(name) })).text) as {
        role: string;
        projects: { name: string; may: string[] }[];
      };
      assert.equal(me.role, "person");
      assert.deepEqual(
        me.projects.map((one) => [one.name, one.may]),
        [["a", [...actions]]],
      );
    }
  });

  test("what is in another project cannot be read, mounted or told from what is nowhere", async () => {
    const real = digestOf(secretLayer);
    const imagined = digestOf("nowhere");
    const manifest = digestOf(manifestOf(secretLayer));
    for (const who of [as("anna"), as("stranger"), undefined]) {
      const ask = async (
        method: "GET" | "HEAD" | "POST" | "PUT",
        path: string,
        body?: string,
      ): Promise<[number, string]> => {
        const told = await served.ask({
          method,
          path,
          ...(who === undefined ? {} : { as: who }),
          ...(body === undefined ? {} : { body }),
        });
        return [told.status, told.text];
      };
      const same = async (
        method: "GET" | "HEAD" | "POST",
        [there, nowhere]: readonly [string, string],
        hide: readonly string[],
      ): Promise<void> => {
        const [first, second] = [await ask(method, there), await ask(method, nowhere)];
        const bare = ([status, text]: [number, string]): string =>
          [status, hide.reduce((rest, word) => rest.replaceAll(word, "…"), text)].join(" ");
        assert.equal(bare(first), bare(second), `${method} ${there}`);
        assert.ok(![200, 201].includes(first[0]), `${method} ${there} as ${who}`);
      };
      for (const method of ["GET", "HEAD"] as const) {
        await same(method, [`/v2/b/app/blobs/${real}`, `/v2/none/app/blobs/${imagined}`], ["b/app", "none/app"]);
        await same(method, [`/v2/b/app/manifests/1`, `/v2/none/app/manifests/1`], ["b/app", "none/app"]);
        await same(method, [`/v2/a/app/blobs/${real}`, `/v2/a/app/blobs/${imagined}`], [real, imagined]);
        await same(
          method,
          [`/v2/a/app/manifests/${manifest}`, `/v2/a/app/manifests/${imagined}`],
          [manifest, imagined],
        );
      }
      await same("GET", ["/v2/b/app/tags/list", "/v2/none/app/tags/list"], ["b/app", "none/app"]);
      await same(
        "GET",
        [`/v2/b/app/referrers/${manifest}`, `/v2/none/app/referrers/${manifest}`],
        ["b/app", "none/app"],
      );
      for (const from of ["&from=b/app", "&from=none/app", "&from=../b/app", ""]) {
        const path = (digest: string): string => `/v2/a/app/blobs/uploads/?mount=${digest}${from}`;
        const [status, text] = await ask("POST", path(real));
        const [other] = await ask("POST", path(imagined));
        assert.equal(status, other, `mount ${from} as ${who}`);
        assert.notEqual(status, 201, text);
      }
    }
    const layered = manifestOf(secretLayer);
    const headers = { "content-type": "application/vnd.oci.image.manifest.v1+json" };
    const refused = await served.ask({
      method: "PUT",
      path: "/v2/a/app/manifests/x",
      as: as("anna"),
      body: layered,
      headers,
    });
    assert.ok(
      refused.status === 404 || refused.status === 400,
      "nor can a manifest name what only another project has",
    );
  });

  test("a blob that both projects pushed stays with the one when the other loses it", async () => {
    await push(served, as("anna"), { repository: "a/app", tag: "2", layer: sharedLayer });
    const path = `/v2/a/app/blobs/${digestOf(sharedLayer)}`;
    assert.equal((await served.ask({ method: "HEAD", path, as: as("anna") })).status, 200);
    assert.equal((await served.ask({ method: "HEAD", path, as: as("ben") })).status, 403);
  });

  test("who has no account sees public projects, and may be asked to sign in for the rest", async () => {
    assert.equal((await served.ask({ method: "GET", path: "/projects" })).status, 401);
    await served.own("POST", "/projects/a/visibility", { isPublic: true });
    try {
      const list = JSON.parse((await served.ask({ method: "GET", path: "/projects" })).text) as {
        projects: { name: string }[];
      };
      assert.deepEqual(
        list.projects.map(({ name }) => name),
        ["a"],
      );
      assert.equal((await served.ask({ method: "GET", path: "/projects/b" })).status, 404);
      assert.equal((await served.ask({ method: "GET", path: "/v2/a/app/manifests/1" })).status, 200);
      assert.equal((await served.ask({ method: "GET", path: "/v2/b/app/manifests/1" })).status, 401);
      const push401 = await served.ask({ method: "POST", path: "/v2/a/app/blobs/uploads/" });
      assert.equal(push401.status, 401);
      assert.match(push401.headers.get("www-authenticate") ?? "", /scope="repository:a\/app:pull,push"/);
      assert.equal(
        (await served.ask({ method: "GET", path: "/v2/a/app/manifests/1", as: as("stranger") })).status,
        200,
      );
      for (const path of ["/accounts", "/robots", "/tokens", "/whoami", "/roles", "/projects/a/members"])
        assert.equal((await served.ask({ method: "GET", path })).status, 401, path);
    } finally {
      await served.own("POST", "/projects/a/visibility", { isPublic: false });
    }
    assert.equal((await served.ask({ method: "GET", path: "/v2/a/app/manifests/1" })).status, 401);
  });

  test("tokens come over Harbor's path and by form, and are not renewed by themselves", async () => {
    const query = "service=harbor-registry&scope=repository:a/app:pull";
    const told = await served.ask({ method: "GET", path: `/service/token?${query}`, as: as("anna") });
    const { token } = JSON.parse(told.text) as { token: string };
    assert.equal((await served.ask({ method: "GET", path: "/v2/a/app/manifests/1", as: token })).status, 200);
    const form = async (fields: Record<string, string>): Promise<{ status: number; text: string }> => {
      const headers = { "content-type": "application/x-www-form-urlencoded" };
      const body = new URLSearchParams({ service: "mintmark", ...fields }).toString();
      return await served.ask({ method: "POST", path: "/v2/_token", headers, body });
    };
    const password = passwords.get("anna")!;
    assert.equal((await form({ grant_type: "password", username: "anna", password })).status, 200);
    assert.equal((await form({ grant_type: "password", username: "anna", password: "no" })).status, 401);
    for (const grant of [{ grant_type: "refresh_token", refresh_token: "x" }, { grant_type: "" }, {}]) {
      const refused = await form(grant as Record<string, string>);
      assert.equal(refused.status, 400);
      assert.equal((JSON.parse(refused.text) as { error: string }).error, "unsupported_grant_type");
    }
  });

  test("people change their own password with the one before, and make and end their own tokens", async () => {
    const wish = { label: "laptop", projects: ["b"], actions: ["pull"], expiresAt: "2027-06-01T00:00:00Z" };
    const made = await served.ask({ method: "POST", path: "/tokens", as: as("ben"), body: wish });
    assert.equal(made.status, 201, made.text);
    const { id, secret } = JSON.parse(made.text) as { id: string; secret: string };
    assert.equal((await served.ask({ method: "GET", path: "/whoami", as: secret })).status, 200);
    assert.equal((await served.ask({ method: "GET", path: "/v2/b/app/manifests/1", as: `ben:${secret}` })).status, 200);
    assert.equal((await served.ask({ method: "GET", path: "/projects/b/members", as: secret })).status, 403);
    assert.equal((await served.ask({ method: "POST", path: "/tokens", as: secret, body: wish })).status, 403);
    assert.equal((await served.ask({ method: "DELETE", path: `/tokens/${id}`, as: as("anna") })).status, 404);
    const path = "/accounts/ben/password";
    const password = "another long one";
    const change = async (who: string, body: object): Promise<number> =>
      (await served.ask({ method: "POST", path, as: who, body })).status;
    const currentPassword = passwords.get("ben")!;
    assert.equal(await change(as("ben"), { password }), 403);
    assert.equal(await change(as("ben"), { password, currentPassword: "wrong" }), 403);
    assert.equal(await change(secret, { password, currentPassword }), 403);
    assert.equal(await change(as("anna"), { password, currentPassword }), 403);
    assert.equal(await change(as("ben"), { password: "short", currentPassword }), 400);
    assert.equal(await change(as("ben"), { password, currentPassword }), 200);
    assert.equal((await served.ask({ method: "GET", path: "/whoami", as: as("ben") })).status, 401);
    passwords.set("ben", password);
    assert.equal((await served.ask({ method: "GET", path: "/whoami", as: as("ben") })).status, 200);
    assert.equal((await served.ask({ method: "DELETE", path: `/tokens/${id}`, as: as("ben") })).status, 200);
    assert.equal((await served.ask({ method: "GET", path: "/whoami", as: secret })).status, 401);
  });

  test("a restart keeps accounts, roles, members, robots and tokens", async () => {
    const role = { name: "auditor", actions: ["list", "audit"], description: "looks" };
    await served.own("POST", "/roles", role);
    await served.own("POST", "/groups", { name: "platform" });
    await served.own("POST", "/groups/platform/members", { account: "stranger" });
    await served.own("POST", "/projects/b/members", { kind: "group", name: "platform", role: "auditor" });
    const expiresAt = "2999-01-01T00:00:00Z";
    const permissions = [{ repository: "b/**", actions: ["pull"] }];
    const robot = await served.own<{ name: string; secret: string }>("POST", "/robots", {
      name: "ci",
      permissions,
      expiresAt,
    });
    const rotated = await served.own<{ secret: string }>(
      "POST",
      `/robots/${encodeURIComponent(robot.name)}/rotate`,
      {},
    );
    const token = await served.own<{ secret: string }>("POST", "/tokens", {
      account: "anna",
      label: "kept",
      expiresAt: "2027-06-01T00:00:00Z",
    });
    await served.close();
    served = await serve(folder);
    const status = async (who: string, path: string): Promise<number> =>
      (await served.ask({ method: "GET", path, as: who })).status;
    for (const secret of [robot.secret, rotated.secret])
      assert.equal(await status(`${robot.name}:${secret}`, "/v2/b/app/manifests/1"), 200);
    assert.equal(await status(token.secret, "/v2/a/app/manifests/1"), 200);
    assert.equal(await status(as("stranger"), "/projects/b"), 200);
    assert.equal(await status(as("stranger"), "/v2/b/app/manifests/1"), 403);
    const { roles } = await served.own<{ roles: { name: string }[] }>("GET", "/roles");
    assert.ok(roles.some(({ name }) => name === "auditor"));
  });

  test("hostile names and bodies are refused, and reach nothing", async () => {
    const statuses = async (path: string, bodies: readonly unknown[]): Promise<number[]> =>
      await Promise.all(
        bodies.map(async (body) => (await served.ask({ method: "POST", path, as: as("anna"), body })).status),
      );
    const member = { kind: "account", name: "ben", role: "guest" };
    assert.deepEqual(
      await statuses("/projects/a/members", [
        { ...member, kind: "robot" },
        { ...member, role: "" },
        { ...member, extra: 1 },
        { ...member, name: { $ne: "" } },
        [],
        "text",
      ]),
      [400, 400, 400, 400, 400, 400],
    );
    assert.deepEqual(
      await statuses("/projects/a/members", [
        { ...member, role: "__proto__" },
        { ...member, name: "robot$ci" },
      ]),
      [404, 404],
    );
    for (const name of ["..%2fa", "a%00", "A", "%25", "a%2f..%2fb"])
      assert.ok(
        [400, 404].includes((await served.ask({ method: "GET", path: `/projects/${name}`, as: as("anna") })).status),
        name,
      );
    for (const header of [`anna:${"x".repeat(5000)}`, "anna:", ":x", "robot$:x", "anna:mmp_"])
      assert.equal((await served.ask({ method: "GET", path: "/whoami", as: header })).status, 401, header.slice(0, 20));
  });
});
