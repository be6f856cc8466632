import { dropReason } from "../layers/normalise.ts";
import type { TarHeader } from "../../base/tar.ts";

/** Where files and caches of the build itself are shown to RUN; nothing below it gets into an image. */
export const buildFolder = "/run/mintmark";

/** What a package recipe never keeps, but whoever writes a Containerfile may mean. */
const meant = /^(?:tmp|run)\/|^root\/\.cache(?:\/|$)/;

/** Left by Buildah and by programs that note when, or whom, they asked. */
const traces: readonly { readonly paths: RegExp; readonly why: string }[] = [
  { paths: /^run\/mintmark(?:\/|$)/, why: "the build's own" },
  { paths: /^var\/lib\/apt\/lists\/(?:partial\/)?127\.0\.0\.1:/, why: "what the build's own apt sources listed" },
  { paths: /^run\/(?:\.containerenv|secrets(?:\/.*)?)$/, why: "mounted by Buildah" },
  {
    paths: /^tmp\/(?:hsperfdata_[^/]+|v8-compile-cache-\d+|node-compile-cache|npm-\d[^/]*)(?:\/|$)/,
    why: "caches of programs that ran during the build",
  },
  {
    paths: /(?:^|\/)\.npm\/_(?:logs|cacache|update-notifier-last-checked)(?:\/|$)/,
    why: "npm's log and cache, by time",
  },
  { paths: /(?:^|\/)\.cache\/pip(?:\/|$)/, why: "pip's cache, by time" },
  {
    paths: /(?:^|\/)\.cache\/pnpm(?:\/|$)/,
    why: "pnpm's copies of documents, by time and address; packages lie elsewhere",
  },
  { paths: /(?:^|\/)\.cache\/yarn\/v\d+(?:\/|$)/, why: "the cache of Yarn 1, by time and address" },
  {
    paths: /(?:^|\/)\.m2\/repository\/.*(?:\.lastUpdated|resolver-status\.properties)$/,
    why: "Maven's notes on whom it asked, and when",
  },
];

/** Why an entry of a built layer is left out, or undefined where it stays. What is gone from the base stays gone. */
export function leftOutReason(header: TarHeader): string | undefined {
  const { path, kind } = header;
  if (isWhiteout(header)) return undefined;
  const trace = traces.find(({ paths }) => paths.test(path))?.why;
  if (trace !== undefined) return trace;
  // A folder, and a log that is a link to standard output, are the image's shape.
  if (kind === "folder" || (kind === "symlink" && path.startsWith("var/log/")) || meant.test(path)) return undefined;
  return dropReason(path);
}

/** An overlay marks what is gone by a 0:0 device. */
export function isWhiteout({ kind, deviceMajor, deviceMinor }: TarHeader): boolean {
  return kind === "character" && deviceMajor === 0 && deviceMinor === 0;
}
