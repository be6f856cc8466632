import { type FoundSource, sourceOf, unknownSource, withVariables } from "./found-source.ts";
import type { Variables } from "./machine.ts";
import type { NamedText } from "./npm-clients.ts";
import { textAt, type XmlElement } from "../xml.ts";
import { elementsNamed, settingsRoot } from "./xml.ts";

interface MavenAnswers {
  /** The user's settings before those of the installation. */
  readonly files: readonly NamedText[];
  readonly environment: Variables;
  /** The POM that every other inherits, out of the program itself. */
  readonly superPom: NamedText | undefined;
  readonly isInstalled: boolean;
}

/**
 * What Maven takes artifacts from: its mirrors, the repositories of its profiles, and where nothing stands for
 * everything, the repository that it was built with.
 *
 * Source: Maven's settings reference, "Mirrors" and "Repositories".
 */
export function mavenSources({ files, environment, superPom, isInstalled }: MavenAnswers): FoundSource[] {
  const variables = Object.fromEntries(Object.entries(environment).map(([name, value]) => [`env.${name}`, value]));
  const read = (text: string | undefined): string => withVariables(text ?? "", variables);
  const documents = files.map(({ path, text }) => ({ path, root: settingsRoot(path, text) }));
  const servers = documents.flatMap(({ root }) => elementsNamed(root, "server"));
  const facts = (element: XmlElement, path: string): Parameters<typeof sourceOf>[1] => {
    const id = textAt(element, "id") ?? "";
    const server = servers.find((item) => textAt(item, "id") === id);
    return { client: "mvn", format: "maven", from: path, name: id, ...loginOf(server, read) };
  };
  const mirrors = documents.flatMap(({ path, root }) =>
    elementsNamed(root, "mirror").flatMap((mirror) => {
      const of = textAt(mirror, "mirrorOf") ?? "";
      // What Maven ships blocks plain http; it is a refusal, not a place.
      if (textAt(mirror, "blocked") === "true") return [];
      const all = facts(mirror, path);
      return [
        {
          of,
          source: sourceOf(read(textAt(mirror, "url")), { ...all, name: coversCentral(of) ? "" : (all.name ?? "") }),
        },
      ];
    }),
  );
  const repositories = documents.flatMap(({ path, root }) =>
    [...elementsNamed(root, "repository"), ...elementsNamed(root, "pluginRepository")].map((repository) =>
      sourceOf(read(textAt(repository, "url")), facts(repository, path)),
    ),
  );
  const hasCentral = mirrors.some(({ of }) => coversCentral(of)) || repositories.some(({ name }) => name === "central");
  return [
    ...mirrors.map(({ source }) => source),
    ...repositories.map((source) => (source.name === "central" ? { ...source, name: "" } : source)),
    ...(hasCentral || !isInstalled ? [] : [centralOf(superPom)]),
  ];
}

function coversCentral(mirrorOf: string): boolean {
  const names = mirrorOf.split(",").map((name) => name.trim());
  return (
    !names.includes("!central") &&
    names.some((name) => ["*", "external:*", "central", "external:http:*"].includes(name) && name !== "external:http:*")
  );
}

function centralOf(superPom: NamedText | undefined): FoundSource {
  const facts = { client: "mvn", format: "maven", from: superPom?.path ?? "mvn" } as const;
  const repositories =
    superPom === undefined ? [] : elementsNamed(settingsRoot(superPom.path, superPom.text), "repository");
  const repository = repositories.find((element) => textAt(element, "id") === "central");
  const url = repository === undefined ? undefined : textAt(repository, "url");
  return url === undefined
    ? unknownSource({ ...facts, note: "the repository that Maven was built with could not be read" })
    : sourceOf(url, facts);
}

function loginOf(
  server: XmlElement | undefined,
  read: (text: string | undefined) => string,
): Pick<FoundSource, "login" | "hasCredentials"> {
  if (server === undefined) return { hasCredentials: false };
  const username = read(textAt(server, "username"));
  const password = read(textAt(server, "password"));
  // In braces stands a password that only Maven's own master password opens.
  const isReadable = username !== "" && password !== "" && !/^\{.*\}$/.test(password);
  return { hasCredentials: true, ...(isReadable ? { login: { username, password } } : {}) };
}

const gradleCentral = /mavenCentral\s*\(/;
const gradlePortal = /gradlePluginPortal\s*\(/;

/**
 * What Gradle's init scripts point it at: the addresses in them, those inside `pluginManagement` as plugin repositories.
 *
 * A script is a program; only addresses that stand in it as text can be found.
 */
export function gradleSources(files: readonly NamedText[]): FoundSource[] {
  return files.flatMap(({ path, text }) => {
    const plain = text.replaceAll(/\/\*[^]*?\*\/|(?<![:"'])\/\/[^\n]*/g, "");
    const plugins = blockRanges(plain, /pluginManagement\b/g);
    const found = plain
      .matchAll(/\b(?:url|setUrl|uri)\b\s*(?:=|\()?\s*(?:uri\s*\(\s*)?["'](https?:\/\/[^"'$\s]+)["']/g)
      .map((match) => {
        const isPlugin = plugins.some(([from, to]) => match.index > from && match.index < to);
        return sourceOf(match[1]!, {
          client: "gradle",
          format: "maven",
          from: path,
          name: isPlugin ? "gradle-plugins" : "gradle",
          hasCredentials: /credentials\s*(?:\(|\{)/.test(plain),
        });
      })
      .toArray();
    const builtIn = [
      ...(gradleCentral.test(plain) ? ["mavenCentral()"] : []),
      ...(gradlePortal.test(plain) ? ["gradlePluginPortal()"] : []),
    ].map((word) =>
      unknownSource({
        client: "gradle",
        format: "maven",
        from: path,
        name: word,
        note: "only Gradle itself knows the address",
      }),
    );
    return [...found, ...builtIn];
  });
}

/** Where the braces after a word open and close. */
function blockRanges(text: string, word: RegExp): [from: number, to: number][] {
  return text
    .matchAll(word)
    .flatMap((match): [number, number][] => {
      const start = text.indexOf("{", match.index);
      if (start === -1) return [];
      let depth = 0;
      for (let at = start; at < text.length; at++) {
        if (text[at] === "{") depth++;
        else if (text[at] === "}" && --depth === 0) return [[start, at]];
      }
      return [[start, text.length]];
    })
    .toArray();
}
