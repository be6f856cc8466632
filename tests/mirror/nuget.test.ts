import { strict as assert } from "node:assert";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import { type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { gzipSync } from "node:zlib";
import { makePackage, pushForm, upstreamAnswers } from "../../src/mirror/nuget/upstream.fixture.ts";
import { nuget as format } from "../../src/mirror/nuget/nuget.ts";
import { obtainNuget } from "../clients/nuget-program.ts";
import { type RunningMirror, runMirror } from "./running-mirror.ts";

const versions = [
  { version: "1.0.0", published: "1900-01-01T00:00:00+00:00" },
  { version: "1.1.0" },
  { version: "2.0.0-beta.1" },
  { version: "2.0.0", poisoned: Buffer.from("another package") },
];

/** What NuGet's clients ask, step by step as they do, of a proxy, a hosted repository and a group. */
describe("NuGet and the mirror", { timeout: 180_000 }, () => {
  let upstream: Server;
  let origin = "";
  const asked: string[] = [];
  let site: RunningMirror;

  before(async () => {
    upstream = createServer((request, response) => {
      const path = (request.url ?? "").split("?", 1)[0]!;
      asked.push(path);
      const answer = upstreamAnswers(origin, "Demo.Lib", versions)[path];
      // The public gallery compresses its registrations whether a client can read them or not.
      if (path.startsWith("/reg/") && answer !== undefined)
        response.writeHead(200, { "content-encoding": "gzip" }).end(gzipSync(answer));
      else response.writeHead(answer === undefined ? 404 : 200).end(answer);
    });
    await new Promise<void>((resolve) => upstream.listen(0, "127.0.0.1", resolve));
    origin = `http://127.0.0.1:${(upstream.address() as AddressInfo).port}`;
    const format = "nuget";
    site = await runMirror([
      { name: "gallery", format, kind: "proxy", upstream: `${origin}/v3/index.json`, isPublic: true },
      { name: "own", format, kind: "hosted", isPublic: true },
      { name: "all", format, kind: "group", members: ["gallery", "own"], isPublic: true },
    ]);
  });

  after(async () => {
    await site.close();
    upstream.closeAllConnections();
    upstream.close();
  });

  async function json(address: string): Promise<Record<string, unknown>> {
    const answer = await fetch(address);
    const text = await answer.text();
    assert.equal(answer.status, 200, `${address} ${text}`);
    assert.ok(!text.includes(origin), `${address} tells of the upstream: ${text}`);
    return JSON.parse(text) as Record<string, unknown>;
  }

  /** The address of a resource, as clients find it. */
  async function resource(repository: string, type: string): Promise<string> {
    const index = (await json(`${site.base(repository)}/v3/index.json`)) as { resources: Record<string, string>[] };
    const found = index.resources.find((entry) => entry["@type"] === type)?.["@id"];
    assert.ok(found !== undefined, type);
    return found;
  }

  test("a package is restored: versions, registration with its pages, archive; the second time from here", async () => {
    const flat = await resource("all", "PackageBaseAddress/3.0.0");
    const all = ["1.0.0", "1.1.0", "2.0.0-beta.1", "2.0.0"];
    assert.deepEqual(await json(`${flat}demo.lib/index.json`), { versions: all });
    const registrations = await resource("all", "RegistrationsBaseUrl/3.6.0");
    const index = (await json(`${registrations}demo.lib/index.json`)) as { items: Record<string, unknown>[] };
    const page = (await json(String(index.items[0]!["@id"]))) as { items: { packageContent: string }[] };
    const address = page.items[1]!.packageContent;
    const archive = await fetch(address);
    assert.equal(archive.status, 200);
    assert.deepEqual(Buffer.from(await archive.arrayBuffer()), makePackage("Demo.Lib", "1.1.0"));
    assert.ok(asked.includes("/catalog/demo.lib.1.1.0.json"), "the hash of the catalog was read");

    const { upstreamRequests } = site.counts();
    await json(`${flat}demo.lib/index.json`);
    await (await fetch(address)).arrayBuffer();
    await (await fetch(`${flat}Demo.Lib/1.1/Demo.Lib.1.1.nupkg`)).arrayBuffer();
    assert.equal(site.counts().upstreamRequests, upstreamRequests);
    assert.equal((await fetch(`${flat}demo.lib/9.0.0/demo.lib.9.0.0.nupkg`)).status, 404);
    assert.equal((await fetch(`${flat}no.such/index.json`)).status, 404);
  });

  test("a poisoned archive is refused with both digests", async () => {
    const flat = await resource("all", "PackageBaseAddress/3.0.0");
    const answer = await fetch(`${flat}demo.lib/2.0.0/demo.lib.2.0.0.nupkg`);
    assert.equal(answer.status, 502);
    assert.match(await answer.text(), /sha512 [0-9a-f]{128}, but [0-9a-f]{128} was promised/);
  });

  test("a package is pushed, found and restored through the group, which keeps its name to itself", async () => {
    const publish = await resource("own", "PackagePublish/2.0.0");
    const bytes = makePackage(
      "Acme.Core",
      "1.0.0",
      '<dependencies><dependency id="Demo.Lib" version="1.1.0" /></dependencies>',
    );
    const push = async (address: string, key = site.administrator): Promise<Response> => {
      const { headers, body } = pushForm(bytes);
      return await fetch(address, {
        method: "PUT",
        headers: { ...headers, ...(key === "" ? {} : { "x-nuget-apikey": key }) },
        body,
      });
    };
    assert.equal((await push(publish, "")).status, 401);
    assert.equal((await push(publish)).status, 201);
    const again = await push(`${publish}/`);
    assert.equal(again.status, 409);
    assert.match(again.statusText, /is here already/);
    assert.equal((await push(`${site.base("gallery")}/v3/package`)).status, 405);

    asked.length = 0;
    const flat = await resource("all", "PackageBaseAddress/3.0.0");
    assert.deepEqual(await json(`${flat}acme.core/index.json`), { versions: ["1.0.0"] });
    const archive = await fetch(`${flat}acme.core/1.0.0/acme.core.1.0.0.nupkg`);
    assert.deepEqual(Buffer.from(await archive.arrayBuffer()), bytes);
    const registrations = await resource("all", "RegistrationsBaseUrl/3.6.0");
    const index = JSON.stringify(await json(`${registrations}acme.core/index.json`));
    assert.match(index, /"id":"Demo.Lib","range":"1.1.0"/);
    const completions = await json(`${await resource("all", "SearchAutocompleteService")}?q=acme.core`);
    assert.deepEqual(completions, { totalHits: 1, data: ["Acme.Core"] });
    assert.deepEqual(asked, [], "the upstream has not heard of our package");
    const search = await resource("all", "SearchQueryService/3.5.0");
    const { data } = (await json(`${search}?q=lib`)) as { data: Record<string, unknown>[] };
    assert.deepEqual(
      data.map(({ id }) => id),
      ["Demo.Lib"],
    );

    const change = async (method: string): Promise<number> =>
      (await fetch(`${publish}/Acme.Core/1.0.0`, { method, headers: { "x-nuget-apikey": site.administrator } })).status;
    assert.equal(await change("DELETE"), 204);
    assert.equal((await json(`${search}?q=acme.core`))["totalHits"], 0);
    assert.deepEqual(await json(`${flat}acme.core/index.json`), { versions: ["1.0.0"] });
    assert.equal(await change("POST"), 200);
    assert.equal((await json(`${search}?q=acme.core`))["totalHits"], 1, "what was answered before is looked at anew");
  });

  test("NuGet's own client pushes, installs, is told why not, and installs offline", async (context) => {
    const program = await obtainNuget();
    if ("reason" in program) return context.skip(program.reason);
    const folder = await mkdtemp(join(tmpdir(), "mintmark-nuget-"));
    let homeCount = 0;
    /** Runs the client with a home of its own that is set up for a repository. */
    const nuget = async (
      repository: string,
      ...args: readonly string[]
    ): Promise<{ code: number | null; text: string }> => {
      const home = join(folder, `home-${homeCount++}`);
      await mkdir(home);
      const [setup] = format.clients({ base: site.base(repository), isSealed: false });
      const file = join(home, "NuGet.Config");
      await writeFile(file, setup!.files[0]!.content);
      return await program.nuget.run([...args, "-ConfigFile", file], { cwd: folder, home });
    };
    const install = async (out: string, ...args: readonly string[]): Promise<{ code: number | null; text: string }> =>
      await nuget("all", "install", ...args, "-OutputDirectory", join(folder, out), "-DependencyVersion", "Ignore");
    try {
      const source = ["-Source", `${site.base("own")}/v3/index.json`, "-ApiKey", site.administrator];
      await writeFile(join(folder, "a.nupkg"), makePackage("Acme.Tool", "1.2.0"));
      const pushed = await nuget("own", "push", "a.nupkg", ...source);
      assert.equal(pushed.code, 0, pushed.text);
      const again = await nuget("own", "push", "a.nupkg", ...source);
      assert.match(again.text, /409 \(The package "Acme\.Tool" 1\.2\.0 is here already\)/);

      const own = await install("one", "Acme.Tool");
      assert.equal(own.code, 0, own.text);
      assert.ok(existsSync(join(folder, "one/Acme.Tool.1.2.0/lib/net8.0/a.dll")));
      const theirs = await install("one", "Demo.Lib", "-Version", "1.1.0");
      assert.equal(theirs.code, 0, theirs.text);
      const poisoned = await install("one", "Demo.Lib", "-Version", "2.0.0");
      assert.notEqual(poisoned.code, 0);
      assert.match(poisoned.text, /502/);

      const removed = await nuget("own", "delete", "Acme.Tool", "1.2.0", ...source);
      assert.equal(removed.code, 0, removed.text);
      site = await site.restart({ MINTMARK_MIRROR_OFFLINE: "true" });
      const offline = await install("two", "Demo.Lib", "-Version", "1.1.0");
      assert.equal(offline.code, 0, offline.text);
      assert.ok(existsSync(join(folder, "two/Demo.Lib.1.1.0/Demo.Lib.1.1.0.nupkg")));
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });
});
