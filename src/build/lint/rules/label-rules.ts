import type { ContainerDocument } from "../document.ts";
import type { Hit, LabelForm, LintRule } from "../rule.ts";

/** Rules about labels. Source of ids and severities: hadolint's table of rules. */
export const labelRules: readonly LintRule[] = [
  {
    id: "DL3048",
    severity: "style",
    title: "A label's key has a form that Docker advises against",
    advice:
      "Small letters, digits, dots and dashes; it begins with a letter; `com.docker.*` and `io.docker.*` are taken.",
    bad: "FROM debian:12\nLABEL -bad=1",
    good: "FROM debian:12\nLABEL org.example.good-one=1",
    check: (document) =>
      labelHits(
        document,
        ({ name }) =>
          !/^[a-z](?:[a-z0-9]|[._-](?![._-]))*[a-z0-9]$/.test(name) ||
          /^(?:com\.docker|io\.docker|org\.dockerproject)\./.test(name),
      ),
  },
  {
    id: "DL3049",
    severity: "info",
    title: "A label is missing",
    advice: "`labels` of `lint.yaml` lists what an image must have.",
    bad: "FROM debian:12\nLABEL title=x",
    good: "FROM debian:12\nLABEL title=x vendor=y",
    settings: { labels: { vendor: "text" } },
    check({ stages, instructions }, { labels }) {
      const last = stages.at(-1);
      const present = new Set(
        instructions.filter(({ keyword }) => keyword === "LABEL").flatMap(({ pairs }) => pairs.map(({ name }) => name)),
      );
      return last === undefined
        ? []
        : Object.keys(labels).flatMap((name) => (present.has(name) ? [] : [{ line: last.from.line, about: name }]));
    },
  },
  {
    id: "DL3050",
    severity: "info",
    title: "A label is not one of those that an image may have",
    advice: "`strictLabels` of `lint.yaml` allows only those of `labels`.",
    bad: "FROM debian:12\nLABEL vendor=y other=z",
    good: "FROM debian:12\nLABEL vendor=y",
    settings: { labels: { vendor: "text" }, isStrictLabels: true },
    check: (document, { labels, isStrictLabels }) =>
      isStrictLabels ? labelHits(document, ({ name }) => !(name in labels)) : [],
  },
  {
    id: "DL3051",
    severity: "warning",
    title: "A label is empty",
    advice: "Say what it is there to say, or leave it out.",
    bad: 'FROM debian:12\nLABEL vendor=""',
    good: "FROM debian:12\nLABEL vendor=y",
    settings: { labels: { vendor: "text" } },
    check: (document, { labels }) => labelHits(document, ({ name, value }) => name in labels && value === ""),
  },
  formRule("DL3052", "url", { what: "a URL", bad: "example", good: "https://example.com/" }),
  formRule("DL3053", "rfc3339", { what: "an RFC 3339 time", bad: "yesterday", good: "2026-01-31T00:00:00Z" }),
  formRule("DL3054", "spdx", { what: "an SPDX license expression", bad: "Free!", good: "Apache-2.0" }),
  formRule("DL3055", "hash", { what: "a git hash", bad: "main", good: "2dc7d0a" }),
  formRule("DL3056", "semver", { what: "a semantic version", bad: "one", good: "1.2.3" }),
  formRule("DL3058", "email", { what: "an e-mail address", bad: "ann", good: "ann@example.com" }),
];

interface Label {
  readonly name: string;
  readonly value: string | undefined;
}

/** A hit at each wrong label, with its name. */
function labelHits({ instructions }: ContainerDocument, isWrong: (label: Label) => boolean): Hit[] {
  return instructions
    .filter(({ keyword }) => keyword === "LABEL")
    .flatMap(({ line, pairs }) => pairs.filter(isWrong).map(({ name }) => ({ line, about: name })));
}

const forms: Readonly<Record<LabelForm, RegExp>> = {
  text: /^/,
  url: /^https?:\/\/[^\s/]+/,
  rfc3339: /^\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(?:\.\d+)?(?:[Zz]|[+-]\d\d:\d\d)$/,
  spdx: /^(?:[A-Za-z0-9.+-]+|\(|\)|\s)+$/,
  hash: /^[0-9a-f]{7,40}$/,
  semver: /^\d+\.\d+\.\d+(?:-[0-9A-Za-z.-]+)?(?:\+[0-9A-Za-z.-]+)?$/,
  email: /^[^\s@]+@[^\s@]+\.[^\s@]+$/,
};

interface Sample {
  readonly what: string;
  readonly bad: string;
  readonly good: string;
}

function formRule(id: string, form: LabelForm, { what, bad, good }: Sample): LintRule {
  return {
    id,
    severity: "warning",
    title: `A label is not ${what}`,
    advice: "`labels` of `lint.yaml` says which form a label has.",
    bad: `FROM debian:12\nLABEL x1="${bad}"`,
    good: `FROM debian:12\nLABEL x1="${good}"`,
    settings: { labels: { x1: form } },
    check: (document, { labels }) =>
      labelHits(
        document,
        ({ name, value = "" }) =>
          labels[name] === form && value !== "" && !value.includes("$") && !forms[form].test(value),
      ),
  };
}
