import { z } from "zod";
import { careKeys } from "./care-keys.ts";
import { collectionKeys } from "./collection-keys.ts";
import { aptSourceSchema, listenSchema, publicUrlSchema, severityListSchema, type ValueType } from "./config-values.ts";
import { directoryKeys } from "./directory-keys.ts";
import { eventKeys } from "./event-keys.ts";
import { mirrorKeys } from "./mirror-keys.ts";

/** One configuration key: the row of the reference page and the rule of the loader. */
export interface ConfigKey {
  /** The key in the file; a dot goes one mapping deeper. */
  readonly name: string;
  readonly type: ValueType;
  /** The default as the file would write it; undefined where `about` tells how it is found. */
  readonly default?: unknown;
  /** What it does, in sentences. */
  readonly about: string;
  /** Name of the environment variable. Secrets may also come from a file named by this name with `_FILE`. */
  readonly environment: string;
  /** Secrets are never shown. */
  readonly secret?: boolean;
  readonly schema: z.ZodType;
}

/** Every configuration key in the order of the reference page. */
export const configKeys = [
  {
    name: "data",
    type: "path",
    about:
      "The data folder: database, blobs, keys. By default .mintmark in the checkout when started inside one, else the mintmark folder of XDG_DATA_HOME.",
    environment: "MINTMARK_DATA",
    schema: z.string().min(1).optional(),
  },
  {
    name: "listen",
    type: "address",
    default: "127.0.0.1:5080",
    about: "Host and port of the server. Port 0 picks a free one and prints it.",
    environment: "MINTMARK_LISTEN",
    schema: listenSchema,
  },
  {
    name: "publicUrl",
    type: "text",
    about:
      "The address that clients use, where a proxy stands before the server. By default the address it listens on.",
    environment: "MINTMARK_PUBLIC_URL",
    schema: publicUrlSchema.optional(),
  },
  {
    name: "logLevel",
    type: "text",
    default: "info",
    about: "How much is logged: silent, error, warn, info or debug.",
    environment: "MINTMARK_LOG_LEVEL",
    schema: z.enum(["silent", "error", "warn", "info", "debug"]),
  },
  {
    name: "recipes",
    type: "path",
    about: "The folder whose sub-folders are the shipped recipes. By default recipes/ of the checkout.",
    environment: "MINTMARK_RECIPES",
    schema: z.string().min(1).optional(),
  },
  {
    name: "anonymousRead",
    type: "boolean",
    default: true,
    about: "Whether reads need no account while the server listens on loopback only. Writes always need one.",
    environment: "MINTMARK_ANONYMOUS_READ",
    schema: z.boolean(),
  },
  {
    name: "shutdownSeconds",
    type: "number",
    default: 20,
    about: "How long running requests may take to end after a stop was asked for.",
    environment: "MINTMARK_SHUTDOWN_SECONDS",
    schema: z.int().min(0).max(600),
  },
  {
    name: "tls.certFile",
    type: "path",
    about: "Certificate chain in PEM; with tls.keyFile the server speaks HTTPS.",
    environment: "MINTMARK_TLS_CERT_FILE",
    schema: z.string().min(1).optional(),
  },
  {
    name: "tls.keyFile",
    type: "path",
    about: "Private key of the certificate in PEM.",
    environment: "MINTMARK_TLS_KEY_FILE",
    schema: z.string().min(1).optional(),
  },
  {
    name: "keys.passphrase",
    type: "text",
    about: "Passphrase of the signing keys. By default one is made on the first run and kept beside them.",
    environment: "MINTMARK_KEYS_PASSPHRASE",
    secret: true,
    schema: z.string().min(8).optional(),
  },
  {
    name: "upstreams.apt",
    type: "yaml",
    default: [],
    about:
      "Package archives to build from: a list of uri, suite, components and signedBy. By default those that this machine's apt uses.",
    environment: "MINTMARK_UPSTREAMS_APT",
    schema: z.array(aptSourceSchema),
  },
  {
    name: "gate.block",
    type: "list",
    default: ["critical"],
    about: "Severities of findings that the gate refuses: critical, high, medium, low, negligible, unknown.",
    environment: "MINTMARK_GATE_BLOCK",
    schema: severityListSchema,
  },
  {
    name: "gate.holdSeconds",
    type: "number",
    default: 60,
    about:
      "How long the first pull through a proxy cache waits for the scan where the project's gate asks for one. Then it is refused, to be tried again.",
    environment: "MINTMARK_GATE_HOLD_SECONDS",
    schema: z.int().min(0).max(600),
  },
  {
    name: "advisories.sources",
    type: "list",
    default: [],
    about: "Folders, archives or addresses of OSV exports that are read beside the signed security suites.",
    environment: "MINTMARK_ADVISORIES_SOURCES",
    schema: z.array(z.string().min(1)),
  },
  {
    name: "formats.attestationTags",
    type: "boolean",
    default: true,
    about: "Whether attestations are also published under the sha256-….att tag that cosign 2 reads.",
    environment: "MINTMARK_FORMATS_ATTESTATION_TAGS",
    schema: z.boolean(),
  },
  ...directoryKeys,
  ...careKeys,
  ...collectionKeys,
  ...eventKeys,
  ...mirrorKeys,
] as const satisfies readonly ConfigKey[];

/** The name of one key in {@link configKeys}. */
export type ConfigKeyName = (typeof configKeys)[number]["name"];
