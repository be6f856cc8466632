import { join, resolve } from "node:path";
import { run } from "../../src/base/child.ts";

const program = resolve(import.meta.dirname, "../../bin/mintmark");

/** What the program said. */
export interface Said {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Where and how it is started. */
interface Circumstances {
  readonly cwd?: string;
  readonly environment?: Readonly<Record<string, string>>;
}

/** The program as people start it, with the data folder and the recipes of a folder. */
export async function mintmark(
  folder: string,
  args: readonly string[],
  { cwd = folder, environment = {} }: Circumstances = {},
): Promise<Said> {
  const known = Object.entries(process.env).filter((entry): entry is [string, string] => entry[1] !== undefined);
  const own = { MINTMARK_DATA: join(folder, "data"), MINTMARK_RECIPES: join(folder, "recipes"), NO_COLOR: "1" };
  const env = { ...Object.fromEntries(known), ...own, ...environment };
  return await run(program, args, { cwd, env, timeoutMs: 900_000 });
}
