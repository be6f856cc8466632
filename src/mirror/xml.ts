/** An element of an XML document. */
export interface XmlElement {
  /** Without its namespace prefix. */
  readonly name: string;
  /** By their names as written, without namespace declarations. */
  readonly attributes: ReadonlyMap<string, string>;
  readonly children: readonly XmlElement[];
  /** Its own text without that of its children, white space at both ends left out. */
  readonly text: string;
}

/** Why bytes are no document; fits after a colon. */
export interface InvalidXml {
  readonly invalid: string;
}

/** How deep elements may stand in each other. */
const depthLimit = 64;

/**
 * Reads a small XML document whole: what Maven's and NuGet's own files hold, and no more.
 *
 * Document types, and with them entities of one's own, are refused: they are how XML reads other files and grows without
 * bound. Comments and processing instructions are passed over. The caller bounds the size.
 * Source: XML 1.0, fifth edition.
 */
export function readXml(bytes: Uint8Array): XmlElement | InvalidXml {
  const text = decodeXml(bytes);
  if (text === undefined) return { invalid: "its text is not in UTF-8, UTF-16 or ISO-8859-1" };
  const reader: Reader = { text, at: 0 };
  const open: OpenElement[] = [];
  for (;;) {
    const top = open.at(-1);
    const start = reader.at;
    const next = reader.text.indexOf("<", start);
    const run = reader.text.slice(start, next === -1 ? undefined : next);
    const plain = replaceReferences(run);
    if (plain === undefined) return { invalid: `it has a wrong reference at character ${start}` };
    if (top !== undefined) top.text += plain;
    else if (plain.trim() !== "") return { invalid: `it has text outside its root at character ${start}` };
    if (next === -1) return { invalid: "it ends before its root element does" };
    reader.at = next;
    const step = readMarkup(reader, open);
    if (step === undefined) continue;
    if ("invalid" in step) return step;
    return readEnd(reader) ?? step;
  }
}

/** The child elements of one name. */
export function childrenOf(element: XmlElement, name: string): readonly XmlElement[] {
  return element.children.filter((child) => child.name === name);
}

/** The text at the end of a path of child names, the first of each; undefined where one is missing. */
export function textAt(element: XmlElement, ...path: readonly string[]): string | undefined {
  let found: XmlElement | undefined = element;
  for (const name of path) found = found?.children.find((child) => child.name === name);
  return found?.text;
}

/** Writes text so that it can stand in an element or between quotes. */
export function escapeXml(text: string): string {
  return text.replaceAll(/[&<>"']/g, (char) => `&#${char.charCodeAt(0)};`);
}

interface Reader {
  readonly text: string;
  at: number;
}

interface OpenElement {
  readonly rawName: string;
  readonly attributes: ReadonlyMap<string, string>;
  readonly children: XmlElement[];
  text: string;
}

function decodeXml(bytes: Uint8Array): string | undefined {
  const declared = /^<\?xml[^>]*?encoding\s*=\s*["']([\w.-]+)["']/.exec(
    Buffer.from(bytes.subarray(0, 200)).toString("latin1"),
  )?.[1];
  const isUtf16 = (bytes[0] === 0xff && bytes[1] === 0xfe) || (bytes[0] === 0xfe && bytes[1] === 0xff);
  const encoding = isUtf16 ? (bytes[0] === 0xff ? "utf-16le" : "utf-16be") : (declared ?? "utf-8").toLowerCase();
  if (!/^(?:utf-?8|utf-16(?:le|be)?|us-ascii|iso-8859-1)$/.test(encoding)) return undefined;
  try {
    return new TextDecoder(encoding, { fatal: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

/** Reads what begins with `<`; gives the root once it is closed, and nothing while there is more to come. */
function readMarkup(reader: Reader, open: OpenElement[]): XmlElement | InvalidXml | undefined {
  const { text, at } = reader;
  if (text.startsWith("<!--", at)) return skipPast(reader, "-->");
  if (text.startsWith("<?", at)) return skipPast(reader, "?>");
  if (text.startsWith("<![CDATA[", at)) {
    const end = text.indexOf("]]>", at);
    const top = open.at(-1);
    if (end === -1 || top === undefined) return { invalid: `it has a misplaced CDATA section at character ${at}` };
    top.text += text.slice(at + 9, end);
    reader.at = end + 3;
    return undefined;
  }
  if (text.startsWith("<!", at)) return { invalid: "it has a document type, which is not read" };
  return text.startsWith("</", at) ? closeElement(reader, open) : openElement(reader, open);
}

const nameForm = String.raw`[\p{L}_][\p{L}\p{N}\p{M}_.:-]*`;
const openForm = new RegExp(`<(${nameForm})`, "uy");
const attributeForm = new RegExp(String.raw`\s+(${nameForm})\s*=\s*(?:"([^"<]*)"|'([^'<]*)')`, "uy");
const openEndForm = /\s*(\/?)>/y;
const closeForm = new RegExp(String.raw`</(${nameForm})\s*>`, "uy");

function openElement(reader: Reader, open: OpenElement[]): XmlElement | InvalidXml | undefined {
  const start = reader.at;
  const rawName = match(reader, openForm)?.[1];
  if (rawName === undefined) return { invalid: `it has a tag without a name at character ${start}` };
  const attributes = new Map<string, string>();
  for (let found = match(reader, attributeForm); found !== undefined; found = match(reader, attributeForm)) {
    const name = found[1]!;
    const value = replaceReferences(found[2] ?? found[3] ?? "");
    if (value === undefined || attributes.has(name)) return { invalid: `<${rawName}> has a wrong attribute "${name}"` };
    attributes.set(name, value);
  }
  const end = match(reader, openEndForm);
  if (end === undefined) return { invalid: `<${rawName}> is not formed as a tag` };
  if (open.length >= depthLimit) return { invalid: `its elements stand more than ${depthLimit} deep in each other` };
  for (const name of attributes.keys()) if (name === "xmlns" || name.startsWith("xmlns:")) attributes.delete(name);
  const element: OpenElement = { rawName, attributes, children: [], text: "" };
  if (end[1] === "/") return finish(element, open);
  open.push(element);
  return undefined;
}

function closeElement(reader: Reader, open: OpenElement[]): XmlElement | InvalidXml | undefined {
  const start = reader.at;
  const rawName = match(reader, closeForm)?.[1];
  const element = open.pop();
  if (rawName === undefined || element?.rawName !== rawName)
    return { invalid: `it closes an element that is not open at character ${start}` };
  return finish(element, open);
}

function finish(element: OpenElement, open: readonly OpenElement[]): XmlElement | undefined {
  const done: XmlElement = {
    name: element.rawName.slice(element.rawName.indexOf(":") + 1),
    attributes: element.attributes,
    children: element.children,
    text: element.text.trim(),
  };
  const parent = open.at(-1);
  if (parent === undefined) return done;
  parent.children.push(done);
  return undefined;
}

/** After the root only comments and processing instructions may come. */
function readEnd(reader: Reader): InvalidXml | undefined {
  const rest = reader.text.slice(reader.at).replaceAll(/<!--[\s\S]*?-->|<\?[\s\S]*?\?>/g, "");
  return rest.trim() === "" ? undefined : { invalid: "it goes on after its root element" };
}

function skipPast(reader: Reader, end: string): InvalidXml | undefined {
  const found = reader.text.indexOf(end, reader.at + 2);
  if (found === -1) return { invalid: `it has no "${end}" after character ${reader.at}` };
  reader.at = found + end.length;
  return undefined;
}

function match(reader: Reader, form: RegExp): RegExpExecArray | undefined {
  form.lastIndex = reader.at;
  const found = form.exec(reader.text);
  if (found === null) return undefined;
  reader.at = form.lastIndex;
  return found;
}

const predefined: Readonly<Record<string, string>> = { lt: "<", gt: ">", amp: "&", quot: '"', apos: "'" };

function replaceReferences(text: string): string | undefined {
  if (!text.includes("&")) return text;
  let isWrong = false;
  const plain = text.replaceAll(/&(?:#(\d{1,7})|#x([\da-fA-F]{1,6})|(lt|gt|amp|quot|apos));|&/g, (_, ...groups) => {
    const [decimal, hex, name] = groups as (string | undefined)[];
    if (name !== undefined) return predefined[name]!;
    const code = decimal !== undefined ? Number(decimal) : hex !== undefined ? Number.parseInt(hex, 16) : 0;
    if (code === 0 || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) isWrong = true;
    return isWrong ? "" : String.fromCodePoint(code);
  });
  return isWrong ? undefined : plain;
}
