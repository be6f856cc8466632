import { isAbsolute, resolve } from "node:path";
import { parse } from "yaml";
import { z } from "zod";
import { severities } from "../model/finding.ts";

/** Where a server listens; port 0 lets the system choose one. */
export interface ListenAddress {
  readonly host: string;
  readonly port: number;
}

/** Reads `127.0.0.1:5080`, `[::1]:5080` or `localhost:0`. */
export const listenSchema = z.string().transform((text, context): ListenAddress => {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([A-Za-z0-9.-]+)):(\d{1,5})$/.exec(text);
  const port = Number(match?.[3] ?? -1);
  if (match === null || port > 65_535) {
    context.addIssue({ code: "custom", message: "must be HOST:PORT, such as 127.0.0.1:5080" });
    return z.NEVER;
  }
  return { host: (match[1] ?? match[2])!, port };
});

/** One signed suite of a package archive. */
export const aptSourceSchema = z.strictObject({
  uri: z.url({ protocol: /^(?:https?|file)$/ }),
  suite: z.string().min(1),
  components: z.array(z.string().min(1)).default([]),
  /** Key ring files, or one armoured key block. */
  signedBy: z.string().min(1),
});

/** An address that clients use: scheme, host and port, without a path. */
export const publicUrlSchema = z
  .url({ protocol: /^https?$/ })
  .transform((text) => text.replace(/\/+$/, ""))
  .refine((text) => new URL(text).pathname === "/", "must not have a path");

/** The severities that the gate refuses. */
export const severityListSchema = z.array(z.enum(severities));

/** Turns the text of a flag or an environment variable into what a file would hold; text stays text. */
export const textForms: Readonly<Record<ValueType, (text: string) => unknown>> = {
  text: (text) => text,
  path: (text) => text,
  address: (text) => text,
  number: (text) => (/^-?\d+$/.test(text) ? Number(text) : text),
  boolean: (text) =>
    ({ true: true, yes: true, "1": true, false: false, no: false, "0": false })[text.toLowerCase()] ?? text,
  list: (text) => text.split(",").flatMap((part) => part.trim() || []),
  yaml: (text) => {
    try {
      return parse(text) as unknown;
    } catch {
      return text;
    }
  },
};

/** The type of a value as the reference page names it. */
export type ValueType = "text" | "path" | "address" | "number" | "boolean" | "list" | "yaml";

/** A path against the folder that it is relative to; `~/` is the home folder. */
export function absoluteFrom(folder: string, path: string, home: string | undefined): string {
  if (path.startsWith("~/") && home !== undefined) return resolve(home, path.slice(2));
  return isAbsolute(path) ? path : resolve(folder, path);
}
