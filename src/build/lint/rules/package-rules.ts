import type { ContainerDocument, Instruction } from "../document.ts";
import type { Hit, LintRule } from "../rule.ts";
import { hasOption, operands, type ShellCommand } from "../shell.ts";
import { hits } from "./instruction-rules.ts";
import { runs } from "./shell-rules.ts";

const lockAdvice =
  "Make a lock with `mintmark lock`: it pins each file that the build fetches by its digest. Without one, write the version.";

const redHatIds = {
  yum: { ask: "DL3030", clean: "DL3032", pin: "DL3033" },
  dnf: { ask: "DL3038", clean: "DL3040", pin: "DL3041" },
} as const;

/** Rules about package managers other than apt. Source of ids and severities: hadolint's table of rules. */
export const packageRules: readonly LintRule[] = [
  unpinned({
    id: "DL3013",
    title: "pip installs whatever version is there today",
    bad: "RUN pip install --no-cache-dir requests",
    good: "RUN pip install --no-cache-dir requests==2.32.3",
    isUnpinned: (command) =>
      isPipInstall(command) &&
      !hasOption(command, "-r", "-c", "--requirement", "--constraint", "-e") &&
      afterVerb(command, "install", pipValues).some(
        (word) => !/[=<>~@]|^\.|^\/|^\$|^git\+|:\/\/|\.(?:whl|tar\.gz)$/.test(word),
      ),
  }),
  unpinned({
    id: "DL3016",
    title: "npm installs whatever version is there today",
    bad: "RUN npm install --global express",
    good: "RUN npm install --global express@5.1.0",
    isUnpinned: (command) =>
      command.program === "npm" &&
      ["install", "i", "add"].includes(operands(command)[0] ?? "") &&
      operands(command)
        .slice(1)
        .some((word) => !/^\.|^\/|^\$|^file:|:\/\/|.@[^/]+$|\.tgz$|^git/.test(word)),
  }),
  unpinned({
    id: "DL3018",
    title: "apk adds whatever version is there today",
    bad: "RUN apk add --no-cache git",
    good: "RUN apk add --no-cache git=2.47.1-r0",
    isUnpinned: (command) =>
      isVerb(command, "apk", "add") &&
      afterVerb(command, "add", ["-t", "--virtual", "--repository", "-X"]).some(
        (word) => !/[=<>~]|^\$|^\.|\.apk$/.test(word),
      ),
  }),
  {
    id: "DL3019",
    severity: "info",
    title: "apk add leaves its index in the layer",
    advice: "Use `--no-cache`.",
    bad: "FROM alpine:3.22\nRUN apk add git=2.47.1-r0",
    good: "FROM alpine:3.22\nRUN apk add --no-cache git=2.47.1-r0",
    check: ({ instructions }) =>
      hits(
        instructions.filter(
          ({ keyword, commands, flags }) =>
            keyword === "RUN" &&
            commands.some((command) => isVerb(command, "apk", "add") && !hasOption(command, "--no-cache")) &&
            !flags.some(({ name, value }) => name === "mount" && value.includes("/var/cache/apk")),
        ),
      ),
  },
  unpinned({
    id: "DL3028",
    title: "gem installs whatever version is there today",
    bad: "RUN gem install bundler",
    good: "RUN gem install bundler:2.5.23",
    isUnpinned: (command) =>
      ["install", "i"].includes(operands(command)[0] ?? "") &&
      command.program === "gem" &&
      !hasOption(command, "-v", "--version") &&
      operands(command)
        .slice(1)
        .some((word) => !/:|^\$|\.gem$/.test(word)),
  }),
  ...["yum", "dnf"].flatMap((program) => redHatRules(program as "yum" | "dnf")),
  {
    id: "DL3034",
    severity: "warning",
    title: "zypper install asks whether it may",
    advice: "Nobody answers in a build. Use `-y` or `--non-interactive`.",
    bad: "FROM opensuse/leap:15.6\nRUN zypper install git && zypper clean",
    good: "FROM opensuse/leap:15.6\nRUN zypper install -y git && zypper clean",
    check: (document) =>
      runs(
        document,
        (command) => isZypperInstall(command) && !hasOption(command, "-y", "-n", "--no-confirm", "--non-interactive"),
      ),
  },
  {
    id: "DL3035",
    severity: "warning",
    title: "RUN uses zypper dist-upgrade",
    advice: "Take a newer base image.",
    bad: "FROM opensuse/leap:15.6\nRUN zypper dist-upgrade -y && zypper clean",
    good: "FROM opensuse/leap:15.6\nRUN zypper install -y git && zypper clean",
    check: (document) =>
      runs(
        document,
        ({ program, args }) => program === "zypper" && args.some((word) => word === "dup" || word === "dist-upgrade"),
      ),
  },
  {
    id: "DL3036",
    severity: "warning",
    title: "zypper leaves its cache in the layer",
    advice: "End the RUN with `zypper clean`.",
    bad: "FROM opensuse/leap:15.6\nRUN zypper install -y git",
    good: "FROM opensuse/leap:15.6\nRUN zypper install -y git && zypper clean",
    check: (document) =>
      notCleaned(
        document,
        isZypperInstall,
        ({ program, args }) =>
          program === "zypper" && /^(?:clean|cc)$/.test(args.find((word) => !word.startsWith("-")) ?? ""),
      ),
  },
  unpinned({
    id: "DL3037",
    title: "zypper installs whatever version is there today",
    bad: "RUN zypper install -y git && zypper clean",
    good: "RUN zypper install -y git=2.43.0 && zypper clean",
    isUnpinned: (command) =>
      isZypperInstall(command) &&
      operands(command)
        .slice(1)
        .some((word) => !/[=<>~]|^\$|\.rpm$/.test(word)),
  }),
  {
    id: "DL3042",
    severity: "warning",
    title: "pip leaves its cache in the layer",
    advice: "Use `--no-cache-dir`, or mount a cache.",
    bad: "FROM python:3.12\nRUN pip install requests==2.32.3",
    good: "FROM python:3.12\nRUN pip install --no-cache-dir requests==2.32.3",
    check: cachedPips,
  },
  {
    id: "DL3060",
    severity: "info",
    title: "yarn leaves its cache in the layer",
    advice: "End the RUN with `yarn cache clean`.",
    bad: "FROM node:20\nRUN yarn install",
    good: "FROM node:20\nRUN yarn install && yarn cache clean",
    check: (document) =>
      notCleaned(
        document,
        (command) => isVerb(command, "yarn", "install"),
        ({ program, args }) => program === "yarn" && args[0] === "cache" && args[1] === "clean",
      ),
  },
  unpinned({
    id: "DL3062",
    title: "go install takes whatever version is there today",
    bad: "RUN go install example.com/tool@latest",
    good: "RUN go install example.com/tool@v1.2.3",
    isUnpinned: (command) =>
      command.program === "go" &&
      ["install", "get", "run"].includes(operands(command)[0] ?? "") &&
      operands(command)
        .slice(1)
        .some((word) => /^[\w-]+(?:\.[\w-]+)+\//.test(word) && (!word.includes("@") || word.endsWith("@latest"))),
  }),
];

interface Unpinned {
  readonly id: string;
  readonly title: string;
  /** The line after FROM. */
  readonly bad: string;
  readonly good: string;
  readonly isUnpinned: (command: ShellCommand) => boolean;
}

/** A rule that a lock satisfies. */
function unpinned({ id, title, bad, good, isUnpinned }: Unpinned): LintRule {
  return {
    id,
    severity: "warning",
    title,
    advice: lockAdvice,
    bad: `FROM debian:12\n${bad}`,
    good: `FROM debian:12\n${good}`,
    check: (document, { hasLock }) => (hasLock ? [] : runs(document, isUnpinned)),
  };
}

function redHatRules(program: "yum" | "dnf"): LintRule[] {
  const ids = redHatIds[program];
  const programs = program === "dnf" ? ["dnf", "microdnf"] : ["yum"];
  const isInstall = (command: ShellCommand): boolean =>
    programs.includes(command.program) &&
    /^(?:install|groupinstall|localinstall|reinstall)$/.test(operands(command)[0] ?? "");
  const isClean = ({ program: name, args }: ShellCommand): boolean =>
    (programs.includes(name) && args.includes("clean")) ||
    (name === "rm" && args.some((word) => word.startsWith(`/var/cache/${program}`)));
  return [
    {
      id: ids.ask,
      severity: "warning",
      title: `${program} install asks whether it may`,
      advice: "Nobody answers in a build. Use `-y`.",
      bad: `FROM fedora:42\nRUN ${program} install git-2.49.0 && ${program} clean all`,
      good: `FROM fedora:42\nRUN ${program} install -y git-2.49.0 && ${program} clean all`,
      check: (document) => runs(document, (command) => isInstall(command) && !hasOption(command, "-y", "--assumeyes")),
    },
    {
      id: ids.clean,
      severity: "warning",
      title: `${program} leaves its cache in the layer`,
      advice: `End the RUN with \`${program} clean all\`.`,
      bad: `FROM fedora:42\nRUN ${program} install -y git-2.49.0`,
      good: `FROM fedora:42\nRUN ${program} install -y git-2.49.0 && ${program} clean all`,
      check: (document) => notCleaned(document, isInstall, isClean),
    },
    unpinned({
      id: ids.pin,
      title: `${program} installs whatever version is there today`,
      bad: `RUN ${program} install -y git && ${program} clean all`,
      good: `RUN ${program} install -y git-2.49.0 && ${program} clean all`,
      isUnpinned: (command) =>
        isInstall(command) &&
        operands(command)
          .slice(1)
          .some((word) => !/-\d|^\$|\.rpm$|^@/.test(word)),
    }),
  ];
}

function isVerb(command: ShellCommand, program: string, verb: string): boolean {
  return command.program === program && operands(command)[0] === verb;
}

function isZypperInstall(command: ShellCommand): boolean {
  return command.program === "zypper" && ["install", "in"].includes(operands(command)[0] ?? "");
}

const pipValues = [
  "-i",
  "--index-url",
  "--extra-index-url",
  "--target",
  "-t",
  "--prefix",
  "--trusted-host",
  "-f",
  "--root",
  "--proxy",
  "--timeout",
  "--no-binary",
  "--only-binary",
];

function isPipInstall({ program, args }: ShellCommand): boolean {
  if (/^pip[\d.]*$/.test(program)) return args.includes("install");
  return /^python[\d.]*$/.test(program) && args[0] === "-m" && args[1] === "pip" && args.includes("install");
}

/** What is to be installed: no options, and nothing that belongs to one. */
function afterVerb({ args }: ShellCommand, verb: string, withValue: readonly string[]): string[] {
  return args.slice(args.indexOf(verb) + 1).filter((word, at, all) => {
    return !word.startsWith("-") && !withValue.includes(all[at - 1] ?? "");
  });
}

function notCleaned(
  { instructions }: ContainerDocument,
  isUse: (command: ShellCommand) => boolean,
  isClean: (command: ShellCommand) => boolean,
): Hit[] {
  return hits(
    instructions.filter(
      ({ keyword, commands, flags }) =>
        keyword === "RUN" &&
        commands.some(isUse) &&
        !commands.some(isClean) &&
        !flags.some(({ name, value }) => name === "mount" && value.includes("type=cache")),
    ),
  );
}

function cachedPips({ stages }: ContainerDocument): Hit[] {
  return stages.flatMap(({ instructions }) => {
    const isOff = instructions.some(
      ({ keyword, pairs }) =>
        (keyword === "ENV" || keyword === "ARG") &&
        pairs.some(({ name, value }) => name === "PIP_NO_CACHE_DIR" && /^(?:1|true|yes|on|off)$/i.test(value ?? "")),
    );
    return isOff ? [] : hits(instructions.filter(isCachedPip));
  });
}

function isCachedPip({ keyword, commands, flags }: Instruction): boolean {
  return (
    keyword === "RUN" &&
    commands.some(
      (command) =>
        isPipInstall(command) &&
        !hasOption(command, "--no-cache-dir") &&
        !command.assignments.some((word) => /^PIP_NO_CACHE_DIR=(?:1|true|yes|on|off)/i.test(word)),
    ) &&
    !flags.some(({ name, value }) => name === "mount" && /type=(?:cache|tmpfs)/.test(value))
  );
}
