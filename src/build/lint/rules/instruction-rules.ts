import type { ContainerDocument, Instruction } from "../document.ts";
import type { Hit, LintRule } from "../rule.ts";

/** Rules about single instructions. Source of ids and severities: hadolint's table of rules. */
export const instructionRules: readonly LintRule[] = [
  {
    id: "DL1001",
    severity: "info",
    isOff: true,
    title: "An inline comment silences a rule",
    advice: "Write an exception with reason, author and end date into `lint.yaml` instead.",
    bad: "# hadolint ignore=DL3003\nFROM debian:12\nUSER 1000",
    good: "FROM debian:12\nUSER 1000",
    check: ({ lines }) =>
      lines.flatMap((line, at) => (/^\s*#\s*hadolint\s+(?:global\s+)?ignore\s*=/.test(line) ? [{ line: at + 1 }] : [])),
  },
  {
    id: "DL3000",
    severity: "error",
    title: "WORKDIR is not absolute",
    advice: "A relative one depends on what came before it.",
    bad: "FROM debian:12\nWORKDIR app",
    good: "FROM debian:12\nWORKDIR /app",
    check: (document) => each(document, "WORKDIR", ({ text }) => !/^["']?(?:\/|\$|[A-Za-z]:[\\/])/.test(text)),
  },
  {
    id: "DL3002",
    severity: "warning",
    title: "The last USER is root",
    advice: "Who breaks out of the program is root in the container. End with an account of the image.",
    bad: "FROM debian:12\nUSER root",
    good: "FROM debian:12\nUSER root\nRUN make install\nUSER 1000",
    check({ stages }) {
      const last = stages.at(-1)?.instructions.findLast(({ keyword }) => keyword === "USER");
      return last !== undefined && /^(?:root|0)(?::|$)/.test(last.words[0] ?? "") ? [{ line: last.line }] : [];
    },
  },
  {
    id: "DL3011",
    severity: "error",
    title: "EXPOSE names a port above 65535",
    advice: "Ports have 16 bits.",
    bad: "FROM debian:12\nEXPOSE 80000",
    good: "FROM debian:12\nEXPOSE 8000-8010/tcp",
    check: (document) =>
      each(document, "EXPOSE", ({ words }) =>
        words.some((word) =>
          word
            .replace(/\/\w+$/, "")
            .split("-")
            .some((port) => /^\d+$/.test(port) && Number(port) > 65_535),
        ),
      ),
  },
  {
    id: "DL3012",
    severity: "error",
    title: "A stage has more than one HEALTHCHECK",
    advice: "Only the last one counts.",
    bad: "FROM debian:12\nHEALTHCHECK CMD true\nHEALTHCHECK CMD false",
    good: "FROM debian:12\nHEALTHCHECK CMD true",
    check: (document) => repeated(document, "HEALTHCHECK"),
  },
  {
    id: "DL3020",
    severity: "error",
    title: "ADD copies files",
    advice: "COPY does just that; ADD also fetches and unpacks, which nobody expects here.",
    bad: "FROM debian:12\nADD settings.json /etc/",
    good: "FROM debian:12\nCOPY settings.json /etc/\nADD tree.tar.xz /srv/",
    check: (document) =>
      each(document, "ADD", ({ words, hereDocuments }) =>
        words
          .slice(0, -1)
          .some(
            (source) =>
              hereDocuments.length === 0 && !isRemote(source) && !isArchive(source) && !source.startsWith("$"),
          ),
      ),
  },
  {
    id: "DL3021",
    severity: "error",
    title: "COPY of several files goes to a target without a slash at its end",
    advice: "Only a folder takes several files.",
    bad: "FROM debian:12\nCOPY a.txt b.txt /srv",
    good: "FROM debian:12\nCOPY a.txt b.txt /srv/",
    check: (document) =>
      each(
        document,
        "COPY",
        ({ words }) =>
          words.length > 2 && !/[\\/]$/.test(words.at(-1)!) && !["."].includes(words.at(-1)!) && !isVariable(words),
      ),
  },
  {
    id: "DL3025",
    severity: "warning",
    title: "CMD or ENTRYPOINT has the shell form",
    advice: 'Signals end at the shell. Write `["program", "argument"]`.',
    bad: "FROM debian:12\nCMD my-server --port 80",
    good: 'FROM debian:12\nCMD ["my-server", "--port", "80"]',
    check: ({ instructions }) =>
      hits(instructions.filter((one) => isOf(one, "CMD", "ENTRYPOINT") && one.exec === undefined)),
  },
  {
    id: "DL3043",
    severity: "error",
    title: "ONBUILD starts ONBUILD, FROM or MAINTAINER",
    advice: "Builders refuse it.",
    bad: "FROM debian:12\nONBUILD FROM debian:12",
    good: "FROM debian:12\nONBUILD RUN make",
    check: (document) =>
      each(document, "ONBUILD", ({ words }) => /^(?:ONBUILD|FROM|MAINTAINER)$/i.test(words[0] ?? "")),
  },
  {
    id: "DL3044",
    severity: "error",
    title: "ENV uses a variable that the same instruction sets",
    advice: "It gets the value from before. Use two instructions.",
    bad: "FROM debian:12\nENV HOME_DIR=/srv DATA=$HOME_DIR/x",
    good: "FROM debian:12\nENV HOME_DIR=/srv\nENV DATA=$HOME_DIR/x",
    check: (document) =>
      each(document, "ENV", ({ pairs }) =>
        pairs.some(({ name }, at) =>
          pairs.some(
            (other, index) =>
              index !== at && new RegExp(`\\$(?:${escaped(name)}\\b|\\{${escaped(name)}[:}])`).test(other.value ?? ""),
          ),
        ),
      ),
  },
  {
    id: "DL3045",
    severity: "warning",
    title: "COPY goes to a relative path, and no WORKDIR was set",
    advice: "Where it lands is up to the base image.",
    bad: "FROM debian:12\nCOPY app .",
    good: "FROM debian:12\nWORKDIR /srv\nCOPY app .",
    check: relativeCopies,
  },
  {
    id: "DL3057",
    severity: "info",
    isOff: true,
    title: "There is no HEALTHCHECK",
    advice: "Docker cannot tell whether the program works. Kubernetes has probes of its own.",
    bad: 'FROM debian:12\nCMD ["server"]',
    good: 'FROM debian:12\nHEALTHCHECK CMD curl --fail http://localhost/\nCMD ["server"]',
    check: ({ instructions }) =>
      instructions.some(({ keyword }) => keyword === "HEALTHCHECK") ? [] : [{ line: instructions[0]?.line ?? 1 }],
  },
  {
    id: "DL3061",
    severity: "error",
    title: "The first instruction is neither FROM nor ARG",
    advice: "Builders refuse it.",
    bad: "RUN make\nFROM debian:12",
    good: "ARG VERSION=12\nFROM debian:${VERSION}",
    check({ instructions }) {
      const wrong = instructions.find(({ keyword, stage }) => stage < 0 && keyword !== "ARG");
      return wrong === undefined ? [] : [{ line: wrong.line }];
    },
  },
  {
    id: "DL3066",
    severity: "info",
    title: "USER is a name",
    advice: "Only a number tells a host without the image's accounts that it is not root (`runAsNonRoot`).",
    bad: "FROM debian:12\nUSER app",
    good: "FROM debian:12\nUSER 1000:1000",
    check: (document) => each(document, "USER", ({ words }) => !/^(?:\d+(?:$|:)|\$|root\b)/.test(words[0] ?? "0")),
  },
  {
    id: "DL4000",
    severity: "error",
    title: "MAINTAINER is deprecated",
    advice: "Use the label `org.opencontainers.image.authors`.",
    bad: "FROM debian:12\nMAINTAINER Ann",
    good: "FROM debian:12\nLABEL org.opencontainers.image.authors=Ann",
    check: (document) => each(document, "MAINTAINER", () => true),
  },
  {
    id: "DL4003",
    severity: "warning",
    title: "A stage has more than one CMD",
    advice: "Only the last one counts.",
    bad: 'FROM debian:12\nCMD ["a"]\nCMD ["b"]',
    good: 'FROM debian:12\nCMD ["b"]',
    check: (document) => repeated(document, "CMD"),
  },
  {
    id: "DL4004",
    severity: "error",
    title: "A stage has more than one ENTRYPOINT",
    advice: "Only the last one counts.",
    bad: 'FROM debian:12\nENTRYPOINT ["a"]\nENTRYPOINT ["b"]',
    good: 'FROM debian:12\nENTRYPOINT ["b"]',
    check: (document) => repeated(document, "ENTRYPOINT"),
  },
];

/** Whether a source of ADD or COPY is fetched from somewhere. */
export function isRemote(source: string): boolean {
  return /^(?:https?|ftp|git|ssh):\/\/|^git@/.test(source);
}

/** Whether a name is that of an archive which ADD unpacks. */
export function isArchive(name: string): boolean {
  return /\.(?:tar|tgz|tbz2?|txz|tzst|tar\.\w+|Z|gz|bz2|xz|zst|lz|lzma)$/.test(name);
}

/** A hit at each instruction. */
export function hits(found: readonly Instruction[], about?: (one: Instruction) => string): Hit[] {
  return found.map((one) => ({ line: one.line, ...(about === undefined ? {} : { about: about(one) }) }));
}

/** A hit at each instruction of one kind that is wrong. */
export function each(
  { instructions }: ContainerDocument,
  keyword: string,
  isWrong: (one: Instruction) => boolean,
): Hit[] {
  return hits(instructions.filter((one) => one.keyword === keyword && isWrong(one)));
}

function isOf({ keyword }: Instruction, ...keywords: readonly string[]): boolean {
  return keywords.includes(keyword);
}

/** Every one but the first, in each stage. */
function repeated({ stages }: ContainerDocument, keyword: string): Hit[] {
  return stages.flatMap(({ instructions }) =>
    hits(instructions.filter((one) => one.keyword === keyword && !one.isTrigger).slice(1)),
  );
}

function relativeCopies({ stages }: ContainerDocument): Hit[] {
  /** Stages with a WORKDIR, by name: who builds on them has it, too. */
  const placed = new Set<string>();
  return stages.flatMap(({ instructions, alias, image }) => {
    const found: Instruction[] = [];
    let isPlaced = placed.has(image.toLowerCase());
    for (const one of instructions)
      if (one.keyword === "WORKDIR") isPlaced = true;
      else if (one.keyword === "COPY" && !isPlaced && /^(?![/$]|[A-Za-z]:)/.test(one.words.at(-1) ?? "/"))
        found.push(one);
    if (isPlaced && alias !== undefined) placed.add(alias.toLowerCase());
    return hits(found);
  });
}

function isVariable(words: readonly string[]): boolean {
  return words.at(-1)!.includes("$");
}

function escaped(text: string): string {
  return text.replaceAll(/[^\w]/g, "\\$&");
}
