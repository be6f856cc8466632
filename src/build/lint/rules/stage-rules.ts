import type { ContainerDocument, Stage } from "../document.ts";
import type { Hit, LintRule } from "../rule.ts";
import { each, hits } from "./instruction-rules.ts";

/** Rules about stages and base images. Source of ids and severities: hadolint's table of rules. */
export const stageRules: readonly LintRule[] = [
  {
    id: "DL3006",
    severity: "warning",
    title: "A base image has no tag",
    advice: "It means `latest`, whatever that is on the day.",
    bad: "FROM debian",
    good: "FROM debian:12",
    check: (document) =>
      atStages(
        externalStages(document).filter(
          ({ image }) => !/[@$]/.test(image) && !image.slice(image.lastIndexOf("/") + 1).includes(":"),
        ),
      ),
  },
  {
    id: "DL3007",
    severity: "warning",
    title: "A base image has the tag latest",
    advice: "Name the release that you mean; the lock pins its digest, `mintmark lock` moves it.",
    bad: "FROM debian:latest",
    good: "FROM debian:12",
    check: (document) =>
      atStages(externalStages(document).filter(({ image }) => filled(document, image).endsWith(":latest"))),
  },
  {
    id: "DL3022",
    severity: "warning",
    title: "COPY --from names no stage before it",
    advice: "A name without a tag is taken for an image. Name the stage, or the image with tag or digest.",
    bad: "FROM debian:12\nCOPY --from=build /a /a",
    good: "FROM debian:12 AS build\nFROM debian:12\nCOPY --from=build /a /a",
    check({ instructions, stages }) {
      return hits(
        instructions.filter(({ keyword, flags, stage }) => {
          const from = flags.find(({ name }) => name === "from")?.value;
          if (keyword !== "COPY" || from === undefined || /[:@$/]/.test(from)) return false;
          if (/^\d+$/.test(from)) return Number(from) >= stages.length;
          return !stages.slice(0, stage + 1).some(({ alias }) => alias?.toLowerCase() === from.toLowerCase());
        }),
      );
    },
  },
  {
    id: "DL3023",
    severity: "error",
    title: "COPY --from names its own stage",
    advice: "A stage cannot copy from itself.",
    bad: "FROM debian:12 AS build\nCOPY --from=build /a /b",
    good: "FROM debian:12 AS build\nRUN cp /a /b",
    check: ({ instructions, stages }) =>
      hits(
        instructions.filter(
          ({ keyword, flags, stage }) =>
            keyword === "COPY" &&
            flags.some(({ name, value }) => name === "from" && value !== "" && value === stages[stage]?.alias),
        ),
      ),
  },
  {
    id: "DL3024",
    severity: "error",
    title: "Two stages have one name",
    advice: "Who names it gets either of them.",
    bad: "FROM debian:12 AS build\nFROM debian:13 AS build",
    good: "FROM debian:12 AS build\nFROM debian:13 AS final",
    check: ({ stages }) =>
      atStages(
        stages.filter(
          ({ alias }, at) => alias !== undefined && stages.findIndex((other) => other.alias === alias) < at,
        ),
      ),
  },
  {
    id: "DL3026",
    severity: "error",
    title: "A base image comes from a registry that is not allowed",
    advice: "`registries` of `lint.yaml` lists the allowed ones.",
    bad: "FROM example.org/team/app:1",
    good: "FROM registry.example.com/team/app:1",
    settings: { registries: ["*.example.com"] },
    check: (document, { registries }) =>
      registries === undefined
        ? []
        : atStages(externalStages(document).filter(({ image }) => !isAllowed(filled(document, image), registries))),
  },
  {
    id: "DL3029",
    severity: "warning",
    title: "FROM has a fixed --platform",
    advice: "The image is then of that platform whatever is asked for.",
    bad: "FROM --platform=linux/amd64 debian:12",
    good: "FROM --platform=$BUILDPLATFORM debian:12",
    check: (document) =>
      each(document, "FROM", ({ flags }) =>
        flags.some(({ name, value }) => name === "platform" && !/^\$\{?(?:BUILD|TARGET)PLATFORM\}?$/.test(value)),
      ),
  },
  {
    id: "DL3063",
    severity: "warning",
    title: "A stage has a reserved name",
    advice: "`scratch` and `context` mean something to builders.",
    bad: "FROM debian:12 AS scratch",
    good: "FROM debian:12 AS final",
    check: ({ stages }) => atStages(stages.filter(({ alias }) => /^(?:scratch|context)$/i.test(alias ?? ""))),
  },
  {
    id: "DL3065",
    severity: "warning",
    title: "FROM --platform names the target, which is the default",
    advice: "Leave it out.",
    bad: "FROM --platform=$TARGETPLATFORM debian:12",
    good: "FROM debian:12",
    check: (document) =>
      each(document, "FROM", ({ flags }) =>
        flags.some(({ name, value }) => name === "platform" && /^\$\{?TARGETPLATFORM\}?$/.test(value)),
      ),
  },
  {
    id: "DL3067",
    severity: "warning",
    title: "COPY takes the whole file system of another stage",
    advice: "Build on the stage with FROM, or copy what is needed.",
    bad: "FROM debian:12 AS build\nFROM scratch\nCOPY --from=build / /",
    good: "FROM debian:12 AS build\nFROM scratch\nCOPY --from=build /srv /srv",
    check: (document) =>
      each(
        document,
        "COPY",
        ({ flags, words }) => flags.some(({ name }) => name === "from") && words.slice(0, -1).includes("/"),
      ),
  },
];

/** Stages that build on an image, not on another stage or nothing. */
export function externalStages({ stages }: ContainerDocument): Stage[] {
  return stages.filter(
    ({ image }, at) =>
      image.toLowerCase() !== "scratch" &&
      !stages.slice(0, at).some(({ alias }) => alias?.toLowerCase() === image.toLowerCase()),
  );
}

/** The image with the defaults of the file's arguments put in. */
export function filled({ arguments: known }: ContainerDocument, image: string): string {
  return image.replaceAll(
    /\$(?:\{([A-Za-z_]\w*)(?::-([^}]*))?\}|([A-Za-z_]\w*))/g,
    (...found: (string | undefined)[]) => {
      const [written, braced, fallback, bare] = found;
      return known.get(braced ?? bare ?? "") ?? fallback ?? written!;
    },
  );
}

/** A hit at the FROM of each stage, with its image. */
export function atStages(stages: readonly Stage[]): Hit[] {
  return stages.map(({ from, image }) => ({ line: from.line, about: image }));
}

function isAllowed(image: string, registries: readonly string[]): boolean {
  const first = image.split("/")[0]!;
  const isHost = image.includes("/") && (/[.:]/.test(first) || first === "localhost");
  const host = isHost ? first : "docker.io";
  return registries.some((allowed) =>
    new RegExp(`^${allowed.replaceAll(/[^\w*]/g, "\\$&").replaceAll("*", "[^/]*")}$`).test(host),
  );
}
