import { type FoundSource, sourceOf, withVariables } from "./found-source.ts";
import type { Variables } from "./machine.ts";
import type { NamedText } from "./npm-clients.ts";
import type { XmlElement } from "../xml.ts";
import { elementsNamed, settingsRoot } from "./xml.ts";

/**
 * What NuGet takes packages from: the sources of its files from the machine's to the project's, a `clear` dropping those
 * before it, less the disabled ones.
 *
 * Source: the nuget.config reference. NuGet writes `%NAME%` for a variable.
 *
 * @param files the one that counts most first
 */
export function nugetSources(files: readonly NamedText[], environment: Variables): FoundSource[] {
  const sources = new Map<string, { url: string; path: string; version: string | undefined }>();
  const disabled = new Set<string>();
  const signIns = new Map<string, XmlElement>();
  for (const { path, text } of files.toReversed()) {
    const root = settingsRoot(path, text);
    for (const list of elementsNamed(root, "packageSources"))
      for (const { name, attributes } of list.children) {
        if (name === "clear") sources.clear();
        else if (name === "add")
          sources.set(attributes.get("key") ?? "", {
            url: attributes.get("value") ?? "",
            path,
            version: attributes.get("protocolVersion"),
          });
      }
    for (const { children } of elementsNamed(root, "disabledPackageSources"))
      for (const { attributes } of children)
        if (attributes.get("value") === "true") disabled.add(attributes.get("key") ?? "");
    for (const { children } of elementsNamed(root, "packageSourceCredentials"))
      for (const child of children) signIns.set(child.name, child);
  }
  const read = (value: string): string => withVariables(value.replaceAll(/%(\w+)%/g, "$${$1}"), environment);
  return [...sources]
    .filter(([key]) => !disabled.has(key))
    .map(([key, { url, path }], index) =>
      sourceOf(read(url), {
        client: "nuget",
        format: "nuget",
        from: path,
        name: index === 0 ? "" : key,
        ...loginOf(signIns.get(key.replaceAll(" ", "_x0020_")), read),
      }),
    );
}

function loginOf(
  element: XmlElement | undefined,
  read: (text: string) => string,
): Pick<FoundSource, "login" | "hasCredentials"> {
  if (element === undefined) return { hasCredentials: false };
  const value = (key: string): string | undefined =>
    element.children.find(({ attributes }) => attributes.get("key") === key)?.attributes.get("value");
  const username = value("Username");
  const password = value("ClearTextPassword");
  return {
    hasCredentials: true,
    ...(username === undefined || password === undefined
      ? {}
      : { login: { username: read(username), password: read(password) } }),
  };
}
