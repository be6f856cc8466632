import { childrenOf, readXml, textAt, type XmlElement } from "../../xml.ts";
import type { LockWishes, Skipped, Wish } from "./wish.ts";

const mavenScopes = new Set(["compile", "runtime", "test", "provided", "system", "import"]);

interface MavenArtifact {
  readonly group: string;
  readonly artifact: string;
  readonly type: string;
  readonly classifier: string | undefined;
  readonly version: string;
}

/** Four parts are without a classifier; a scope may follow the version. */
function mavenArtifact(line: string): MavenArtifact | undefined {
  const match = /^(?:\[INFO\])?\s*((?:[\w.-]+:){3,5}[\w.-]+)(?:\s.*)?$/.exec(line.trimEnd());
  const parts = match?.[1]?.split(":") ?? [];
  if (parts.length > 4 && mavenScopes.has(parts.at(-1)!)) parts.pop();
  const [group, artifact, type, classifierOrVersion, version] = parts;
  if (group === undefined || artifact === undefined || type === undefined || classifierOrVersion === undefined)
    return undefined;
  return version === undefined
    ? { group, artifact, type, classifier: undefined, version: classifierOrVersion }
    : { group, artifact, type, classifier: classifierOrVersion, version };
}

/** Whether a text is what `mvn dependency:list` prints. */
export function looksLikeMaven(text: string): boolean {
  return text.split("\n", 2000).some((line) => mavenArtifact(line) !== undefined);
}

/** Reads what `mvn dependency:list` prints: `group:artifact:type[:classifier]:version[:scope]`. */
export function readMavenList(text: string): LockWishes {
  const wishes = new Map<string, Wish>();
  for (const line of text.split(/\r?\n/)) {
    const found = mavenArtifact(line);
    if (found === undefined) continue;
    const { group, artifact, type, classifier, version } = found;
    const folder = `${group.replaceAll(".", "/")}/${artifact}/${version}`;
    const end = { "test-jar": "jar", bundle: "jar", "maven-plugin": "jar" }[type] ?? type;
    const file = `${folder}/${artifact}-${version}${classifier === undefined ? "" : `-${classifier}`}.${end}`;
    const title = `${group}:${artifact} ${version}`;
    wishes.set(file, { format: "maven", title, paths: [file] });
    wishes.set(folder, pomWish({ group, artifact, version }, 0));
  }
  return { kind: "a list of Maven's dependencies", wishes: [...wishes.values()], skipped: [] };
}

const parentsMax = 20;

/** A POM needs its parent, and that one its own. */
function pomWish(
  of: { readonly group: string; readonly artifact: string; readonly version: string },
  depth: number,
): Wish {
  const { group, artifact, version } = of;
  const path = `${group.replaceAll(".", "/")}/${artifact}/${version}/${artifact}-${version}.pom`;
  return {
    format: "maven",
    title: `${group}:${artifact} ${version} (POM)`,
    paths: [path],
    follow(body) {
      const root = readXml(body);
      if ("invalid" in root || depth >= parentsMax) return [];
      const parent = {
        group: textAt(root, "parent", "groupId") ?? "",
        artifact: textAt(root, "parent", "artifactId") ?? "",
        version: textAt(root, "parent", "version") ?? "",
      };
      const isWhole = Object.values(parent).every((part) => /^[\w.-]+$/.test(part));
      return isWhole ? [pomWish(parent, depth + 1)] : [];
    },
  };
}

/** Reads a gradle.lockfile: `group:artifact:version=configurations`. Source: Gradle, "Locking dependency versions". */
export function readGradleLock(text: string): LockWishes {
  const wishes = new Map<string, Wish>();
  for (const line of text.split(/\r?\n/)) {
    const match = /^([\w.-]+):([\w.-]+):([\w.+-]+)=/.exec(line);
    if (match === null) continue;
    const [, group = "", artifact = "", version = ""] = match;
    addArtifact(wishes, { group, artifact, version, end: "jar", isOptional: true });
    const module = fileOf({ group, artifact, version }, "module");
    wishes.set(module, { format: "maven", title: module, paths: [module], isOptional: true });
  }
  return { kind: "gradle.lockfile", wishes: [...wishes.values()], skipped: [] };
}

/**
 * Reads what a POM itself names with a version: its parent, its dependencies, the lists of versions that it imports, its
 * plugins. What those depend on stands in their POMs and their parents', which only Maven puts together.
 */
export function readPom(text: string): LockWishes | undefined {
  const root = readXml(Buffer.from(text));
  if ("invalid" in root || root.name !== "project") return undefined;
  const value = propertiesOf(root);
  const managed = new Map<string, string>();
  const imports: XmlElement[] = [];
  for (const entry of elementsAt(root, "dependencyManagement", "dependencies", "dependency")) {
    const version = value(textAt(entry, "version"));
    if (textAt(entry, "scope") === "import") imports.push(entry);
    else if (version !== undefined) managed.set(keyOf(entry), version);
  }
  const wishes = new Map<string, Wish>();
  const skipped: Skipped[] = [
    {
      title: "what these depend on",
      reason: "a POM does not say it: prefetch the output of `mvn dependency:list` too",
    },
  ];
  const parents = childrenOf(root, "parent");
  const plugins = elementsAt(root, "build", "plugins", "plugin");
  const dependencies = elementsAt(root, "dependencies", "dependency");
  for (const entry of [...parents, ...imports, ...dependencies, ...plugins]) {
    const isPlugin = plugins.includes(entry);
    const group = value(textAt(entry, "groupId")) ?? (isPlugin ? "org.apache.maven.plugins" : undefined);
    const artifact = value(textAt(entry, "artifactId"));
    const version = value(textAt(entry, "version")) ?? managed.get(keyOf(entry));
    if (group === undefined || artifact === undefined || version === undefined || !/^[\w.+-]+$/.test(version)) {
      const title = `${textAt(entry, "groupId") ?? ""}:${textAt(entry, "artifactId") ?? ""}`;
      skipped.push({ title, reason: "names no single version itself" });
      continue;
    }
    const isPom = parents.includes(entry) || imports.includes(entry) || textAt(entry, "type") === "pom";
    const classifier = value(textAt(entry, "classifier"));
    const end = isPom ? undefined : "jar";
    addArtifact(wishes, {
      group,
      artifact,
      version,
      end,
      isOptional: false,
      ...(classifier === undefined ? {} : { classifier }),
    });
  }
  return { kind: "pom.xml", wishes: [...wishes.values()], skipped };
}

interface Coordinates {
  readonly group: string;
  readonly artifact: string;
  readonly version: string;
}

function fileOf({ group, artifact, version }: Coordinates, end: string): string {
  return `${group.replaceAll(".", "/")}/${artifact}/${version}/${artifact}-${version}.${end}`;
}

function addArtifact(
  wishes: Map<string, Wish>,
  of: Coordinates & {
    /** How its file ends; undefined where it is only a POM. */
    readonly end: string | undefined;
    readonly classifier?: string;
    readonly isOptional: boolean;
  },
): void {
  const { group, artifact, version, end, classifier, isOptional } = of;
  wishes.set(fileOf(of, "pom"), pomWish({ group, artifact, version }, 0));
  if (end === undefined) return;
  const file = classifier === undefined ? fileOf(of, end) : fileOf(of, end).replace(/\.(\w+)$/, `-${classifier}.$1`);
  const title = `${group}:${artifact} ${version}`;
  wishes.set(file, { format: "maven", title, paths: [file], ...(isOptional ? { isOptional } : {}) });
}

function elementsAt(root: XmlElement, ...path: readonly string[]): readonly XmlElement[] {
  return path.reduce<readonly XmlElement[]>((found, name) => found.flatMap((one) => childrenOf(one, name)), [root]);
}

function keyOf(entry: XmlElement): string {
  return `${textAt(entry, "groupId") ?? ""}:${textAt(entry, "artifactId") ?? ""}`;
}

/** Puts the values of a POM's own properties into a text; undefined where one is not known. */
function propertiesOf(root: XmlElement): (text: string | undefined) => string | undefined {
  const own = new Map<string, string>();
  for (const element of elementsAt(root, "properties").flatMap(({ children }) => children))
    own.set(element.name, textAt(element) ?? "");
  for (const name of ["groupId", "artifactId", "version"]) {
    const text = textAt(root, name) ?? textAt(root, "parent", name);
    if (text !== undefined) own.set(`project.${name}`, text);
  }
  const value = (text: string | undefined, depth = 0): string | undefined => {
    if (text === undefined || depth > 10) return undefined;
    let isKnown = true;
    const filled = text.replaceAll(/\$\{([^}]+)\}/g, (_, name: string) => {
      const found = value(own.get(name), depth + 1);
      isKnown &&= found !== undefined;
      return found ?? "";
    });
    return isKnown ? filled : undefined;
  };
  return (text) => value(text);
}
