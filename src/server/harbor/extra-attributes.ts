import { Failure } from "../../base/errors.ts";
import { type Descriptor, mediaTypes } from "../../model/oci.ts";
import type { Factory } from "../../pipeline/factory.ts";
import { parseJson } from "./json-parts.ts";

/** The configuration of an image, as far as it is shown. */
interface ReadConfig {
  readonly architecture: string;
  readonly author: string;
  readonly created: string;
  readonly os: string;
  readonly config: object;
  readonly history: readonly object[];
}

/** Larger configurations are not shown: real ones have a few kilobytes. */
const configBytes = 1024 * 1024;

/** What Harbor shows of an image's configuration; nothing for other artifacts. */
export async function readExtraAttributes(factory: Factory, config: Descriptor | undefined): Promise<unknown> {
  const read = await readConfig(factory, config);
  if (read === undefined) return undefined;
  const { architecture, author = "", created, os, config: settings } = read;
  return { architecture, author, created, os, config: settings ?? {} };
}

/** How an image was built, step by step, as its configuration tells it. */
export async function readHistory(factory: Factory, config: Descriptor | undefined): Promise<readonly object[]> {
  return (await readConfig(factory, config))?.history ?? [];
}

async function readConfig(
  { store }: Factory,
  config: Descriptor | undefined,
): Promise<Partial<ReadConfig> | undefined> {
  const isShown = config?.mediaType === mediaTypes.config || config?.mediaType === mediaTypes.dockerConfig;
  if (!isShown || config === undefined || config.size > configBytes) return undefined;
  try {
    return parseJson<ReadConfig>(await store.blobs.read(config.digest, configBytes));
  } catch (error) {
    // A proxy cache may have the manifest before it has the blob.
    if (error instanceof Failure && error.code === "not_found") return undefined;
    throw error;
  }
}
