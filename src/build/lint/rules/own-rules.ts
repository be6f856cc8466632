import type { ContainerDocument, Instruction } from "../document.ts";
import type { Hit, LintRule } from "../rule.ts";
import { hasOption, type ShellCommand } from "../shell.ts";
import { hits, isRemote } from "./instruction-rules.ts";
import { runs } from "./shell-rules.ts";
import { atStages, externalStages, filled } from "./stage-rules.ts";

/** Rules about what a golden image must not do: trust unpinned bytes, carry secrets, run what it just fetched. */
export const ownRules: readonly LintRule[] = [
  {
    id: "MM1001",
    severity: "warning",
    title: "A base image is not pinned by its digest",
    advice: "The lock pins it: run `mintmark lock`. Without a lock, write `name:tag@sha256:…`.",
    bad: "FROM debian:12",
    good: "FROM debian:12",
    settings: { hasLock: true },
    check: (document, { hasLock }) =>
      hasLock
        ? []
        : atStages(externalStages(document).filter(({ image }) => !filled(document, image).includes("@sha"))),
  },
  {
    id: "MM1002",
    severity: "error",
    title: "A base image is whatever latest is today",
    advice: "Name a release; `latest` is fine only where a lock or a digest pins it.",
    bad: "FROM debian:latest",
    good: "FROM debian:12",
    check: (document, { hasLock }) =>
      hasLock
        ? []
        : atStages(
            externalStages(document).filter(({ image }) => {
              const name = filled(document, image);
              const last = name.slice(name.lastIndexOf("/") + 1);
              return !name.includes("@") && (name.endsWith(":latest") || (!last.includes(":") && !last.includes("$")));
            }),
          ),
  },
  {
    id: "DL3064",
    severity: "warning",
    title: "ENV or ARG has the name of a secret",
    advice: "Its value stands in the image's history. Use `RUN --mount=type=secret`.",
    bad: "FROM debian:12\nARG API_TOKEN",
    good: "FROM debian:12\nRUN --mount=type=secret,id=api-token make",
    check: ({ instructions }) =>
      instructions
        .filter(({ keyword }) => keyword === "ENV" || keyword === "ARG")
        .flatMap(({ line, pairs }) =>
          pairs.filter(({ name }) => isSecretName(name)).map(({ name }) => ({ line, about: name })),
        ),
  },
  {
    id: "MM1003",
    severity: "error",
    title: "A secret stands in the Containerfile",
    advice: "Everybody who gets the image has it. Revoke it, and use `RUN --mount=type=secret`.",
    bad: "FROM debian:12\nENV DB_PASSWORD=hunter2",
    good: "FROM debian:12\nRUN --mount=type=secret,id=db-password make",
    check: writtenSecrets,
  },
  {
    id: "MM1004",
    severity: "error",
    title: "COPY brings a file that holds secrets",
    advice: "It stays in its layer, also if a later one removes it. Use `RUN --mount=type=secret` or `type=ssh`.",
    bad: "FROM debian:12\nCOPY .npmrc /srv/",
    good: "FROM debian:12\nRUN --mount=type=secret,id=npmrc,target=/srv/.npmrc npm ci",
    check: ({ instructions }) =>
      instructions
        .filter(({ keyword, flags }) => /^(?:COPY|ADD)$/.test(keyword) && !flags.some(({ name }) => name === "from"))
        .flatMap(({ line, words }) =>
          words
            .slice(0, -1)
            .filter((source) => secretFile.test(source))
            .map((about) => ({ line, about })),
        ),
  },
  {
    id: "MM1005",
    severity: "error",
    title: "RUN gives what it fetches straight to a shell",
    advice: "Nobody has seen what runs. Fetch it, check its digest, then run it.",
    bad: "FROM debian:12\nRUN curl -fsSL https://example.com/install.sh | bash",
    good: 'FROM debian:12\nRUN curl -fsSLo i.sh https://example.com/install.sh && echo "2dc7… i.sh" > sum && sha256sum -c sum && sh i.sh',
    check: ({ instructions }) => hits(instructions.filter(runsTheFetched)),
  },
  {
    id: "MM1006",
    severity: "warning",
    title: "ADD fetches from an address without a checksum",
    advice: "What is there tomorrow is another file. Give it `--checksum=sha256:…`; a lock pins it, too.",
    bad: "FROM debian:12\nADD https://example.com/a.bin /srv/",
    good: "FROM debian:12\nADD --checksum=sha256:2dc7 https://example.com/a.bin /srv/",
    check: ({ instructions }, { hasLock }) =>
      hits(
        instructions.filter(
          ({ keyword, words, flags }) =>
            keyword === "ADD" &&
            !hasLock &&
            words.slice(0, -1).some(isRemote) &&
            !flags.some(({ name }) => name === "checksum"),
        ),
      ),
  },
  {
    id: "MM1007",
    severity: "error",
    title: "A download does not check who it comes from",
    advice: "Whoever sits on the way decides what is in the image. Add the missing certificate instead.",
    bad: "FROM debian:12\nRUN curl -k -O https://example.com/a.bin",
    good: "FROM debian:12\nRUN curl -fO https://example.com/a.bin",
    check: (document) => runs(document, isBlind),
  },
  {
    id: "MM1008",
    severity: "warning",
    title: "RUN lets everybody write",
    advice: "Give the files to the account that needs them.",
    bad: "FROM debian:12\nRUN chmod -R 777 /srv",
    good: "FROM debian:12\nRUN chown -R 1000:1000 /srv",
    check: (document) =>
      runs(
        document,
        ({ program, args }) =>
          program === "chmod" && args.some((word) => /^0?[0-7]?[0-7][0-7]7$|^[ao]*[ao]\+\w*w/.test(word)),
      ),
  },
  {
    id: "MM1009",
    severity: "warning",
    title: "A file is fetched over plain http",
    advice: "Anybody on the way can change it. Use https, or check its digest.",
    bad: "FROM debian:12\nRUN wget -q http://example.com/a.bin",
    good: "FROM debian:12\nRUN wget -q https://example.com/a.bin",
    check: ({ instructions }, { hasLock }) =>
      hits(
        instructions.filter(({ keyword, words, commands }) => {
          if (hasLock) return false;
          if (keyword === "ADD") return words.slice(0, -1).some(isPlain);
          return (
            keyword === "RUN" &&
            commands.some(({ program, args }) => (program === "curl" || program === "wget") && args.some(isPlain))
          );
        }),
      ),
  },
  {
    id: "MM1010",
    severity: "error",
    title: "The Containerfile has no FROM",
    advice: "Nothing can be built of it.",
    bad: "ARG VERSION=1",
    good: "FROM scratch",
    check: ({ stages }) => (stages.length === 0 ? [{ line: 1 }] : []),
  },
  {
    id: "MM1011",
    severity: "error",
    title: "A word is no instruction",
    advice: "Builders refuse it.",
    bad: "FROM debian:12\nINSTALL git",
    good: "FROM debian:12\nRUN make",
    check: ({ instructions }) =>
      hits(
        instructions.filter(({ keyword }) => !known.has(keyword)),
        ({ keyword }) => keyword,
      ),
  },
  {
    id: "MM1012",
    severity: "info",
    title: "The recipe has no lock yet",
    advice: "The first build writes it. Commit it, so that every later build takes the same bytes.",
    bad: "FROM debian:12",
    good: "FROM debian:12",
    settings: { hasLock: true },
    check: (_, { awaitsLock }) => (awaitsLock ? [{ line: 1 }] : []),
  },
];

const known = new Set(
  "ADD ARG CMD COPY ENTRYPOINT ENV EXPOSE FROM HEALTHCHECK LABEL MAINTAINER ONBUILD RUN SHELL STOPSIGNAL USER VOLUME WORKDIR".split(
    " ",
  ),
);

const secretFile =
  /(?:^|\/)(?:id_(?:rsa|dsa|ecdsa|ed25519)|\.npmrc|\.netrc|\.pypirc|\.git-credentials|\.pgpass|\.env(?:\.(?!example|sample|template|dist)\w+)?|\.htpasswd|\.dockercfg|credentials(?:\.json)?|[^/]*\.(?:pfx|p12|jks|keystore)|[^/]*(?:private|secret)[^/]*\.(?:pem|key)|\.(?:ssh|aws|gnupg|kube|docker)(?:\/.*)?)$/;

function isSecretName(name: string): boolean {
  return (
    /(?:^|_)(?:PASSWORD|PASSWD|PASSPHRASE|SECRET|TOKEN|API_?KEY|PRIVATE_?KEY|ACCESS_?KEY|CREDENTIALS?|SECRET_KEY)(?:$|_)/i.test(
      name,
    ) && !/_(?:FILE|PATH|DIR|URL|NAME|ID|SERVICE|LENGTH|TTL|EXPIRY|TYPE)$/i.test(name)
  );
}

/** Forms that only credentials have. */
const secretForms =
  /\bAKIA[0-9A-Z]{16}\b|\bgh[pousr]_[A-Za-z0-9]{36}\b|\bgithub_pat_\w{40,}|\bglpat-[\w-]{20}\b|\bxox[abprs]-[\w-]{10,}|\bsk_live_\w{16,}|\bnpm_[A-Za-z0-9]{36}\b|\bpypi-[\w-]{40,}|-----BEGIN [A-Z ]*PRIVATE KEY-----|:\/\/[^/\s:@$]+:[^/\s@$]{3,}@/;

function writtenSecrets({ instructions }: ContainerDocument): Hit[] {
  return instructions.flatMap(({ keyword, line, pairs, text, hereDocuments }) => {
    const all = [text, ...hereDocuments.map(({ content }) => content)].join("\n");
    if (secretForms.test(all)) return [{ line, about: keyword }];
    if (keyword !== "ENV" && keyword !== "ARG") return [];
    return pairs
      .filter(
        ({ name, value = "" }) =>
          isSecretName(name) && value !== "" && !/^\$|^(?:true|false|\d{1,2}|none)$/i.test(value),
      )
      .map(({ name }) => ({ line, about: name }));
  });
}

const fetchers = new Set(["curl", "wget"]);
const interpreters = /^(?:\/\S*\/)?(?:(?:ba|da|z|k|a|fi)?sh|python[\d.]*|perl|ruby|node|php)$/;

/** `curl … | sh`, `sh -c "$(curl …)"`, `bash <(curl …)`. */
function runsTheFetched({ keyword, commands }: Instruction): boolean {
  if (keyword !== "RUN") return false;
  let isFetched = false;
  for (const { program, args, joint } of commands) {
    if (joint !== "|") isFetched = false;
    const runner =
      program === "sudo" || program === "xargs" ? (args.find((word) => !word.startsWith("-")) ?? "") : program;
    if (isFetched && interpreters.test(runner) && !args.includes("-c")) return true;
    if (fetchers.has(program)) isFetched = true;
    if (
      (interpreters.test(program) || program === "eval" || program === "source" || program === ".") &&
      fetchesInside(args)
    )
      return true;
  }
  return false;
}

function fetchesInside(args: readonly string[]): boolean {
  return args.some((word) => /^(?:\$\(|`)\s*(?:curl|wget)\b/.test(word));
}

function isBlind(command: ShellCommand): boolean {
  const { program, args } = command;
  if (program === "curl") return hasOption(command, "-k", "--insecure", "--proxy-insecure");
  if (program === "wget") return args.includes("--no-check-certificate");
  if (program === "npm") return /strict-ssl[= ]+false/.test(args.join(" "));
  if (program === "git") return /http\.sslVerify[= ]+false/i.test(args.join(" "));
  return /^pip[\d.]*$/.test(program) && args.some((word) => word.startsWith("--trusted-host"));
}

function isPlain(word: string): boolean {
  return /^http:\/\/(?!localhost|127\.|\[::1\])/.test(word);
}
