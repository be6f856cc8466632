import { test } from "node:test";
import assert from "node:assert/strict";
import fc from "fast-check";
import { childrenOf, escapeXml, readXml, textAt, type XmlElement } from "./xml.ts";

const read = (text: string): XmlElement => {
  const found = readXml(Buffer.from(text));
  assert.ok(!("invalid" in found), JSON.stringify(found));
  return found;
};

test("elements, attributes, text, CDATA and comments are read", () => {
  const root = read(`\uFEFF<?xml version="1.0" encoding="utf-8"?>
<!-- before --><p:package xmlns:p="urn:x" a='1 &lt; 2'>
  <metadata><id>One&amp;<!-- c -->Two</id><id/><notes><![CDATA[<b>&amp;</b>]]></notes></metadata>&#65;&#x42;
</p:package>
<!-- after -->`);
  assert.equal(root.name, "package");
  assert.deepEqual([...root.attributes], [["a", "1 < 2"]]);
  assert.equal(root.text, "AB");
  assert.equal(textAt(root, "metadata", "id"), "One&Two");
  assert.equal(textAt(root, "metadata", "notes"), "<b>&amp;</b>");
  assert.equal(textAt(root, "metadata", "absent", "id"), undefined);
  assert.equal(childrenOf(root.children[0]!, "id").length, 2);
});

test("other encodings are read as they are declared", () => {
  const utf16 = Buffer.concat([Buffer.from([0xff, 0xfe]), Buffer.from("<a>é</a>", "utf16le")]);
  const latin1 = Buffer.from('<?xml version="1.0" encoding="ISO-8859-1"?><a>é</a>', "latin1");
  for (const bytes of [utf16, latin1]) {
    const root = readXml(bytes);
    assert.ok(!("invalid" in root));
    assert.equal(root.text, "é");
  }
});

test("what is not well formed, or could grow or reach elsewhere, is refused", () => {
  const wrong = [
    "",
    "text",
    "<a>",
    "<a></b>",
    "<a/><b/>",
    "<a b=1/>",
    '<a b="1" b="2"/>',
    "<a>&unknown;</a>",
    "<a>&</a>",
    "<a>&#0;</a>",
    '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>',
    "<!-- only -->",
    "<a><!-- open</a>",
    "</a>",
    "<a>".repeat(65) + "</a>".repeat(65),
  ];
  for (const text of wrong) assert.ok("invalid" in readXml(Buffer.from(text)), text);
  assert.ok("invalid" in readXml(Buffer.from([0x3c, 0x61, 0x3e, 0xff, 0x3c, 0x2f, 0x61, 0x3e])));
});

test("any text survives escaping, and no bytes make the reader throw", () => {
  const char = fc.integer({ min: 32, max: 0xd7ff }).map((code) => String.fromCharCode(code));
  fc.assert(
    fc.property(fc.array(char), (chars) => {
      const text = chars.join("").trim();
      assert.equal(read(`<a>${escapeXml(text)}</a>`).text, text);
    }),
    { numRuns: 100 },
  );
  const piece = fc.constantFrom(
    "<a>",
    "</a>",
    "<a",
    "/>",
    "&lt;",
    "&",
    "<!--",
    "-->",
    "<![CDATA[",
    "]]>",
    "x",
    '"',
    "=",
  );
  fc.assert(
    fc.property(fc.array(piece), (pieces) => void readXml(Buffer.from(pieces.join("")))),
    { numRuns: 300 },
  );
});
