import { strict as assert } from "node:assert";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { run } from "../../src/base/child.ts";
import { machineEnvironment } from "./starter-factory.ts";

/** podman and buildah of the machine on a storage of the test's own. */
export interface ContainerEngine {
  /** Signature policy and registries.d are read from `$HOME/.config/containers` of this home only. */
  readonly home: string;
  run(program: "podman" | "buildah", args: readonly string[]): ReturnType<typeof run>;
  /** Runs a bash script in a fresh container of an image and returns what it printed; it must succeed. */
  inside(image: string, script: string, options?: InsideOptions): Promise<string>;
  close(): Promise<void>;
}

/** How a script is run in a container. */
export interface InsideOptions {
  /** By default the image's own user. */
  readonly user?: string;
  /** By default a network namespace with nothing but loopback. */
  readonly network?: "host";
  /** Files of the machine by their path inside, read only. */
  readonly files?: Readonly<Record<string, string>>;
}

/** Opens an engine whose images and containers are in the folder. */
export async function openEngine(folder: string): Promise<ContainerEngine> {
  const storage = join(folder, "storage");
  const home = join(folder, "home");
  await mkdir(join(home, ".config/containers"), { recursive: true });
  const shared = ["--root", storage, "--runroot", join(folder, "run"), "--storage-driver", "overlay"];
  const globals = {
    // runc and cgroupfs run where there is no systemd, and where control groups are of both versions.
    podman: [...shared, "--runtime", "runc", "--cgroup-manager", "cgroupfs", "--events-backend", "none"],
    buildah: shared,
  };
  const engine: ContainerEngine = {
    home,
    run: (program, args) =>
      run(program, [...globals[program], ...args], {
        env: { ...machineEnvironment, HOME: home },
        timeoutMs: 300_000,
      }),
    async inside(image, script, { user, network = "none", files = {} } = {}) {
      const flags = ["--rm", "--interactive", "--network", network, "--pull", "never"];
      // A machine may not allow the limits that podman asks for by default.
      flags.push("--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1000:1000");
      if (user !== undefined) flags.push("--user", user);
      for (const [inner, path] of Object.entries(files)) flags.push("--volume", `${path}:${inner}:ro`);
      const result = await run(
        "podman",
        [...globals.podman, "run", ...flags, image, "bash", "-euo", "pipefail", "-s"],
        { env: { ...machineEnvironment, HOME: home }, input: script, timeoutMs: 300_000 },
      );
      assert.equal(result.code, 0, `${script}\n${result.stdout}\n${result.stderr}`);
      return result.stdout;
    },
    async close() {
      await engine.run("podman", ["rmi", "--all", "--force"]);
      // As root the storage is mounted on itself, which rm cannot pass.
      if (process.getuid?.() === 0) await run("umount", [join(storage, "overlay")]);
    },
  };
  return engine;
}
