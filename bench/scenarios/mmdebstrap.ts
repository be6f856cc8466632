import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { aptSourcesFor } from "../../tests/fixtures/apt-repository.ts";
import { bootstrapArguments, bootstrapMissing } from "../../tests/fixtures/mmdebstrap.ts";
import type { Ground } from "../ground.ts";
import type { Command } from "../measure.ts";
import type { Scenario } from "../scenario.ts";

/** mmdebstrap over the same loopback archive that a cold build fetches from. */
export const mmdebstrapHttp: Scenario = {
  name: "mmdebstrap-http",
  about: "peer of a cold build: mmdebstrap over loopback HTTP",
  missing: bootstrapMissing,
  prepare: () => Promise.resolve(),
  run: (ground) => command(ground, ground.repository.url, []),
};

/** mmdebstrap with every archive on the same disk: apt reads them in place. */
export const mmdebstrapFile: Scenario = {
  name: "mmdebstrap-file",
  about: "peer of a warm build: mmdebstrap, everything fetched",
  missing: bootstrapMissing,
  prepare: () => Promise.resolve(),
  run: (ground) =>
    command(ground, `file://${ground.repository.folder}/`, [
      "--hook-directory=/usr/share/mmdebstrap/hooks/file-mirror-automount",
    ]),
};

async function command(
  { work, repository, allNames }: Ground,
  uri: string,
  flags: readonly string[],
): Promise<Command> {
  const sources = join(work, "mmdebstrap.sources");
  await writeFile(sources, aptSourcesFor(repository, uri));
  const args = [
    "--quiet",
    ...bootstrapArguments(allNames),
    ...flags,
    repository.distribution.codename,
    join(work, "mmdebstrap.tar"),
    sources,
  ];
  // Its temporary root must lie on the disk that our own data folder lies on.
  return { program: "mmdebstrap", args, env: { TMPDIR: work } };
}
