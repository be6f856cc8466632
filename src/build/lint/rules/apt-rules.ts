import type { ContainerDocument, Instruction } from "../document.ts";
import type { Hit, LintRule } from "../rule.ts";
import { hasOption, operands, type ShellCommand } from "../shell.ts";
import { hits } from "./instruction-rules.ts";
import { runs } from "./shell-rules.ts";

/** Rules about apt. Source of the DL ids and severities: hadolint's table of rules. */
export const aptRules: readonly LintRule[] = [
  {
    id: "DL3008",
    severity: "warning",
    title: "apt-get installs whatever version is there today",
    advice:
      "Make a lock with `mintmark lock`: it pins each archive by its digest and replays it. Do not write versions into the file: mirrors drop them, and then nothing builds.",
    bad: "FROM debian:12\nRUN apt-get install -y git",
    good: "FROM debian:12\nRUN apt-get install -y git",
    settings: { hasLock: true },
    check: (document, { hasLock }) =>
      hasLock ? [] : runs(document, (command) => isInstall(command) && operands(command).length > 1),
  },
  {
    id: "DL3009",
    severity: "info",
    title: "The package lists stay in the layer",
    advice: "Remove `/var/lib/apt/lists/*` in the same RUN, or mount a cache there: they are old tomorrow.",
    bad: "FROM debian:12\nRUN apt-get update && apt-get install -y git",
    good: "FROM debian:12\nRUN apt-get update && apt-get install -y git && rm -rf /var/lib/apt/lists/*",
    check: keptLists,
  },
  {
    id: "DL3014",
    severity: "warning",
    title: "apt-get install asks whether it may",
    advice: "Nobody answers in a build. Use `-y`.",
    bad: "FROM debian:12\nRUN apt-get install git",
    good: "FROM debian:12\nRUN apt-get install -y git",
    check: (document) =>
      runs(
        document,
        (command) =>
          isInstall(command) &&
          !hasOption(command, "-y", "--yes", "--assume-yes", "--simulate", "--print-uris") &&
          !command.args.some((word) => /^-q(?:q|=2)|^-o?APT::Get::Assume-Yes=/i.test(word) || word === "-s") &&
          command.args.filter((word) => word === "-q" || word === "--quiet").length < 2,
      ),
  },
  {
    id: "DL3015",
    severity: "info",
    title: "apt-get install takes recommended packages, too",
    advice: "Most are not needed, and each can have a flaw. Use `--no-install-recommends`.",
    bad: "FROM debian:12\nRUN apt-get install -y git",
    good: "FROM debian:12\nRUN apt-get install -y --no-install-recommends git",
    check: (document) =>
      runs(
        document,
        (command) =>
          isInstall(command) &&
          !hasOption(command, "--no-install-recommends") &&
          !command.args.some((word) => /APT::Install-Recommends=(?:false|0|no)/i.test(word)),
      ),
  },
  {
    id: "DL3027",
    severity: "warning",
    title: "RUN uses apt",
    advice: "It is for people and may change. Use `apt-get` or `apt-cache`.",
    bad: "FROM debian:12\nRUN apt install -y git",
    good: "FROM debian:12\nRUN apt-get install -y git",
    check: (document) => runs(document, ({ program }) => program === "apt"),
  },
  {
    id: "MM2001",
    severity: "warning",
    title: "apt-get update stands in a RUN of its own",
    advice: "Its layer is cached while packages move on. Update and install in one RUN.",
    bad: "FROM debian:12\nRUN apt-get update\nRUN apt-get install -y git",
    good: "FROM debian:12\nRUN apt-get update && apt-get install -y git",
    check: ({ instructions }) =>
      hits(
        instructions.filter(
          ({ keyword, commands }) =>
            keyword === "RUN" &&
            commands.some((command) => isApt(command) && operands(command)[0] === "update") &&
            !commands.some((command) => isApt(command) && operands(command)[0] !== "update"),
        ),
      ),
  },
  {
    id: "MM2002",
    severity: "warning",
    title: "RUN upgrades the whole base image",
    advice: "The layer doubles what it replaces. Move the base with `mintmark lock` instead.",
    bad: "FROM debian:12\nRUN apt-get update && apt-get dist-upgrade -y",
    good: "FROM debian:12\nRUN apt-get update && apt-get install -y git",
    check: (document) =>
      runs(
        document,
        (command) => isApt(command) && ["upgrade", "dist-upgrade", "full-upgrade"].includes(operands(command)[0] ?? ""),
      ),
  },
  {
    id: "MM2003",
    severity: "error",
    title: "apt takes packages that nobody signed",
    advice: "Whoever sits on the way decides what is installed. Give the source its key with `signed-by`.",
    bad: 'FROM debian:12\nRUN echo "deb [trusted=yes] http://example.com/ x y" > /etc/apt/sources.list.d/x.list',
    good: 'FROM debian:12\nRUN echo "deb [signed-by=/usr/share/keyrings/x.gpg] http://example.com/ x y" > /etc/apt/sources.list.d/x.list',
    check: ({ instructions }) =>
      hits(
        instructions.filter(
          ({ keyword, text }) =>
            keyword === "RUN" &&
            /\[[^\]]*trusted=yes|--allow-unauthenticated|--force-yes|AllowUnauthenticated[= ]"?(?:true|1|yes)|AllowInsecureRepositories[= ]"?(?:true|1|yes)|\btrusted: ?yes/i.test(
              text,
            ),
        ),
      ),
  },
  {
    id: "MM2004",
    severity: "warning",
    title: "RUN uses apt-key",
    advice: "Its keys vouch for every source. Put the key under `/usr/share/keyrings` and name it with `signed-by`.",
    bad: "FROM debian:12\nRUN apt-key add key.asc",
    good: "FROM debian:12\nRUN gpg --dearmor -o /usr/share/keyrings/x.gpg key.asc",
    check: (document) => runs(document, ({ program }) => program === "apt-key"),
  },
  {
    id: "MM2005",
    severity: "info",
    title: "apt-get installs a version that is written into the file",
    advice: "Mirrors drop old versions and the build breaks. The lock pins what was installed, digest by digest.",
    bad: "FROM debian:12\nRUN apt-get install -y git=1:2.39.5-0+deb12u2",
    good: "FROM debian:12\nRUN apt-get install -y git",
    settings: { hasLock: true },
    check: (document) =>
      runs(
        document,
        (command) =>
          isInstall(command) && operands(command).some((word) => /^[a-z0-9][a-z0-9.+-]+=[^*$]*\d[^*$]*$/.test(word)),
      ),
  },
  {
    id: "MM2006",
    severity: "warning",
    title: "DEBIAN_FRONTEND is set for every container of the image",
    advice: "People's own apt never asks then. Set it for the one RUN, or use ARG.",
    bad: "FROM debian:12\nENV DEBIAN_FRONTEND=noninteractive",
    good: "FROM debian:12\nARG DEBIAN_FRONTEND=noninteractive",
    check: ({ instructions }) =>
      hits(
        instructions.filter(
          ({ keyword, pairs }) => keyword === "ENV" && pairs.some(({ name }) => name === "DEBIAN_FRONTEND"),
        ),
      ),
  },
];

function isApt({ program }: ShellCommand): boolean {
  return program === "apt-get" || program === "apt" || program === "aptitude";
}

function isInstall(command: ShellCommand): boolean {
  return command.program === "apt-get" && operands(command).includes("install");
}

function keptLists({ instructions }: ContainerDocument): Hit[] {
  const isUpdate = (one: Instruction): boolean =>
    one.keyword === "RUN" && one.commands.some((command) => isApt(command) && operands(command).includes("update"));
  const isClean = ({ flags, commands }: Instruction): boolean =>
    flags.some(({ name, value }) => name === "mount" && /(?:target|dst|destination)=\/var\/lib\/apt/.test(value)) ||
    commands.some(
      ({ program, args }) => program === "rm" && args.some((word) => word.startsWith("/var/lib/apt/lists")),
    );
  return hits(instructions.filter((one) => isUpdate(one) && !isClean(one)));
}
