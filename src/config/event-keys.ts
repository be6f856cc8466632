import { z } from "zod";
import type { ConfigKey, ConfigKeyName } from "./config-keys.ts";

/** The audit log and where it is forwarded to. */
export interface AuditConfig {
  /** Whether pulls are events. */
  readonly pulls: boolean;
  readonly retainDays: number;
  readonly syslog: SyslogReceiver | undefined;
}

/** A syslog receiver. */
export interface SyslogReceiver {
  readonly transport: "udp" | "tcp" | "tls";
  readonly host: string;
  readonly port: number;
  /** PEM of the authorities that sign its certificate; undefined uses those of the system. */
  readonly caFile: string | undefined;
  /** RFC 5424 table 1: 13 is "log audit". */
  readonly facility: number;
}

/** Where webhooks may go. */
export interface WebhooksConfig {
  /** Whether private and loopback addresses may be reached. */
  readonly allowPrivate: boolean;
  /** Host names and addresses that may be reached although they are private. */
  readonly allowedHosts: readonly string[];
}

const receiverPattern = /^(udp|tcp|tls):\/\/(?:\[([0-9a-fA-F:.]+)\]|([A-Za-z0-9.-]+))(?::(\d{1,5}))?$/;
const defaultPorts = { udp: 514, tcp: 601, tls: 6514 } as const;

const receiverSchema = z.string().transform((text, context): Pick<SyslogReceiver, "transport" | "host" | "port"> => {
  const match = receiverPattern.exec(text);
  const transport = match?.[1] as keyof typeof defaultPorts | undefined;
  const port = Number(match?.[4] ?? defaultPorts[transport ?? "udp"]);
  if (match === null || transport === undefined || port < 1 || port > 65_535) {
    context.addIssue({ code: "custom", message: "must be udp://, tcp:// or tls://HOST[:PORT]" });
    return z.NEVER;
  }
  return { transport, host: (match[2] ?? match[3])!, port };
});

/** The configuration keys of events; rows of the table in config-keys.ts. */
export const eventKeys = [
  {
    name: "audit.pulls",
    type: "boolean",
    default: true,
    about: "Whether each pull of an image is an event of the audit log. Equal pulls within a second are one event.",
    environment: "MINTMARK_AUDIT_PULLS",
    schema: z.boolean(),
  },
  {
    name: "audit.retainDays",
    type: "number",
    default: 400,
    about: "How long events of the audit log are kept, in days. What followers have not had yet is kept longer.",
    environment: "MINTMARK_AUDIT_RETAIN_DAYS",
    schema: z.int().min(1).max(36_500),
  },
  {
    name: "audit.syslog.receiver",
    type: "text",
    about:
      "Where the audit log is forwarded to as RFC 5424 messages: udp://HOST:514, tcp://HOST:601 or tls://HOST:6514. By default nowhere.",
    environment: "MINTMARK_AUDIT_SYSLOG_RECEIVER",
    schema: receiverSchema.optional(),
  },
  {
    name: "audit.syslog.caFile",
    type: "path",
    about: "Authorities in PEM that sign the certificate of a tls:// receiver. By default those of the system.",
    environment: "MINTMARK_AUDIT_SYSLOG_CA_FILE",
    schema: z.string().min(1).optional(),
  },
  {
    name: "audit.syslog.facility",
    type: "number",
    default: 13,
    about: "Facility of the syslog messages, 0 to 23; 13 is the audit log, 16 to 23 are for local use.",
    environment: "MINTMARK_AUDIT_SYSLOG_FACILITY",
    schema: z.int().min(0).max(23),
  },
  {
    name: "webhooks.allowPrivate",
    type: "boolean",
    default: false,
    about: "Whether webhooks may be sent to private, link-local and loopback addresses.",
    environment: "MINTMARK_WEBHOOKS_ALLOW_PRIVATE",
    schema: z.boolean(),
  },
  {
    name: "webhooks.allowedHosts",
    type: "list",
    default: [],
    about: "Host names and addresses that webhooks may be sent to although they are private.",
    environment: "MINTMARK_WEBHOOKS_ALLOWED_HOSTS",
    schema: z.array(z.string().min(1)),
  },
] as const satisfies readonly ConfigKey[];

/** The parts of the configuration that {@link eventKeys} give. */
export function eventConfig(read: <Value>(name: ConfigKeyName) => Value): {
  readonly audit: AuditConfig;
  readonly webhooks: WebhooksConfig;
} {
  const receiver = read<z.output<typeof receiverSchema> | undefined>("audit.syslog.receiver");
  const more = {
    caFile: read<string | undefined>("audit.syslog.caFile"),
    facility: read<number>("audit.syslog.facility"),
  };
  return {
    audit: {
      pulls: read("audit.pulls"),
      retainDays: read("audit.retainDays"),
      syslog: receiver === undefined ? undefined : { ...receiver, ...more },
    },
    webhooks: { allowPrivate: read("webhooks.allowPrivate"), allowedHosts: read("webhooks.allowedHosts") },
  };
}
