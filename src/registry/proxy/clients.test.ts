import assert from "node:assert/strict";
import { test } from "node:test";
import { proxyClientFiles } from "./clients.ts";

const files = (proxy: Parameters<typeof proxyClientFiles>[0]): Record<string, { path: string; content: string }> =>
  Object.fromEntries(proxyClientFiles(proxy).map(({ client, ...file }) => [client, file]));

test("each client is told in its own words", () => {
  const told = files({ url: "https://mint.example/", project: "hub", host: "far.example" });
  assert.deepEqual(told["podman"], {
    path: "/etc/containers/registries.conf.d/50-mintmark-hub.conf",
    content: `[[registry]]
prefix = "far.example"
location = "far.example"

[[registry.mirror]]
location = "mint.example/hub"
insecure = false
`,
  });
  assert.deepEqual(told["containerd"], {
    path: "/etc/containerd/certs.d/far.example/hosts.toml",
    content: `server = "https://far.example"

[host."https://mint.example"]
  capabilities = ["pull", "resolve"]
`,
  });
  assert.equal(told["buildkitd"]?.content, `[registry."far.example"]\n  mirrors = ["mint.example"]\n`);
  assert.deepEqual(JSON.parse(told["docker"]?.content ?? ""), { "registry-mirrors": ["https://mint.example"] });
});

test("without TLS clients are told so; a namespace is part of what is replaced", () => {
  const told = files({ url: "http://mint.example:5080", project: "hub", host: "far.example", namespace: "open" });
  assert.match(told["podman"]!.content, /^prefix = "far\.example\/open"$[^]*^insecure = true$/m);
  assert.match(told["buildkitd"]!.content, /^\[registry\."mint\.example:5080"\]\n {2}http = true$/m);
  assert.deepEqual(JSON.parse(told["docker"]!.content), {
    "registry-mirrors": ["http://mint.example:5080"],
    "insecure-registries": ["mint.example:5080"],
  });
});
