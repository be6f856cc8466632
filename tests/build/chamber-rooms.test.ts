import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { run } from "../../src/base/child.ts";
import { limits } from "../../src/base/limits.ts";
import type { CommandRun } from "../../src/build/chamber/job.ts";
import { hasPerl } from "../fixtures/perl-layer.ts";
import { inRooms, type RoomOutcome } from "./room-program.ts";

const words = ["", "a b", "it's", '"$HOME" `id` $(id)', "*", "-n", "back\\slash\\n", "two\nlines\n", "ü\t|&;<>", "!!"];

const one = (
  argv: readonly string[],
  more: Partial<CommandRun> & { variables?: Record<string, string> } = {},
): CommandRun => {
  const { variables = {}, ...rest } = more;
  return { commands: [{ argv, variables }], user: "", workdir: "/", ...rest };
};

/** Prints its words and a variable so that each byte shows. */
const shown = 'print join(",", map { unpack("H*", $_) } @ARGV, $ENV{ODD}, join(" ", sort keys %ENV))';
const hex = (text: string): string => Buffer.from(text).toString("hex");

const odd = "a='b'\n$(id)\\";
const runs: readonly CommandRun[] = [
  one(["/usr/bin/perl", "-e", shown, "--", ...words], { variables: { ODD: odd, "NO NAME": "x" } }),
  one(["/nowhere/program"]),
  one(["/usr/bin/perl", "-e", "exit 2"]),
  one(["/usr/bin/perl", "-e", "1"], { workdir: "/etc/passwd" }),
];

function assertFaithful([printed, missing, failed, lost]: readonly RoomOutcome[]): void {
  assert.equal(printed?.exitCode, 0, printed?.stderr);
  const bytes = printed.stdout.split(",");
  assert.deepEqual(bytes.slice(0, words.length), words.map(hex));
  assert.equal(bytes[words.length], hex(odd));
  const names = Buffer.from(bytes[words.length + 1]!, "hex")
    .toString()
    .split(" ");
  assert.deepEqual(
    // Bash sets these for whatever it starts.
    names.filter((name) => name !== "_" && name !== "SHLVL"),
    ["HOME", "HOSTNAME", "ODD", "PATH"],
  );
  assert.match(missing?.fault ?? "", /^failed to execute \/nowhere\/program: .*(?:not found|No such file)/i);
  assert.deepEqual([failed?.exitCode, failed?.fault], [2, undefined]);
  assert.match(lost?.fault ?? "", /^cannot chdir to \/etc\/passwd: /);
}

const bash = process.getuid?.() === 0 ? (await run("sh", ["-c", "readlink -f /bin/bash"])).stdout.trim() : "";

describe("a room", { skip: (await hasPerl()) ? false : "the machine has no perl" }, () => {
  it("gives a program the words and variables that were meant, and tells whose fault it is", async () => {
    assertFaithful(await inRooms(runs, 60_000));
  });

  it("does so where the machine's sh is Bash", { skip: bash === "" ? "takes root and bash" : false }, async () => {
    const script = 'mount --bind "$0" "$(readlink -f /bin/sh)" && exec "$@"';
    const program = [new URL("room-program.ts", import.meta.url).pathname, JSON.stringify(runs), "60000"];
    const node = [process.execPath, "--disable-warning=ExperimentalWarning", ...program];
    const { code, stdout, stderr } = await run("unshare", ["--mount", "bash", "-c", script, bash, ...node]);
    assert.equal(code, 0, stderr);
    assertFaithful(JSON.parse(stdout) as RoomOutcome[]);
  });

  it("ends a program that never ends, with all that it started, and keeps no more of its output than it may", async () => {
    const flood =
      'if (fork) { $SIG{TERM} = "IGNORE"; sleep 1 while 1 } my $x = "x" x 65536; syswrite(STDOUT, $x) while 1';
    const [outcome] = await inRooms([one(["/usr/bin/perl", "-e", flood])], 3000);
    assert.deepEqual([outcome?.fault, outcome?.exitCode, outcome?.stderr], ["it ran for over 3 s", 137, ""]);
    const sizeBytes = outcome!.stdout.length;
    assert.ok(sizeBytes > 0 && sizeBytes <= limits.childOutputBytes + 4 * 1024 * 1024, `${sizeBytes}`);
  });

  it("lets no program pretend to be somebody whom the image does not know", async () => {
    for (const user of ["nobody-here", "app:nogroup"])
      assert.match((await inRooms([one(["/usr/bin/perl"], { user })], 1000))[0]?.fault ?? "", /has no account/);
  });
});
