import type { ClientSetup } from "../format.ts";

/**
 * How go is pointed at a repository: nothing but it is asked, so there is no `direct` at the end.
 *
 * The checksum database stays the one that go knows: go asks the proxy for it first. `GONOPROXY=none` keeps a
 * `GOPRIVATE` pattern, which turns the checksum database off for names of one's own, from going around the mirror too.
 */
export function clients({ base }: { readonly base: string }): readonly ClientSetup[] {
  const environment = { GOPROXY: base, GONOPROXY: "none" };
  const content = Object.entries(environment)
    .map(([name, value]) => `${name}=${value}\n`)
    .join("");
  return [{ client: "go", files: [{ path: "~/.config/go/env", content }], environment }];
}
