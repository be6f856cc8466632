import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { hostProblems, tellingPaths } from "./check-hosts.ts";
import { hostsIn, registryLines } from "./machine-hosts.ts";

const machine = {
  hosts: new Set(["mirror.example.net"]),
  hostHashes: new Set([createHash("sha256").update("packages.example.org").digest("hex")]),
  paths: ["/home/ann", "/srv/build/checkout"],
};

function judge(text: string, path = "docs/a.md"): string[] {
  return hostProblems([{ path, text }], machine).map(({ line, message }) => `${line}: ${message}`);
}

test("hostProblems finds hosts of the machine and of the hashed list, and hosts below them, in any case", () => {
  assert.match(
    judge("a\nsee http://Mirror.Example.NET/debian")[0]!,
    /^2: names the registry host "Mirror\.Example\.NET"/,
  );
  assert.equal(judge("https://packages.example.org:443/x and eu.packages.example.org").length, 2);
});

test("hostProblems leaves other hosts and parents of known hosts alone", () => {
  assert.deepEqual(judge("www.example.org example.net notmirror.example.net.au x.packages-example.org"), []);
});

test("hostProblems finds paths of the machine as whole parts of a path", () => {
  assert.match(judge('cd "/home/ann/x"')[0]!, /holds a path of this machine \("\/home\/ann"\)/);
  assert.equal(judge("/srv/build/checkout").length, 1);
  assert.deepEqual(judge("/home/annex ${root}/home/ann /srv/build"), []);
});

test("hostProblems finds download addresses in the lock file only", () => {
  assert.equal(judge('"resolved": "x"', "package-lock.json").length, 1);
  assert.deepEqual(judge('"resolved": "x"'), []);
});

test("tellingPaths takes shared and short folders by what the machine keeps in them", () => {
  const entries = (folder: string): string[] => [".bashrc", `of-${folder.slice(1)}`];
  assert.deepEqual(tellingPaths("/srv/checkout", ["/root", "/"], entries), ["/srv/checkout", "/root/of-root"]);
  assert.deepEqual(tellingPaths("/checkout", [], entries), ["/checkout/of-checkout"]);
});

test("hostsIn and registryLines read apt, npm, pip and Go configuration", () => {
  const text = [
    "deb [signed-by=/k.gpg] https://user:secret@a.example.org/debian stable main",
    "# deb http://old.example.org/ stable",
    "URIs: http://b.example.org/debian",
    "@team:registry=https://c.example.org/npm/",
    "index-url = https://d.example.org/simple",
    "find-links = https://not.example.org/",
    "registry=http://localhost:4873/",
  ].join("\n");
  assert.deepEqual(
    hostsIn(registryLines(text)).map((host) => host[0]),
    ["a", "b", "c", "d"],
  );
  assert.deepEqual(hostsIn("https://p.example.org,direct\nsum.example.org\n"), ["p.example.org", "sum.example.org"]);
});
