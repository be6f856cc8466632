import { escapeXml } from "../xml.ts";
import { type ClientSetup } from "../format.ts";

/**
 * Makes a repository the only source of NuGet's clients.
 *
 * `<clear/>` forgets the sources of the machine and of the program itself; the mapping keeps a source that a project
 * adds from being asked for anything.
 */
export function clients(options: { readonly base: string; readonly isSealed: boolean }): readonly ClientSetup[] {
  const insecure = options.base.startsWith("http:") ? ' allowInsecureConnections="true"' : "";
  const content = `<?xml version="1.0" encoding="utf-8"?>
<configuration>
  <packageSources>
    <clear />
    <add key="mintmark" value="${escapeXml(options.base)}/v3/index.json"${insecure} />
  </packageSources>
  <packageSourceMapping>
    <clear />
    <packageSource key="mintmark">
      <package pattern="*" />
    </packageSource>
  </packageSourceMapping>
</configuration>
`;
  // Signed packages are checked without asking who has been revoked: in a build nobody could answer.
  const environment: Readonly<Record<string, string>> = options.isSealed
    ? { NUGET_CERT_REVOCATION_MODE: "offline" }
    : {};
  return [{ client: "nuget", files: [{ path: "~/.nuget/NuGet/NuGet.Config", content }], environment }];
}
