import type { z } from "zod";
import { Failure } from "../base/errors.ts";
import type { Severity } from "../model/finding.ts";
import type { ConfigKeyName } from "./config-keys.ts";
import { findValues, type ConfigInput, type Found, type FoundValue } from "./config-sources.ts";
import type { aptSourceSchema, ListenAddress } from "./config-values.ts";

/** The whole configuration, checked, with absolute paths. */
export interface Config {
  /** The data folder: database, blobs, keys. */
  readonly dataDir: string;
  readonly listen: ListenAddress;
  /** `https://registry.example`, without a slash at the end. */
  readonly publicUrl: string | undefined;
  readonly logLevel: string;
  readonly recipesDir: string;
  /** Reads without an account while listening on loopback. */
  readonly anonymousRead: boolean;
  readonly shutdownSeconds: number;
  readonly tls: { readonly certFile: string; readonly keyFile: string } | undefined;
  readonly keys: { readonly passphrase: string | undefined };
  /** Empty lists mean: ask this machine's own clients. */
  readonly upstreams: { readonly apt: readonly z.output<typeof aptSourceSchema>[] };
  readonly gate: { readonly block: readonly Severity[] };
  readonly advisories: { readonly sources: readonly string[] };
  readonly formats: { readonly attestationTags: boolean };
}

/**
 * Loads the configuration: flags before environment before file before defaults.
 *
 * @throws Failure `config_invalid` that names the key, the place it came from and what is wrong
 */
export async function loadConfig(input: ConfigInput): Promise<Config> {
  return checkValues(await findValues(input));
}

/** Checks found values against the schema of each key and shapes them. */
export function checkValues(found: Found): Config {
  const read = <Value>(name: ConfigKeyName): Value => checkValue(found.values.get(name)!) as Value;
  const certFile = read<string | undefined>("tls.certFile");
  const keyFile = read<string | undefined>("tls.keyFile");
  if ((certFile === undefined) !== (keyFile === undefined))
    throw new Failure(
      "config_invalid",
      `Cannot use the configuration: tls.certFile and tls.keyFile go together, but only "${certFile === undefined ? "tls.keyFile" : "tls.certFile"}" is set`,
    );
  return {
    dataDir: read("data"),
    listen: read("listen"),
    publicUrl: read("publicUrl"),
    logLevel: read("logLevel"),
    recipesDir: read("recipes"),
    anonymousRead: read("anonymousRead"),
    shutdownSeconds: read("shutdownSeconds"),
    tls: certFile === undefined || keyFile === undefined ? undefined : { certFile, keyFile },
    keys: { passphrase: read("keys.passphrase") },
    upstreams: { apt: read("upstreams.apt") },
    gate: { block: read("gate.block") },
    advisories: { sources: read("advisories.sources") },
    formats: { attestationTags: read("formats.attestationTags") },
  };
}

function checkValue(found: FoundValue): unknown {
  const { key, value, source } = found;
  const parsed = key.schema.safeParse(value ?? undefined);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0]!;
  const where = issue.path.length === 0 ? key.name : `${key.name}[${issue.path.join(".")}]`;
  const shown = key.secret === true ? "" : ` ${JSON.stringify(value)}`;
  throw new Failure(
    "config_invalid",
    `Cannot use the configuration key "${where}":${shown} from ${source}: ${issue.message}`,
    { hint: key.about },
  );
}
