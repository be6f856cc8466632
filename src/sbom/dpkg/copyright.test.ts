import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { licencesOfCopyright } from "./copyright.ts";

test("machine-readable licences get their SPDX names", () => {
  const text = [
    "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/",
    "License: GPL-2+",
    "",
    "Files: *",
    "License: GPL-2.0+ or Expat",
    " text, and more text",
    "",
    "Files: x",
    "License: LGPL-2.1+ and BSD-3-clause, and public-domain",
    "",
    "Files: y",
    "License: GPL-3+ with Bison exception",
  ].join("\n");
  assert.deepEqual(licencesOfCopyright(text), [
    "BSD-3-Clause",
    "GPL-2.0-or-later",
    "GPL-3+ with Bison exception",
    "LGPL-2.1-or-later",
    "MIT",
    "public-domain",
  ]);
});

test("free text says nothing", () => {
  assert.deepEqual(licencesOfCopyright("This package was debianized by…\n\nLicense: GPL-2\n"), []);
  fc.assert(fc.property(fc.string({ maxLength: 100 }), (text) => licencesOfCopyright(text).length === 0));
});
