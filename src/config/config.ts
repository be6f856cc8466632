import type { z } from "zod";
import { Failure } from "../base/errors.ts";
import type { Severity } from "../model/finding.ts";
import { collectionConfig, type CollectionConfig, type ScrubConfig } from "./collection-keys.ts";
import type { ConfigKeyName } from "./config-keys.ts";
import { findValues, type ConfigInput, type Found, type FoundValue } from "./config-sources.ts";
import type { aptSourceSchema, ListenAddress } from "./config-values.ts";
import { authConfig, type AuthConfig } from "./directory-config.ts";
import { type AuditConfig, eventConfig, type WebhooksConfig } from "./event-keys.ts";
import { mirrorConfig, type MirrorConfig } from "./mirror-keys.ts";

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
  readonly gate: { readonly block: readonly Severity[]; readonly holdSeconds: number };
  readonly advisories: { readonly sources: readonly string[] };
  readonly formats: { readonly attestationTags: boolean };
  /** Backups that are made by themselves; none without a folder. */
  readonly backup: {
    readonly folder: string | undefined;
    /** Cron expression in UTC. */
    readonly schedule: string;
    readonly keepCount: number;
  };
  readonly gc: CollectionConfig;
  readonly scrub: ScrubConfig;
  /** Who signs in from outside. */
  readonly auth: AuthConfig;
  readonly audit: AuditConfig;
  readonly webhooks: WebhooksConfig;
  readonly mirror: MirrorConfig;
  readonly limits: {
    /** 0 is no limit; undefined the default for where the server listens. */
    readonly requestsPerMinute: { readonly address: number | undefined; readonly identity: number | undefined };
  };
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
    gate: { block: read("gate.block"), holdSeconds: read("gate.holdSeconds") },
    advisories: { sources: read("advisories.sources") },
    formats: { attestationTags: read("formats.attestationTags") },
    backup: { folder: read("backup.folder"), schedule: read("backup.schedule"), keepCount: read("backup.keep") },
    ...collectionConfig(read),
    auth: authConfig(read),
    ...eventConfig(read),
    mirror: mirrorConfig(read),
    limits: {
      requestsPerMinute: {
        address: read("limits.requestsPerMinute.address"),
        identity: read("limits.requestsPerMinute.identity"),
      },
    },
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
