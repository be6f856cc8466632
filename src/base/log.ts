import { pino, type Logger } from "pino";

/** The structured log; one JSON object a line on standard error. */
export type Log = Logger;

/** Where secrets could stand in a logged object; their values are replaced. */
const secretPaths = [
  "password",
  "secret",
  "token",
  "passphrase",
  "authorization",
  "*.password",
  "*.secret",
  "*.token",
  "*.passphrase",
  "*.authorization",
  "req.headers.authorization",
  "req.headers.cookie",
];

/**
 * Opens the log.
 *
 * @param level `silent` | `error` | `warn` | `info` | `debug`
 */
export function openLog(level: string): Log {
  return pino(
    { level, base: null, redact: { paths: secretPaths, censor: "[redacted]" } },
    pino.destination({ fd: 2, sync: false }),
  );
}

/** A log that drops everything, for tests and one-off commands. */
export const silentLog: Log = pino({ level: "silent" });
