import { strict as assert } from "node:assert";
import { after, before, describe, test } from "node:test";
import { digestOf } from "./bench.ts";
import { basic, type Client, openClient, type Told } from "./client.ts";
import { type ServedRegistry, serveRegistry } from "./served-registry.ts";

/** How clients sign in: a challenge, a token for what it names, the request again. */
describe("tokens", () => {
  let served: ServedRegistry;
  let client: Client;
  before(async () => {
    served = await serveRegistry();
    client = openClient(served.url, basic(served.user, served.password));
  });
  after(async () => {
    client.close();
    await served.close();
  });

  async function tokenFor(...scopes: readonly string[]): Promise<string> {
    const query = new URLSearchParams(scopes.map((scope): [string, string] => ["scope", scope]));
    const told = await client.must(200, `GET /v2/_token?service=mintmark&${query.toString()}`);
    return `Bearer ${String(told.json()["token"])}`;
  }

  test("are offered where a request lacks them, with the place to get them and the scope", async () => {
    const base = challengeOf(await client.must(401, "GET /v2/", { authorization: null }));
    assert.equal(base["realm"], `${served.url}/v2/_token`);
    assert.ok(base["service"]);
    const pushed = await client.must(401, "POST /v2/team/app/blobs/uploads/", { authorization: null });
    assert.equal(challengeOf(pushed)["scope"], "repository:team/app:pull,push");
  });

  test("come by GET and by POST, under both names, and last a minute at least", async () => {
    const form = { grant_type: "password", username: served.user, password: served.password, service: "mintmark" };
    const headers = { "content-type": "application/x-www-form-urlencoded" };
    const body = new URLSearchParams({ ...form, scope: "repository:team/app:pull" }).toString();
    for (const told of [
      await client.must(200, "GET /v2/_token?scope=repository:team/app:pull"),
      await client.must(200, "POST /v2/_token", { body, headers, authorization: null }),
    ]) {
      const { token, access_token: same, expires_in: seconds } = told.json();
      assert.equal(token, same);
      assert.ok(Number(seconds) >= 60);
      await client.must(200, "GET /v2/", { authorization: `Bearer ${String(token)}` });
    }
    const wrong = { authorization: basic(served.user, "wrong") };
    await client.must(401, "GET /v2/_token", wrong);
  });

  test("are for what was asked and may be had; asking for more is no error", async () => {
    const authorization = await tokenFor("repository:team/app:pull,push,fly", "registry:catalog:*", "rubbish");
    await client.must(202, "POST /v2/team/app/blobs/uploads/", { authorization });
    const other = await client.must(401, "POST /v2/team/other/blobs/uploads/", { authorization });
    const challenge = challengeOf(other);
    assert.equal(challenge["scope"], "repository:team/other:pull,push");
    assert.equal(challenge["error"], "insufficient_scope");
    const anonymous = await client.must(200, "GET /v2/_token?scope=repository:team/app:push", { authorization: null });
    const nobody = { authorization: `Bearer ${String(anonymous.json()["token"])}` };
    await client.must(401, "POST /v2/team/app/blobs/uploads/", nobody);
  });

  test("for the target alone are made wider before a mount", async () => {
    const digest = digestOf("sha256", "to mount");
    await client.must(201, `POST /v2/team/from/blobs/uploads/?digest=${digest}`, { body: "to mount" });
    const authorization = await tokenFor("repository:team/to:pull,push");
    for (const query of [`mount=${digest}&from=team/from`, `mount=${digest}`]) {
      const line = `POST /v2/team/to/blobs/uploads/?${query}`;
      const scope = challengeOf(await client.must(401, line, { authorization }))["scope"] ?? "";
      assert.equal(scope, "repository:team/to:pull,push repository:team/from:pull");
      await client.must(201, line, { authorization: await tokenFor(scope) });
      await client.must(202, `DELETE /v2/team/to/blobs/${digest}`);
    }
  });
});

/** The parameters of a `WWW-Authenticate: Bearer …`. Source: RFC 6750 section 3. */
function challengeOf({ headers }: Told): Readonly<Record<string, string>> {
  const header = headers["www-authenticate"] ?? "";
  assert.match(header, /^Bearer /);
  return Object.fromEntries([...header.matchAll(/(\w+)="([^"]*)"/g)].map(([, name, value]) => [name, value]));
}
