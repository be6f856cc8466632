import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Failure } from "../../base/errors.ts";
import { cargoSources } from "./cargo-clients.ts";
import { goSources } from "./go-clients.ts";
import { gradleSources, mavenSources } from "./java-clients.ts";
import { npmSources } from "./npm-clients.ts";
import { nugetSources } from "./nuget-clients.ts";
import { listedRepositories, productOf } from "./products.ts";
import { pipSources, uvSources } from "./python-clients.ts";
import { aptSources, containerSources } from "./system-clients.ts";
import { parseToml } from "./toml.ts";

test("npm: the project counts before the user, scopes have registries of their own, credentials are taken out", () => {
  const found = npmSources({
    environment: { TOKEN: "s3cret" },
    asked: "https://asked.example/",
    files: [
      { path: "/p/.npmrc", text: "@acme:registry=https://npm.example/acme/\n; comment\n" },
      {
        path: "/h/.npmrc",
        text: [
          "registry = https://mirror.example/npm/",
          "@acme:registry=https://other.example/",
          "//npm.example/acme/:_authToken=${TOKEN}",
          `//mirror.example/:_auth="${Buffer.from("ann:pa:ss").toString("base64")}"`,
        ].join("\n"),
      },
    ],
  });
  assert.deepEqual(found, [
    {
      client: "npm",
      format: "npm",
      from: "/h/.npmrc",
      name: "",
      url: "https://mirror.example/npm/",
      hasCredentials: true,
      login: { username: "ann", password: "pa:ss" },
    },
    {
      client: "npm",
      format: "npm",
      from: "/p/.npmrc",
      name: "@acme",
      url: "https://npm.example/acme/",
      hasCredentials: true,
      login: { username: "", password: "s3cret" },
    },
  ]);
  const asked = npmSources({ environment: {}, asked: "https://asked.example/", files: [] });
  assert.deepEqual(
    asked.map(({ url, from }) => [url, from]),
    [["https://asked.example/", "npm config get registry"]],
  );
});

test("pip: variables before the command's section before global; its help names what it was built with", () => {
  const text =
    "[global]\nindex-url = https://ann:secret@pypi.example/simple\nextra-index-url =\n    https://a.example/simple\n    https://b.example/simple\n[install]\nindex-url = https://inst.example/simple\n";
  const files = [{ path: "/etc/pip.conf", text }];
  const found = pipSources({ files, environment: {}, help: undefined });
  assert.deepEqual(
    found.map(({ url, name }) => [url, name]),
    [
      ["https://inst.example/simple", ""],
      ["https://a.example/simple", "extra-a.example"],
      ["https://b.example/simple", "extra-b.example"],
    ],
  );
  const variable = pipSources({
    files,
    environment: { PIP_INDEX_URL: "https://u:p@v.example/simple" },
    help: undefined,
  });
  assert.equal(variable[0]!.url, "https://v.example/simple");
  assert.deepEqual(variable[0]!.login, { username: "u", password: "p" });
  const help =
    "  -i, --index-url <url>       Base URL of the Python Package Index (default\n                              https://built.example/simple). This should";
  assert.equal(pipSources({ files: [], environment: {}, help })[0]!.url, "https://built.example/simple");
  assert.deepEqual(pipSources({ files: [], environment: {}, help: "no such option" }), []);
});

test("uv: its own files and a project's table", () => {
  const found = uvSources(
    [
      { path: "/h/uv.toml", text: '[[index]]\nname = "corp"\nurl = "https://corp.example/simple"\ndefault = true\n' },
      { path: "/p/pyproject.toml", text: '[tool.uv]\nindex-url = "https://p.example/simple"\n' },
    ],
    { UV_DEFAULT_INDEX: "https://v.example/simple" },
  );
  assert.deepEqual(
    found.map(({ url, name }) => [url, name]),
    [
      ["https://v.example/simple", ""],
      ["https://corp.example/simple", ""],
      ["https://p.example/simple", ""],
    ],
  );
});

test("go: the proxies in order, and what cannot be mirrored is said", () => {
  const found = goSources({ values: { GOPROXY: "https://go.example|https://two.example,direct" }, from: "go env" });
  assert.deepEqual(
    found.map(({ url, name }) => [url, name]),
    [
      ["https://go.example/", ""],
      ["https://two.example/", "2"],
    ],
  );
  assert.match(found[0]!.note!, /direct/);
  const off = goSources({ values: { GOPROXY: "direct" }, from: "go env" });
  assert.equal(off[0]!.url, undefined);
  const databaseOf = (GOSUMDB: string): string | undefined =>
    goSources({ values: { GOPROXY: "https://go.example", GOSUMDB }, from: "go env" })[0]!.checksumDatabase;
  assert.equal(databaseOf("sum.example+033de0ae https://where.example"), "sum.example");
  assert.equal(databaseOf("off"), undefined);
});

test("cargo: follows replace-with across files and tells registries beside", () => {
  const found = cargoSources({
    environment: { CARGO_REGISTRIES_CORP_TOKEN: "x" },
    builtIn: "https://built.example/",
    isInstalled: true,
    files: [
      { path: "/p/.cargo/config.toml", text: '[source.crates-io]\nreplace-with = "mirror"\n' },
      {
        path: "/h/.cargo/config.toml",
        text: '[source.mirror]\nregistry = "sparse+https://mirror.example/cargo/"\n[registries]\ncorp = { index = "sparse+https://corp.example/index/" }\ngit = { index = "https://git.example/index" }\n',
      },
    ],
  });
  assert.deepEqual(
    found.map(({ url, name, hasCredentials }) => [url, name, hasCredentials]),
    [
      ["https://mirror.example/cargo/", "", false],
      ["https://corp.example/index/", "corp", true],
      [undefined, "git", false],
    ],
  );
  const plain = cargoSources({ environment: {}, builtIn: "https://built.example/", isInstalled: true, files: [] });
  assert.equal(plain[0]!.url, "https://built.example/");
  assert.deepEqual(cargoSources({ environment: {}, builtIn: undefined, isInstalled: false, files: [] }), []);
});

test("maven: a mirror of everything stands for what it was built with; blocked ones count for nothing", () => {
  const text = `<?xml version="1.0"?><!-- <mirror><url>https://no.example</url></mirror> -->
<settings><servers><server><id>nx</id><username>ann</username><password>\${env.PW}</password></server></servers>
<mirrors>
  <mirror><id>maven-default-http-blocker</id><mirrorOf>external:http:*</mirrorOf><url>http://0.0.0.0/</url><blocked>true</blocked></mirror>
  <mirror><id>nx</id><mirrorOf>*,!local</mirrorOf><url>https://nexus.example/repository/maven-public/</url></mirror>
</mirrors></settings>`;
  const files = [{ path: "/h/.m2/settings.xml", text }];
  const superPom = {
    path: "jar",
    text: "<project><repositories><repository><id>central</id><url>https://central.example/m</url></repository></repositories></project>",
  };
  const found = mavenSources({ files, environment: { PW: "pw" }, superPom, isInstalled: true });
  assert.deepEqual(found, [
    {
      client: "mvn",
      format: "maven",
      from: "/h/.m2/settings.xml",
      name: "",
      url: "https://nexus.example/repository/maven-public/",
      hasCredentials: true,
      login: { username: "ann", password: "pw" },
    },
  ]);
  const bare = mavenSources({ files: [], environment: {}, superPom, isInstalled: true });
  assert.deepEqual(
    bare.map(({ url, from }) => [url, from]),
    [["https://central.example/m", "jar"]],
  );
  const unread = mavenSources({ files: [], environment: {}, superPom: undefined, isInstalled: true });
  assert.equal(unread[0]!.url, undefined);
});

test("gradle: addresses in init scripts, those of plugins apart; comments are no addresses", () => {
  const text = `// url "https://comment.example/"
settingsEvaluated { s -> s.pluginManagement { repositories { maven { url = uri("https://plugins.example/m2/") } } } }
allprojects { repositories { maven { url "https://maven.example/m2" }; gradlePluginPortal() } }`;
  const found = gradleSources([{ path: "/h/.gradle/init.gradle", text }]);
  assert.deepEqual(
    found.map(({ url, name }) => [url, name]),
    [
      ["https://plugins.example/m2/", "gradle-plugins"],
      ["https://maven.example/m2", "gradle"],
      [undefined, "gradlePluginPortal()"],
    ],
  );
});

test("nuget: clear drops what came before, disabled sources count for nothing", () => {
  const machine =
    '<configuration><packageSources><add key="far" value="https://far.example/v3/index.json"/></packageSources></configuration>';
  const user =
    '<configuration><packageSources><clear/><add key="a" value="https://%HOST%/v3/index.json"/><add key="my feed" value="https://b.example/v3/index.json"/><add key="c" value="https://c.example/"/></packageSources><disabledPackageSources><add key="c" value="true"/></disabledPackageSources><packageSourceCredentials><my_x0020_feed><add key="Username" value="ann"/><add key="ClearTextPassword" value="pw"/></my_x0020_feed></packageSourceCredentials></configuration>';
  const found = nugetSources(
    [
      { path: "/h/NuGet.Config", text: user },
      { path: "/etc/nuget.config", text: machine },
    ],
    { HOST: "a.example" },
  );
  assert.deepEqual(
    found.map(({ url, name, login }) => [url, name, login?.username]),
    [
      ["https://a.example/v3/index.json", "", undefined],
      ["https://b.example/v3/index.json", "my feed", "ann"],
    ],
  );
});

test("apt: one source for each archive, with the proxy that it goes through", () => {
  const found = aptSources({
    folder: "/etc/apt",
    suites: [
      { uri: "http://deb.example/debian", suite: "bookworm" },
      { uri: "http://deb.example/debian/", suite: "bookworm-updates" },
      { uri: "http://deb.example/debian-security", suite: "bookworm-security" },
      { uri: "cdrom:[disc]/", suite: "bookworm" },
    ],
    files: [{ path: "p", text: 'Acquire::http::Proxy "http://user:pw@cache.example:3142";\n' }],
  });
  assert.deepEqual(
    found.map(({ url, name }) => [url, name]),
    [
      ["http://deb.example/debian/", "debian"],
      ["http://deb.example/debian-security/", "debian-security"],
      [undefined, "[disc]"],
    ],
  );
  assert.equal(
    found[0]!.note,
    "suites bookworm, bookworm-updates; apt reaches it through the proxy cache.example:3142",
  );
});

test("containers: searched registries and mirrors", () => {
  const found = containerSources([
    {
      path: "registries.conf",
      text: 'unqualified-search-registries = ["hub.example"]\n[[registry]]\nprefix = "hub.example"\n[[registry.mirror]]\nlocation = "mirror.example:5000/hub"\ninsecure = true\n[[registry]]\nlocation = "bad.example"\nblocked = true\n',
    },
  ]);
  assert.deepEqual(
    found.map(({ url, name, note }) => [url, name, note]),
    [
      ["https://hub.example/", "hub.example", "is asked for names without a registry"],
      ["http://mirror.example:5000/hub", "hub.example", "is a mirror of hub.example"],
      [undefined, "bad.example", "is blocked"],
    ],
  );
});

test("a Nexus and an Artifactory are known by their addresses, and their lists are read", () => {
  assert.deepEqual(productOf("https://nexus.example/nx/repository/npm-group/"), {
    product: "nexus",
    server: "https://nexus.example/nx/",
    repository: "npm-group",
  });
  const key = (path: string): string | undefined => productOf(`https://a.example/artifactory/${path}`)?.repository;
  assert.equal(key("api/npm/npm-virtual/"), "npm-virtual");
  assert.equal(key("api/nuget/v3/nuget-remote/index.json"), "nuget-remote");
  assert.equal(key("libs-release/org/acme"), "libs-release");
  assert.equal(productOf("https://plain.example/simple"), undefined);
  const nexus = listedRepositories({ product: "nexus", server: "https://n.example/" }, [
    { name: "maven-central", format: "maven2", type: "proxy", url: "x" },
    { name: "gems", format: "rubygems", type: "hosted" },
    { name: "../evil", format: "npm", type: "proxy" },
    null,
  ]);
  assert.deepEqual(nexus, [
    { name: "maven-central", kind: "proxy", format: "maven", url: "https://n.example/repository/maven-central/" },
    { name: "gems", kind: "hosted", format: undefined, url: "https://n.example/repository/gems/" },
  ]);
  const artifactory = listedRepositories({ product: "artifactory", server: "https://a.example/artifactory/" }, [
    { key: "npm-remote", type: "REMOTE", packageType: "Npm" },
  ]);
  assert.equal(artifactory[0]!.url, "https://a.example/artifactory/api/npm/npm-remote/");
});

test("TOML: strings, tables, arrays; what is broken is a failure that names the line", () => {
  const text = `a.b = 'x' # c
list = [1_000, "two\\u0041", true,
  {k = """
long \\
  line"""}]
[t."q.r"]
d = 2024-01-01T00:00:00Z
[[arr.in]]
n = 1
[[arr.in]]
n = 2
`;
  assert.deepEqual(JSON.parse(JSON.stringify(parseToml(text))), {
    a: { b: "x" },
    list: [1000, "twoA", true, { k: "long line" }],
    t: { "q.r": { d: "2024-01-01T00:00:00Z" } },
    arr: { in: [{ n: 1 }, { n: 2 }] },
  });
  assert.throws(() => parseToml("a = 1\nb ="), /line 2/);
  assert.throws(() => parseToml("a = 1 2"), Failure);
  assert.equal(Object.getPrototypeOf(parseToml("__proto__ = 1")), null);
});

test("whatever stands in a file, the readers give an answer or a failure, and are done soon", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary", maxLength: 400 }), (text) => {
      npmSources({ files: [{ path: "f", text }], environment: {}, asked: text });
      gradleSources([{ path: "f", text }]);
      productOf(text);
      try {
        parseToml(text);
      } catch (error) {
        assert.ok(error instanceof Failure);
      }
    }),
    { numRuns: 300 },
  );
});
