import type { Capability } from "./capability.ts";

/** Whether images of the other architecture can be built here: a program of it is run in namespaces, as a build would. */
export async function checkEmulation(): Promise<Capability[]> {
  const { emulationState } = await import("../../pipeline/pipeline.ts");
  const { architecture, problem } = await emulationState();
  const name = `emulation of ${architecture}`;
  if (problem === undefined)
    return [{ name, state: "ok", about: `a program of linux/${architecture} runs in a build's namespaces` }];
  return [{ name, state: "optional", about: problem.message, fix: problem.hint ?? "apt-get install qemu-user-static" }];
}
