import assert from "node:assert/strict";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, before, describe, it } from "node:test";
import { readTar } from "../../src/base/tar.ts";
import { openLayer } from "../../src/build/image-files.ts";
import { containerfileLockSchema } from "../../src/model/containerfile-lock.ts";
import type { Digest } from "../../src/model/digest.ts";
import type { Manifest } from "../../src/model/oci.ts";
import { openStore } from "../../src/store/store.ts";
import { mintmark } from "./sealed-program.ts";
import { sealedObstacle } from "./sealed-site.ts";

const obstacle = await sealedObstacle();
const lockName = `lock.containerfile-${process.arch === "x64" ? "amd64" : process.arch}.json`;

const files: Readonly<Record<string, string>> = {
  // Cargo of Debian 12 reads no sparse registry yet.
  "base/image.yaml": "name: test/base\ntitle: Base\ndistribution: debian:13\npackages: [apt, ca-certificates]\n",
  "tools/image.yaml": "name: test/tools\ntitle: Tools\ncontainerfile: Containerfile\n",
  // As people write it: each tool in a stage of its own, and the image has only what they made.
  "tools/Containerfile": `FROM test/base AS go
RUN apt-get update && apt-get install --yes --no-install-recommends golang-go
WORKDIR /src
COPY go .
RUN go mod tidy && go mod download && test "$(go env GOSUMDB)" != off && CGO_ENABLED=0 go build -trimpath -o /of-go .

FROM test/base AS rust
RUN apt-get update && apt-get install --yes --no-install-recommends cargo
WORKDIR /src
COPY rust .
RUN cargo build --release && cp target/release/hello /of-rust

FROM test/base AS java
RUN apt-get update && apt-get install --yes --no-install-recommends maven
WORKDIR /src
COPY java .
RUN mvn --batch-mode --quiet package && cp target/hello-1.jar /of-java.jar

FROM test/base
COPY --from=go /of-go /
COPY --from=rust /of-rust /
COPY --from=java /of-java.jar /
RUN /of-go && /of-rust
`,
  "tools/go/go.mod": "module example.org/hello\n\ngo 1.19\n\nrequire github.com/pkg/errors v0.9.1\n",
  "tools/go/main.go":
    'package main\n\nimport "github.com/pkg/errors"\n\nfunc main() { println(errors.New("go says hello").Error()) }\n',
  "tools/rust/Cargo.toml":
    '[package]\nname = "hello"\nversion = "0.1.0"\nedition = "2021"\n\n[dependencies]\nitoa = "=1.0.14"\n',
  "tools/rust/src/main.rs": 'fn main() { println!("rust says {}", itoa::Buffer::new().format(42)); }\n',
  "tools/java/src/main/resources/hello.txt": "java says hello\n",
  "tools/java/pom.xml": `<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>org.example</groupId>
  <artifactId>hello</artifactId>
  <version>1</version>
  <properties><project.build.sourceEncoding>UTF-8</project.build.sourceEncoding></properties>
  <dependencies>
    <dependency><groupId>org.slf4j</groupId><artifactId>slf4j-api</artifactId><version>1.7.36</version></dependency>
  </dependencies>
  <build>
    <plugins>
      <!-- Debian's Maven takes 3.1 by default, which knows of no time but the clock's. -->
      <plugin><artifactId>maven-jar-plugin</artifactId><version>3.4.1</version></plugin>
    </plugins>
  </build>
</project>
`,
};

describe("a sealed build with compilers that fetch what they build with", { skip: obstacle ?? false }, () => {
  let folder = "";
  const recipe = (): string => join(folder, "recipes/tools");
  const did = async (args: readonly string[], environment: Readonly<Record<string, string>> = {}): Promise<string> => {
    const { code, stdout, stderr } = await mintmark(folder, args, { environment });
    assert.equal(code, 0, `${stdout.slice(-2000)}\n${stderr.slice(-3000)}`);
    return stdout;
  };
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "mintmark-languages-"));
    for (const [path, text] of Object.entries(files)) {
      await mkdir(dirname(join(folder, "recipes", path)), { recursive: true });
      await writeFile(join(folder, "recipes", path), text);
    }
    await did(["mirror", "detect", "--apply"]);
    await did(["build", "base"]);
  });
  after(async () => await rm(folder, { recursive: true, force: true }));

  it("takes modules, crates and artifacts through the mirror, and Go asks its checksum database", async () => {
    await did(["build", "tools"]);
    const lock = containerfileLockSchema.parse(JSON.parse(await readFile(join(recipe(), lockName), "utf8")));
    const purls = new Set(lock.requests.flatMap(({ purl }) => purl ?? []));
    for (const purl of ["pkg:golang/github.com/pkg/errors@v0.9.1", "pkg:cargo/itoa@1.0.14"])
      assert.ok(purls.has(purl), purl);
    assert.ok([...purls].some((purl) => purl.startsWith("pkg:maven/org.slf4j/slf4j-api@1.7.36")));
    assert.ok(lock.requests.some(({ address }) => /\/sumdb\/[^/]+\/lookup\/github\.com\/pkg\/errors@/.test(address)));
  });

  it("gives the same image from its lock with the network off", async () => {
    const offline = { MINTMARK_MIRROR_OFFLINE: "true" };
    assert.match(await did(["build", "tools", "--locked", "--prove"], offline), /^rebuilt equal +yes/m);
  });

  it("leaves nothing of the mirror's settings in the image", async () => {
    const { images } = JSON.parse(await did(["--json", "image", "list"])) as {
      readonly images: readonly { readonly digest: Digest; readonly repository: string }[];
    };
    const store = await openStore({ dataDir: join(folder, "data"), exclusive: false });
    const read = async (name: string): Promise<Manifest> => {
      const { digest } = images.find(({ repository }) => repository === name)!;
      return JSON.parse((await store.blobs.read(digest)).toString("utf8")) as Manifest;
    };
    try {
      const image = await read("test/tools");
      const config = (await store.blobs.read(image.config.digest)).toString("utf8");
      assert.doesNotMatch(config, /5081|127\.0\.0\.1|GOPROXY|CARGO|MAVEN|SOURCE_DATE/);
      const paths: string[] = [];
      for (const layer of image.layers.slice((await read("test/base")).layers.length))
        for await (const { header, body } of readTar(await openLayer(store.blobs, layer))) {
          if (header.kind !== "folder") paths.push(header.path);
          const chunks: Buffer[] = [];
          for await (const chunk of body()) chunks.push(Buffer.from(chunk));
          const content = Buffer.concat(chunks);
          for (const trace of ["127.0.0.1:5081", "/run/mintmark", "mintmark-sealed"])
            assert.ok(!content.includes(trace), `${header.path} holds ${trace}`);
        }
      assert.deepEqual(paths.sort(), ["of-go", "of-java.jar", "of-rust"]);
    } finally {
      await store.close();
    }
  });
});
