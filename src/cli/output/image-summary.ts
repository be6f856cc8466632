import { severities } from "../../model/finding.ts";
import { stepNames } from "../../model/progress.ts";
import type { Image } from "../../client/api-types.ts";
import { showBytes, showDuration } from "./amounts.ts";
import { pairLines } from "./table.ts";
import { printable, type Paint } from "./terminal.ts";

/** Where an image can be reached, for the lines to copy. */
export interface Place {
  /** The server's address; undefined where none runs. */
  readonly url: string | undefined;
  /** The public half of the release key. */
  readonly keyPath: string;
  readonly paint: Paint;
}

/** What a person wants to know of a minted image, and the exact lines to use it. */
export function imageSummary(image: Image, place: Place): string {
  const { paint } = place;
  const facts = pairLines(
    [
      ["image", paint.bold(`${image.repository}${image.tags[0] === undefined ? "" : `:${image.tags[0]}`}`)],
      ["digest", image.digest],
      ...indexFacts(image),
      ["built", `${image.builtAt} from ${image.recipe} on ${image.distribution}, ${image.architecture}`],
      [
        "size",
        `${showBytes(image.sizeBytes)} to pull, ${showBytes(image.unpackedBytes)} unpacked, ${image.layerCount} layers`,
      ],
      ["packages", String(image.packageCount)],
      ["findings", findings(image, paint)],
      ["gate", image.verdict === "pass" ? paint.good("pass") : paint.bad("fail")],
      ["signed", image.signed ? paint.good("yes") : paint.bad("no")],
      ["evidence", image.evidence.map(({ kind }) => kind).join(", ") || "none"],
      ["lock", image.lockDigest],
      ["rebuilt equal", reproduced(image, place)],
      ["time", timings(image)],
    ],
    paint,
  );
  return [...facts, ...useLines(image, place)].join("\n");
}

/** What a client pulls by tag, where there are images of several architectures. */
function indexFacts({ repository, index }: Image): [string, string][] {
  if (index === undefined) return [];
  const architectures = index.images.map(({ architecture }) => architecture).join(", ");
  const names = index.tags.map((tag) => `${repository}:${tag}`).join(", ") || "no tag any more";
  return [["index", `${index.digest} of ${architectures}, under ${names}`]];
}

function findings(image: Image, paint: Paint): string {
  const found = severities.filter((severity) => image.severities[severity] > 0);
  const look = { critical: paint.bad, high: paint.warn } as Partial<Record<string, (text: string) => string>>;
  return (
    found.map((severity) => (look[severity] ?? String)(`${image.severities[severity]} ${severity}`)).join(", ") ||
    "none known"
  );
}

function reproduced({ reproduced: state, difference }: Image, { url, paint }: Place): string {
  return {
    yes: paint.good("yes"),
    no: `${paint.bad("no")}${difference === undefined ? "" : `: ${printable(difference)}`}`,
    pending: url === undefined ? "not yet: the next server tries it, or --prove" : "a clean rebuild is under way",
    untested: "not tried",
  }[state];
}

function timings({ durations }: Image): string {
  const total = stepNames.reduce((sum, step) => sum + (durations[step] ?? 0), 0);
  const longest = stepNames
    .filter((step) => (durations[step] ?? 0) >= 100)
    .map((step) => `${step} ${showDuration(durations[step])}`);
  return longest.length === 0 ? showDuration(total) : `${showDuration(total)}: ${longest.join(", ")}`;
}

function useLines(image: Image, { url, keyPath, paint }: Place): string[] {
  if (url === undefined) return ["", paint.soft("Run `mintmark up` to serve it.")];
  const isPlain = url.startsWith("http://");
  const name = `${new URL(url).host}/${image.repository}`;
  const byDigest = `${name}@${image.index?.digest ?? image.digest}`;
  return [
    "",
    paint.soft("pull it"),
    `  podman pull ${isPlain ? "--tls-verify=false " : ""}${byDigest}`,
    paint.soft("verify it"),
    `  cosign verify --key ${shellWord(keyPath)} --insecure-ignore-tlog=true ${isPlain ? "--allow-http-registry=true " : ""}${byDigest}`,
    paint.soft("look into it"),
    `  skopeo inspect ${isPlain ? "--tls-verify=false " : ""}docker://${byDigest}`,
    paint.soft("the API, for people"),
    `  ${url}/api`,
  ];
}

/** A word that a shell takes as one. */
function shellWord(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}
