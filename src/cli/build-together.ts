import { Failure } from "../base/errors.ts";
import type { NewBuild } from "../client/api-types.ts";
import type { CommandContext } from "./command.ts";
import type { Terminal } from "./output/terminal.ts";
import { printImage, runBuild } from "./run-build.ts";
import type { Session } from "./session.ts";

/** A build with what people call it. */
interface NamedBuild {
  readonly name: string;
  readonly request: NewBuild;
}

/**
 * Builds side by side what needs nothing of each other; each line of progress names its build, unless there is one only.
 *
 * @throws Failure of the first build that failed, with its name, once all have ended
 */
export async function buildTogether(
  context: CommandContext,
  session: Session,
  builds: readonly NamedBuild[],
): Promise<void> {
  const outcomes = await Promise.allSettled(
    builds.map(async ({ name, request }) => {
      const own = builds.length === 1 ? context : { ...context, terminal: prefixed(context.terminal, name) };
      return await runBuild(own, session.client, request);
    }),
  );
  for (const outcome of outcomes) if (outcome.status === "fulfilled") printImage(context, outcome.value, session);
  const failed = outcomes.findIndex(({ status }) => status === "rejected");
  if (failed >= 0) throw withName(builds[failed]!.name, (outcomes[failed] as PromiseRejectedResult).reason);
}

/** Several builds cannot share one live line. */
function prefixed(terminal: Terminal, name: string): Terminal {
  const prefix = terminal.paint.bold(`${name}: `);
  return { ...terminal, isLive: false, err: (text) => terminal.err(text.replaceAll(/^(?=.)/gm, prefix)) };
}

function withName(name: string, error: unknown): unknown {
  if (!(error instanceof Failure)) return error;
  const { code, message, hint, details } = error;
  return new Failure(code, `${name}: ${message}`, { ...(hint === undefined ? {} : { hint }), details, cause: error });
}
