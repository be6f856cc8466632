import {
  type DocumentAsk,
  type FileAsk,
  type Location,
  type RepositorySettings,
  type UpstreamReader,
} from "../format.ts";
import { ruleFor, splitAddress } from "./rules.ts";

/**
 * Where a file comes from: the host that its path names, by https, or the repository's upstream.
 *
 * A host without https is reached by making it the upstream of the repository beside its rules.
 */
export async function locate(
  ask: FileAsk | DocumentAsk,
  reader: UpstreamReader,
  settings: RepositorySettings,
): Promise<Location | undefined> {
  if (ask.kind !== "file") return undefined;
  if (settings.allowed === undefined) return { url: `${reader.address}${ask.key}` };
  const { host, rest } = splitAddress(ask.key);
  const rule = ruleFor(settings.allowed, host, rest);
  if (rule === undefined) return undefined;
  const upstream = URL.parse(reader.address);
  const protocol = upstream?.host === host ? upstream.protocol : "https:";
  return {
    url: `${protocol}//${host}/${rest}`,
    ...(rule.sha256 === undefined ? {} : { claim: { algorithm: "sha256", value: rule.sha256.toLowerCase() } }),
  };
}
