import type { ClientSetup } from "../format.ts";

/**
 * How apt is pointed at a repository.
 *
 * In a build apt keeps the sources of the image and takes the mirror for its proxy, so that nothing of the mirror stays
 * in the image. Elsewhere a sources file names the repository in the place of the archive; the words in capitals are for
 * the reader to fill in, since only he knows his suite and the key that he trusts.
 *
 * Source: apt.conf(5), apt-transport-http(1), sources.list(5).
 */
export function clients({ base, isSealed }: { readonly base: string; readonly isSealed: boolean }): ClientSetup[] {
  return [isSealed ? proxySetup(new URL(base).origin) : sourcesSetup(base)];
}

function proxySetup(proxy: string): ClientSetup {
  const content = `// Sources with http:// come through the mirror as they are. Behind https:// it could not see what is fetched:
// name those archives with http://, their signatures are checked all the same.
Acquire::http::Proxy "${proxy}";
Acquire::https::Proxy "${proxy}";
// To build again from what was fetched long ago, also let indexes be older than they say they may be:
// Acquire::Check-Valid-Until "false";
`;
  return { client: "apt", files: [{ path: "/etc/apt/apt.conf.d/99mintmark-mirror", content }], environment: {} };
}

function sourcesSetup(base: string): ClientSetup {
  const name = base.slice(base.lastIndexOf("/") + 1);
  const content = `# In the place of the archive that "${name}" stands for: switch the old entry off with "Enabled: no".
Types: deb
URIs: ${base}
Suites: SUITE
Components: main
Signed-By: /usr/share/keyrings/KEYRING.gpg
`;
  return {
    client: "apt",
    files: [{ path: `/etc/apt/sources.list.d/mintmark-${name}.sources`, content }],
    environment: {},
  };
}
