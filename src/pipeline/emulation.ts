import { toFailure, type Failure } from "../base/errors.ts";
import { machineArchitecture, tryEmulation } from "../build/build.ts";

/** Whether this machine can build for an architecture that is not its own. */
interface EmulationState {
  /** `amd64` or `arm64`: the one of these that the machine is not. */
  readonly architecture: string;
  /** Undefined where it can. */
  readonly problem: Failure | undefined;
}

/** Runs a program of the other architecture, as a build would. */
export async function emulationState(): Promise<EmulationState> {
  const architecture = machineArchitecture === "arm64" ? "amd64" : "arm64";
  try {
    await tryEmulation(architecture);
    return { architecture, problem: undefined };
  } catch (error) {
    return { architecture, problem: toFailure(error) };
  }
}
