import type { ClientSetup } from "../format.ts";

/**
 * How npm, yarn (both lines), pnpm and bun are pointed at a repository.
 *
 * In a sealed build they also ask for nothing but packages: no audit, no funding lines, no look for a newer npm.
 */
export function clients({ base, isSealed }: { base: string; isSealed: boolean }): readonly ClientSetup[] {
  const registry = `${base}/`;
  const host = new URL(base).hostname;
  const isPlain = base.startsWith("http:");
  const quiet = isSealed ? ["audit=false", "fund=false", "update-notifier=false"] : [];
  const npmrc = { path: "~/.npmrc", content: lines([`registry=${registry}`, ...quiet]) };
  const npmVariables: Record<string, string> = { npm_config_registry: registry };
  if (isSealed)
    Object.assign(npmVariables, {
      npm_config_audit: "false",
      npm_config_fund: "false",
      npm_config_update_notifier: "false",
    });
  return [
    { client: "npm", files: [npmrc], environment: npmVariables },
    { client: "pnpm", files: [npmrc], environment: npmVariables },
    {
      client: "yarn",
      files: [
        {
          path: "~/.yarnrc",
          content: lines([`registry "${registry}"`, ...(isSealed ? ["disable-self-update-check true"] : [])]),
        },
        {
          path: "~/.yarnrc.yml",
          content: lines([
            `npmRegistryServer: "${base}"`,
            ...(isPlain ? ["unsafeHttpWhitelist:", `  - "${host}"`] : []),
            ...(isSealed ? ["enableTelemetry: false"] : []),
          ]),
        },
      ],
      environment: {
        YARN_REGISTRY: registry,
        YARN_NPM_REGISTRY_SERVER: base,
        ...(isPlain ? { YARN_UNSAFE_HTTP_WHITELIST: host } : {}),
        ...(isSealed ? { YARN_ENABLE_TELEMETRY: "0" } : {}),
      },
    },
    {
      client: "bun",
      files: [{ path: "~/.bunfig.toml", content: lines(["[install]", `registry = "${registry}"`]) }],
      environment: { BUN_CONFIG_REGISTRY: registry },
    },
  ];
}

function lines(items: readonly string[]): string {
  return `${items.join("\n")}\n`;
}
