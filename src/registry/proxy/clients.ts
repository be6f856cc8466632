/** How container clients reach a proxy cache. */
interface ProxyClients {
  /** Our public address: `https://mint.example`. */
  readonly url: string;
  readonly project: string;
  /** The host in the names of images that clients are to find here, as people write it. */
  readonly host: string;
  /** What stands before every name at the peer; empty for nothing. */
  readonly namespace?: string;
}

/** A file of a client's configuration. */
export interface ClientFile {
  /** The program that reads it: `podman`, `containerd` … */
  readonly client: string;
  readonly path: string;
  readonly content: string;
}

/** The configuration files of all clients that take mirrors, for one proxy cache. */
export function proxyClientFiles(proxy: ProxyClients): readonly ClientFile[] {
  const { host, project } = proxy;
  return [
    {
      client: "podman",
      path: `/etc/containers/registries.conf.d/50-mintmark-${project}.conf`,
      content: registriesConf(proxy),
    },
    { client: "containerd", path: `/etc/containerd/certs.d/${host}/hosts.toml`, content: hostsToml(proxy) },
    { client: "buildkitd", path: "/etc/buildkit/buildkitd.toml", content: buildkitdToml(proxy) },
    { client: "docker", path: "/etc/docker/daemon.json", content: daemonJson(proxy) },
  ];
}

/**
 * For podman, buildah, skopeo and CRI-O: names below the host are looked for here first, then where they point to.
 *
 * A prefix is replaced as it stands, so the project stands in the mirror's location. Source: containers-registries.conf(5).
 */
function registriesConf({ url, project, host, namespace = "" }: ProxyClients): string {
  const prefix = namespace === "" ? host : `${host}/${namespace}`;
  return `[[registry]]
prefix = ${toml(prefix)}
location = ${toml(prefix)}

[[registry.mirror]]
location = ${toml(`${hostOf(url)}/${project}`)}
insecure = ${isPlain(url)}
`;
}

/**
 * For containerd, whose `config_path` has to name the folder: it asks with `?ns=`, by which we find the project.
 *
 * Source: containerd, docs/hosts.md.
 */
function hostsToml({ url, host }: ProxyClients): string {
  return `server = ${toml(`https://${host}`)}

[host.${toml(originOf(url))}]
  capabilities = ["pull", "resolve"]
`;
}

/** For BuildKit, which asks as containerd does. Source: BuildKit, docs/buildkitd.toml.md. */
function buildkitdToml({ url, host }: ProxyClients): string {
  const own = hostOf(url);
  return `[registry.${toml(host)}]
  mirrors = [${toml(own)}]
${isPlain(url) ? `\n[registry.${toml(own)}]\n  http = true\n` : ""}`;
}

/**
 * For Docker's daemon, which takes mirrors for Docker Hub only, and asks them with neither a project nor `?ns=` unless it
 * keeps images in containerd: what it calls `library/debian` has to be the project `library`, of the namespace `library`.
 *
 * Source: Docker, "Registry as a pull through cache".
 */
function daemonJson({ url }: ProxyClients): string {
  const insecure = isPlain(url) ? { "insecure-registries": [hostOf(url)] } : {};
  return `${JSON.stringify({ "registry-mirrors": [originOf(url)], ...insecure }, undefined, 2)}\n`;
}

function originOf(url: string): string {
  return new URL(url).origin;
}

function hostOf(url: string): string {
  return new URL(url).host;
}

function isPlain(url: string): boolean {
  return new URL(url).protocol === "http:";
}

/** A basic string of TOML has the escapes of JSON. */
function toml(text: string): string {
  return JSON.stringify(text);
}
