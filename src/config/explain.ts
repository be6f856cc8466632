import { checkValues } from "./config.ts";
import { findValues, type ConfigInput } from "./config-sources.ts";

/** One key of the configuration as `mintmark config explain` shows it. */
interface ExplainedKey {
  readonly name: string;
  /** As the file would write it; `[hidden]` for a secret; null where it is not set. */
  readonly value: unknown;
  /** `flag --data`, `environment MINTMARK_DATA`, `file "…"` or `default`. */
  readonly source: string;
  readonly about: string;
  readonly environment: string;
}

/** The configuration with the source of each value. */
export interface ExplainedConfig {
  readonly file: string | null;
  readonly keys: readonly ExplainedKey[];
  /** Names in the environment that look like ours but mean nothing: probably misspelt. */
  readonly unknownEnvironment: readonly string[];
}

/**
 * Tells the value and the source of each key; secrets are hidden.
 *
 * @throws Failure `config_invalid` as loading would
 */
export async function explainConfig(input: ConfigInput): Promise<ExplainedConfig> {
  const found = await findValues(input);
  checkValues(found);
  const keys = [...found.values.values()].map(({ key, value, source }) => ({
    name: key.name,
    value: key.secret === true && value !== undefined ? "[hidden]" : (value ?? null),
    source,
    about: key.about,
    environment: key.environment,
  }));
  return { file: found.file ?? null, keys, unknownEnvironment: found.unknownEnvironment };
}
