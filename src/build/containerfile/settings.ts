import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { ContainerfileLock } from "../../model/containerfile-lock.ts";
import { aptSourcesFile, aptSourcesPath } from "./apt-sources.ts";
import { exitAddress, type ExitClient } from "./exit.ts";
import { buildFolder } from "./left-out.ts";

/** How programs in RUN are pointed at the exit, by what leaves no trace in the image. */
export interface SealedSettings {
  /** Proxy variables: Buildah knows them, so that no ARG must declare them, and never writes them down. */
  readonly proxies: Readonly<Record<string, string>>;
  /** Variables that each stage declares as arguments. */
  readonly args: Readonly<Record<string, string>>;
  /** Paths in the image, without a slash at their beginning, that something is mounted over. */
  readonly mountPoints: readonly string[];
  /** Writes the files below a folder and says what to mount where. */
  write(
    folder: string,
  ): Promise<readonly { readonly from: string; readonly to: string; readonly isWritable: boolean }[]>;
}

interface Circumstances {
  readonly epochSeconds: number;
  readonly isReplay: boolean;
  readonly aptSources?: ContainerfileLock["aptSources"];
}

const noProxy = "127.0.0.1,localhost";

/**
 * Folders that come into no layer: what is in them tells of times, and of downloads that nobody needs any more.
 *
 * Poetry's, Yarn's and pnpm's are not among them: environments and packages in use lie in theirs.
 */
const caches = ["npm", "pip", "uv", "go-build"] as const;

const cacheFolder = (name: (typeof caches)[number]): string => `${buildFolder}/cache/${name}`;

/** Settings of the clients of all formats, and what keeps caches and notes of time out of the image. */
export function sealedSettings(
  clients: readonly ExitClient[],
  { epochSeconds, isReplay, aptSources = [] }: Circumstances,
): SealedSettings {
  const files = new Map([...clients.flatMap(filesOf), [aptTimePath, isReplay ? aptPatience : aptNothing]]);
  if (aptSources.length > 0) files.set(aptSourcesPath, aptSourcesFile(aptSources));
  return {
    proxies: {
      http_proxy: exitAddress,
      HTTP_PROXY: exitAddress,
      https_proxy: exitAddress,
      HTTPS_PROXY: exitAddress,
      no_proxy: noProxy,
      NO_PROXY: noProxy,
    },
    args: {
      SOURCE_DATE_EPOCH: String(epochSeconds),
      PIP_CACHE_DIR: cacheFolder("pip"),
      PIP_DISABLE_PIP_VERSION_CHECK: "1",
      npm_config_cache: cacheFolder("npm"),
      npm_config_update_notifier: "false",
      npm_config_audit: "false",
      npm_config_fund: "false",
      npm_config_omit_lockfile_registry_resolved: "true",
      UV_CACHE_DIR: cacheFolder("uv"),
      // The cache lies on another mount, to which nothing can be linked.
      UV_LINK_MODE: "copy",
      GOCACHE: cacheFolder("go-build"),
      ...Object.assign({}, ...clients.map(({ environment }) => environment)),
    },
    mountPoints: [...files.keys()].map((path) => path.slice(1)),
    async write(folder) {
      const mounts: { from: string; to: string; isWritable: boolean }[] = [];
      for (const [to, content] of files) {
        const from = join(folder, "files", to);
        await mkdir(dirname(from), { recursive: true });
        await writeFile(from, content, { mode: 0o644 });
        mounts.push({ from, to, isWritable: false });
      }
      for (const name of caches) {
        const from = join(folder, "caches", name);
        await mkdir(from, { recursive: true, mode: 0o777 });
        mounts.push({ from, to: cacheFolder(name), isWritable: true });
      }
      return mounts;
    },
  };
}

/** Files are shown where variables do not say it all: they hide what the image has there. */
function filesOf({ files, environment }: ExitClient): (readonly [string, string])[] {
  const isSaid = Object.values(environment).some((value) => value.includes(exitAddress));
  return isSaid ? [] : files.map(({ path, content }) => [inImage(path), content] as const);
}

const aptTimePath = "/etc/apt/apt.conf.d/99mintmark-time";
/** An index says until when it may be believed; what a lock names was believed in time. Source: apt.conf(5). */
const aptPatience = 'Acquire::Check-Valid-Until "false";\nAcquire::Check-Date "false";\n';
const aptNothing = "// The archive's times count.\n";

function inImage(path: string): string {
  return path.startsWith("~/") ? `/root/${path.slice(2)}` : path;
}
