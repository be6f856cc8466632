import { errorCodes } from "../../src/base/error-codes.ts";
import { code, pageHead, table } from "./markdown.ts";

interface ErrorRow {
  readonly status: number;
  readonly exit: number;
  readonly about: string;
}

/** docs/reference/errors.md: every failure that a user can meet, with its HTTP status and exit code. */
export function errorsPage(codes: Readonly<Record<string, ErrorRow>> = errorCodes): string {
  const rows = Object.entries(codes).map(([name, row]) => [
    code(name),
    row.about,
    String(row.status),
    String(row.exit),
  ]);
  const about = [
    "A failure has a code, a message, a hint that says what to do next, and details. Under `/api` it is",
    "`application/problem+json`, under `/v2` the error form of the OCI distribution specification, on a terminal two",
    "lines on standard error. A denied gate and a failed verification are answers; their codes stand here because the",
    "command line ends with them.",
  ].join("\n");
  return `${pageHead("Errors", about)}\n${table(["code", "what went wrong", "HTTP", "exit"], rows)}`;
}

interface ConfigRow {
  readonly name: string;
  readonly type: string;
  readonly default?: unknown;
  readonly about: string;
  readonly environment: string;
  readonly secret?: boolean;
}

/** docs/reference/configuration.md: every key with its environment variable, default and meaning. */
export function configurationPage(keys: readonly ConfigRow[]): string {
  const rows = keys.map((key) => [
    code(key.name),
    code(key.environment),
    key.secret === true ? `${key.type}, secret` : key.type,
    key.default === undefined ? "" : code(JSON.stringify(key.default)),
    key.about,
  ]);
  const about = [
    "A value comes from a flag, else from the environment, else from the file named by `--config`, else it is the",
    "default. `mintmark config explain` shows each value and where it came from. A key with a dot goes one mapping",
    "deeper in the file. A secret may also stand in a file that the variable with `_FILE` at its end names.",
  ].join("\n");
  return `${pageHead("Configuration", about)}\n${table(["key", "environment", "type", "default", "meaning"], rows)}`;
}

interface MetricRow {
  readonly name: string;
  readonly type: string;
  readonly about: string;
  readonly labels: readonly string[];
}

/** docs/reference/metrics.md: every metric of `/metrics`. */
export function metricsPage(metrics: readonly MetricRow[]): string {
  const rows = metrics.map(({ name, type, about, labels }) => [code(name), type, labels.map(code).join(", "), about]);
  const head =
    "What `GET /metrics` serves in the Prometheus text format. No label holds a digest, a CVE or a host name.";
  return `${pageHead("Metrics", head)}\n${table(["metric", "type", "labels", "meaning"], rows)}`;
}
