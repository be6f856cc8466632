import { Failure } from "../../base/errors.ts";
import { readXml, type XmlElement } from "../xml.ts";

/**
 * The root of a settings file.
 *
 * @throws Failure `config_invalid` where it is no XML that is read here
 */
export function settingsRoot(path: string, text: string): XmlElement {
  const root = readXml(Buffer.from(text));
  if ("invalid" in root) throw new Failure("config_invalid", `Cannot read the settings "${path}": ${root.invalid}`);
  return root;
}

/** The elements of a name anywhere below an element, in their order. */
export function elementsNamed(element: XmlElement, name: string): XmlElement[] {
  return element.children.flatMap((child) => [...(child.name === name ? [child] : []), ...elementsNamed(child, name)]);
}
