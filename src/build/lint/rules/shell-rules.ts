import { posix } from "node:path";
import type { ContainerDocument, Instruction } from "../document.ts";
import type { Hit, LintRule } from "../rule.ts";
import { hasOption, operands, type ShellCommand } from "../shell.ts";
import { hits, isArchive } from "./instruction-rules.ts";

/** Rules about what RUN starts. Source of ids and severities: hadolint's table of rules. */
export const shellRules: readonly LintRule[] = [
  {
    id: "DL3001",
    severity: "info",
    title: "A program makes no sense in a build",
    advice: "There is no session, no init and no mount to work with.",
    bad: "FROM debian:12\nRUN service nginx start",
    good: "FROM debian:12\nRUN nginx -t",
    check: (document) =>
      runs(document, ({ program }) =>
        ["free", "ifconfig", "kill", "mount", "ps", "service", "shutdown", "ssh", "systemctl", "top", "vim"].includes(
          program,
        ),
      ),
  },
  {
    id: "DL3003",
    severity: "warning",
    title: "RUN changes the folder with cd",
    advice: "WORKDIR does so for what follows, and says it in the image.",
    bad: "FROM debian:12\nRUN cd /srv && make",
    good: "FROM debian:12\nWORKDIR /srv\nRUN make",
    check: (document) => runs(document, ({ program, depth }) => program === "cd" && depth === 0),
  },
  {
    id: "DL3004",
    severity: "error",
    title: "RUN uses sudo",
    advice: "Change the account with USER; sudo in an image is a way up for whoever gets in.",
    bad: "FROM debian:12\nRUN sudo make install",
    good: "FROM debian:12\nUSER root\nRUN make install\nUSER 1000",
    check: (document) => runs(document, ({ program }) => program === "sudo"),
  },
  {
    id: "DL3010",
    severity: "info",
    title: "COPY brings an archive that RUN unpacks",
    advice: "ADD unpacks it, and the archive takes no place in a layer.",
    bad: "FROM debian:12\nCOPY tree.tar.gz /tmp/\nRUN tar -xzf /tmp/tree.tar.gz -C /srv",
    good: "FROM debian:12\nADD tree.tar.gz /srv/",
    check: copiedArchives,
  },
  {
    id: "DL3046",
    severity: "warning",
    title: "useradd with a high uid lacks -l",
    advice: "`/var/log/lastlog` is a sparse file as long as the uid is high; some builders write it out.",
    bad: "FROM debian:12\nRUN useradd -u 1234567 app",
    good: "FROM debian:12\nRUN useradd -l -u 1234567 app",
    check: (document) =>
      runs(document, (command) => {
        if (command.program !== "useradd" || hasOption(command, "-l", "--no-log-init")) return false;
        const uid = /(?:^| )(?:-u|--uid)[ =]?(\d+)/.exec(command.args.join(" "))?.[1];
        return uid !== undefined && uid.length > 5;
      }),
  },
  {
    id: "DL3047",
    severity: "info",
    title: "wget shows its progress",
    advice: "The log gets a line for each 50 KiB. Use `--progress=dot:giga` or `-nv`.",
    bad: "FROM debian:12\nRUN wget https://example.com/a.bin",
    good: "FROM debian:12\nRUN wget -nv https://example.com/a.bin",
    check: (document) =>
      runs(
        document,
        (command) =>
          command.program === "wget" &&
          !hasOption(command, "-q", "--quiet", "--no-verbose", "--progress", "-o", "-a", "--output-file") &&
          !command.args.some((word) => /^-nv|^-[A-Za-z]*nv/.test(word)),
      ),
  },
  {
    id: "DL3059",
    severity: "info",
    title: "RUN follows RUN",
    advice: "Each makes a layer; one with `&&` is smaller where the second removes what the first made.",
    bad: "FROM debian:12\nRUN make\nRUN make install",
    good: "FROM debian:12\nRUN make && make install",
    check: ({ instructions }) =>
      hits(
        instructions.filter((one, at) => {
          const before = instructions[at - 1];
          if (one.keyword !== "RUN" || before?.keyword !== "RUN" || one.isTrigger !== before.isTrigger) return false;
          const isSmall = one.commands.length <= 2 && before.commands.length <= 2;
          return isSmall && flagsOf(one) === flagsOf(before);
        }),
      ),
  },
  {
    id: "DL4001",
    severity: "warning",
    title: "A stage uses wget and curl",
    advice: "One of them is enough in an image.",
    bad: "FROM debian:12\nRUN wget -q https://example.com/a\nRUN make\nRUN curl -sO https://example.com/b",
    good: "FROM debian:12\nRUN curl -sO https://example.com/a && curl -sO https://example.com/b",
    check: ({ stages }) =>
      stages.flatMap(({ instructions }) => {
        const users = (name: string): Instruction[] =>
          instructions.filter(
            ({ keyword, commands }) => keyword === "RUN" && commands.some(({ program }) => program === name),
          );
        const [wget, curl] = [users("wget"), users("curl")];
        if (wget.length === 0 || curl.length === 0) return [];
        const second = wget[0]!.line <= curl[0]!.line ? curl : wget;
        return hits(second.slice(0, 1));
      }),
  },
  {
    id: "DL4005",
    severity: "warning",
    title: "RUN replaces /bin/sh",
    advice: "SHELL changes what RUN uses, and the system's own scripts keep theirs.",
    bad: "FROM debian:12\nRUN ln -sf /bin/bash /bin/sh",
    good: 'FROM debian:12\nSHELL ["/bin/bash", "-c"]',
    check: (document) =>
      runs(document, ({ program, args }) => program === "ln" && /^(?:\/usr)?\/bin\/sh$/.test(args.at(-1) ?? "")),
  },
  {
    id: "DL4006",
    severity: "warning",
    title: "A pipe's failure goes unseen",
    advice: 'Only the last command counts. Set `SHELL ["/bin/bash", "-o", "pipefail", "-c"]` before.',
    bad: "FROM debian:12\nRUN curl -s https://example.com | tar -x",
    good: 'FROM debian:12\nSHELL ["/bin/bash", "-o", "pipefail", "-c"]\nRUN curl -s https://example.com | tar -x',
    check: blindPipes,
  },
];

/** A hit at each RUN that has a command which is wrong. */
export function runs({ instructions }: ContainerDocument, isWrong: (command: ShellCommand) => boolean): Hit[] {
  return hits(instructions.filter(({ keyword, commands }) => keyword === "RUN" && commands.some(isWrong)));
}

function flagsOf({ flags }: Instruction): string {
  return flags.map(({ name, value }) => `${name}=${value}`).join(" ");
}

function copiedArchives({ stages }: ContainerDocument): Hit[] {
  return stages.flatMap(({ instructions }) =>
    hits(
      instructions.filter(({ keyword, flags, words, line }) => {
        if (keyword !== "COPY" || flags.some(({ name }) => name === "from")) return false;
        const archives = words
          .slice(0, -1)
          .filter((word) => isArchive(word) || word.endsWith(".zip"))
          .map((word) => posix.basename(word));
        return instructions.some(
          (later) => later.line > line && later.commands.some((command) => unpacks(command, archives)),
        );
      }),
    ),
  );
}

function unpacks(command: ShellCommand, archives: readonly string[]): boolean {
  const { program, args } = command;
  const isTar = program === "tar" && (hasOption(command, "-x", "--extract") || /^[a-z]*x/.test(args[0] ?? ""));
  const isOther = ["unzip", "gunzip", "bunzip2", "unxz", "unlzma", "zcat", "uncompress"].includes(program);
  if (!isTar && !isOther) return false;
  return operands(command).some((word) => archives.some((name) => word === name || word.endsWith(`/${name}`)));
}

function blindPipes({ stages }: ContainerDocument): Hit[] {
  return stages.flatMap(({ instructions }) => {
    const found: Instruction[] = [];
    let isSafe = false;
    for (const one of instructions)
      if (one.keyword === "SHELL") {
        const shell = one.exec ?? [];
        isSafe = shell.includes("pipefail") || /(?:pwsh|powershell|cmd)/i.test(shell[0] ?? "");
      } else if (one.keyword === "RUN" && !isSafe && hasBlindPipe(one)) found.push(one);
    return hits(found);
  });
}

function hasBlindPipe({ commands }: Instruction): boolean {
  const sets = commands.findIndex(({ program, args }) => program === "set" && args.includes("pipefail"));
  const pipe = commands.findIndex(({ joint }) => joint === "|");
  return pipe >= 0 && (sets < 0 || sets > pipe);
}
