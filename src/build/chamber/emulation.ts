import { closeSync, existsSync, mkdirSync, mkdtempSync, openSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { plainEnvironment, run } from "../../base/child.ts";
import { Failure, messageOf } from "../../base/errors.ts";

/** The machine's own architecture, in Debian's words. */
export const machineArchitecture: string = process.arch === "x64" ? "amd64" : process.arch;

interface Machine {
  /** What QEMU calls it. */
  readonly qemu: string;
  /** `e_machine` of its programs. Source: elf(5). */
  readonly elf: number;
  /** Its instructions that end a program with success. */
  readonly exit: readonly number[];
}

/** Source: the instruction sets' manuals; system call 93 of arm64 and 60 of amd64 end a program. */
const machines: Readonly<Record<string, Machine>> = {
  // mov x0, #0; mov x8, #93; svc #0
  arm64: { qemu: "aarch64", elf: 183, exit: [0x00, 0x00, 0x80, 0xd2, 0xa8, 0x0b, 0x80, 0xd2, 0x01, 0x00, 0x00, 0xd4] },
  // xor edi, edi; mov eax, 60; syscall
  amd64: { qemu: "x86_64", elf: 62, exit: [0x31, 0xff, 0xb8, 0x3c, 0x00, 0x00, 0x00, 0x0f, 0x05] },
};

/**
 * Makes programs of another architecture run inside the chamber, in any root folder, with nothing laid into it.
 *
 * The chamber's user namespace gets a binfmt_misc of its own (Linux 6.7), which the machine does not see. Where the
 * kernel has none, or QEMU lies elsewhere, a registration of the machine's serves, if it works in a root folder.
 * Either way a small program is run before the build counts on it.
 *
 * Source: the kernel's admin-guide/binfmt-misc.rst. Flags: F opens QEMU now, so that no root folder needs it; P
 * keeps `argv[0]`; O and C take open file and identity from the program and not from QEMU, so that set-user-id
 * programs do inside what they do on their own machine.
 *
 * @throws Failure `sandbox_unavailable` with how to mend it
 */
export async function emulate(architecture: string): Promise<void> {
  if (architecture === machineArchitecture) return;
  const machine = machines[architecture];
  if (machine === undefined) throw unavailable(architecture, "there is no emulation of it");
  const program = findEmulator(machine);
  const problem =
    program === undefined ? `qemu-${machine.qemu}-static is not installed` : await register(machine, program);
  if (await runsProgram(machine)) return;
  throw unavailable(architecture, problem ?? `${program} does not run a program of it; it must be linked statically`);
}

/** Debian's qemu-user of version 13 is static without saying so in its name. */
function findEmulator({ qemu }: Machine): string | undefined {
  const folders = plainEnvironment["PATH"]!.split(":");
  const paths = [`qemu-${qemu}-static`, `qemu-${qemu}`].flatMap((name) => folders.map((folder) => join(folder, name)));
  return paths.find((path) => existsSync(path));
}

/** @returns why it did not come to be */
async function register(machine: Machine, program: string): Promise<string | undefined> {
  const place = mkdtempSync(join(tmpdir(), "mintmark-binfmt-"));
  try {
    const { code, stderr } = await run("mount", ["-t", "binfmt_misc", "binfmt_misc", place]);
    if (code !== 0)
      return `neither has the kernel a binfmt_misc for each user namespace (${stderr.trim()}) nor the machine a registration`;
    writeFileSync(join(place, "register"), registration(machine, program));
    // Registrations go with their last user: this file stays open for as long as the chamber lives.
    openSync(join(place, "status"), "r");
    // Nothing of it shows in the build.
    await run("umount", ["--lazy", place]);
    return undefined;
  } catch (error) {
    return messageOf(error);
  } finally {
    rmSync(place, { recursive: true, force: true });
  }
}

/** Any 64-bit little-endian program of the machine's, whatever system and kind it says it is for. */
function registration({ qemu, elf }: Machine, program: string): string {
  const escaped = (bytes: readonly number[]): string =>
    bytes.map((byte) => `\\x${byte.toString(16).padStart(2, "0")}`).join("");
  const magic = [0x7f, 0x45, 0x4c, 0x46, 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, elf, 0];
  const mask = magic.map((_, at) => (at === 7 ? 0 : at === 16 ? 0xfe : 0xff));
  return `:mintmark-${qemu}:M::${escaped(magic)}:${escaped(mask)}:${program}:OCPF`;
}

/** Runs a program in a root folder where nothing else is. */
async function runsProgram(machine: Machine): Promise<boolean> {
  const root = mkdtempSync(join(tmpdir(), "mintmark-emulation-"));
  try {
    // The machine's folder for temporary files may not let programs run.
    await run("mount", ["-t", "tmpfs", "tmpfs", root]);
    mkdirSync(join(root, "bin"));
    const file = openSync(join(root, "bin/try"), "w", 0o755);
    writeFileSync(file, smallProgram(machine));
    closeSync(file);
    return (await run("chroot", [root, "/bin/try"], { timeoutMs: 20_000 })).code === 0;
  } finally {
    await run("umount", [root]);
    rmSync(root, { recursive: true, force: true });
  }
}

const headBytes = 120;

/** An ELF program of one segment that ends at once. Source: elf(5). */
function smallProgram({ elf, exit }: Machine): Buffer {
  const base = 0x400000;
  const sizeBytes = headBytes + exit.length;
  const file = Buffer.alloc(sizeBytes);
  file.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1], 0);
  file.writeUInt16LE(2, 16);
  file.writeUInt16LE(elf, 18);
  file.writeUInt32LE(1, 20);
  file.writeBigUInt64LE(BigInt(base + headBytes), 24);
  file.writeBigUInt64LE(64n, 32);
  file.writeUInt16LE(64, 52);
  file.writeUInt16LE(56, 54);
  file.writeUInt16LE(1, 56);
  file.writeUInt32LE(1, 64);
  file.writeUInt32LE(5, 68);
  for (const at of [80, 88]) file.writeBigUInt64LE(BigInt(base), at);
  for (const at of [96, 104]) file.writeBigUInt64LE(BigInt(sizeBytes), at);
  file.writeBigUInt64LE(0x1000n, 112);
  file.set(exit, headBytes);
  return file;
}

function unavailable(architecture: string, state: string): Failure {
  return new Failure(
    "sandbox_unavailable",
    `Cannot run programs of "${architecture}" on this machine, which is ${machineArchitecture}: ${state}`,
    {
      hint: "apt-get install qemu-user-static. Linux 6.7 or newer needs nothing else; with an older one, register it for the machine with the flag F, as the package binfmt-support does",
    },
  );
}
