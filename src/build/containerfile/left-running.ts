import { readFileSync, readdirSync } from "node:fs";

/** Ends what an instruction has left running, as a container engine does when the instruction's container ends. */
export interface LeftRunning {
  /** Ends every process but this one and those that ran, or came of what ran, at the first call. Returns their names. */
  end(): string[];
}

/** Passes that catch processes which fork while others are ended. */
const passes = 20;

/** Watches the pid namespace whose first process we are. Source: proc_pid_stat(5). */
export function watchLeftRunning(): LeftRunning {
  let wanted: ReadonlySet<number> | undefined;
  return {
    end() {
      if (wanted === undefined) {
        wanted = new Set(processes().flatMap(({ pid, parent }) => (parent === process.pid ? [pid] : [])));
        return [];
      }
      const names = new Set<string>();
      for (let pass = 0; pass < passes; pass++) {
        const stray = strays(processes(), wanted);
        if (stray.length === 0) break;
        for (const { pid, name } of stray) {
          names.add(name);
          endOne(pid);
        }
      }
      return [...names].sort();
    },
  };
}

interface LiveProgram {
  readonly pid: number;
  readonly parent: number;
  readonly name: string;
}

/** All that are alive; one that has ended and waits for its parent is not. */
function processes(): LiveProgram[] {
  return readdirSync("/proc").flatMap((entry): LiveProgram[] => {
    if (!/^\d+$/.test(entry)) return [];
    const found = /^\d+ \((.*)\) (\S) (\d+) /s.exec(statOf(entry));
    return found === null || found[2] === "Z" || found[2] === "X"
      ? []
      : [{ pid: Number(entry), name: found[1]!, parent: Number(found[3]) }];
  });
}

function statOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/stat`, "latin1");
  } catch {
    return ""; // it has just ended
  }
}

function strays(all: readonly LiveProgram[], wanted: ReadonlySet<number>): LiveProgram[] {
  const parents = new Map(all.map(({ pid, parent }) => [pid, parent]));
  return all.filter(({ pid }) => {
    for (let at: number | undefined = pid; at !== undefined && at !== 0; at = parents.get(at))
      if (wanted.has(at)) return false;
    return pid !== process.pid;
  });
}

function endOne(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It has just ended by itself.
  }
}
