import { z } from "zod";
import { Failure } from "../../base/errors.ts";

/** What Cargo tells of a crate, readme and all. */
const tellingBytes = 16 * 1024 * 1024;

const dependencySchema = z.object({
  name: z.string().max(64),
  version_req: z.string().max(1000),
  features: z.array(z.string()),
  optional: z.boolean(),
  default_features: z.boolean(),
  target: z.string().nullish(),
  kind: z.string().nullish(),
  registry: z.string().nullish(),
  explicit_name_in_toml: z.string().nullish(),
});

const crateSchema = z.object({
  name: z.string().max(64),
  vers: z.string().max(250),
  deps: z.array(dependencySchema).max(10_000),
  features: z.record(z.string(), z.array(z.string())),
  links: z.string().nullish(),
  rust_version: z.string().nullish(),
  description: z.string().nullish(),
});

/** What Cargo tells of a crate that it publishes, as far as an index holds it. */
export type PublishedCrate = z.infer<typeof crateSchema>;

/**
 * Takes the body of `cargo publish` apart: a length and JSON, a length and the archive; lengths are 32-bit, little-endian.
 *
 * The archive is read as it comes. Source: The Cargo Book, "Web API", publish.
 *
 * @throws Failure `usage` where the body is not so, also while the archive is read
 */
export async function readUpload(
  body: AsyncIterable<Uint8Array>,
): Promise<{ crate: PublishedCrate; archive: AsyncIterable<Uint8Array> }> {
  const source = body[Symbol.asyncIterator]();
  let held: Buffer = Buffer.alloc(0);
  const take = async (count: number): Promise<Buffer> => {
    const pieces = [held];
    let sizeBytes = held.length;
    while (sizeBytes < count) {
      const piece = await source.next();
      if (piece.done === true) throw malformed("it is cut short");
      pieces.push(Buffer.from(piece.value));
      sizeBytes += piece.value.length;
    }
    const all = Buffer.concat(pieces);
    held = all.subarray(count);
    return all.subarray(0, count);
  };
  const tellingLength = (await take(4)).readUInt32LE();
  if (tellingLength > tellingBytes) throw malformed(`its JSON is larger than ${tellingBytes} bytes`);
  const crate = parseCrate(await take(tellingLength));
  const archiveLength = (await take(4)).readUInt32LE();
  return { crate, archive: exactly(source, held, archiveLength) };
}

async function* exactly(
  source: AsyncIterator<Uint8Array>,
  held: Buffer,
  length: number,
): AsyncGenerator<Uint8Array, void, undefined> {
  let left = length - held.length;
  if (held.length > 0) yield held;
  for (let piece = await source.next(); piece.done !== true; piece = await source.next()) {
    left -= piece.value.length;
    if (left < 0) break;
    yield piece.value;
  }
  if (left !== 0) throw malformed("the archive does not have the length that was told");
}

function parseCrate(bytes: Buffer): PublishedCrate {
  try {
    return crateSchema.parse(JSON.parse(bytes.toString("utf8")));
  } catch (error) {
    throw new Failure("usage", "Cannot read what Cargo sent: its JSON is not what it should be", { cause: error });
  }
}

/** The index line of a crate. Source: The Cargo Book, "Index Format", JSON schema. */
export function indexLineOf(crate: PublishedCrate, checksum: string): Readonly<Record<string, unknown>> {
  // Cargo before 1.60 reads `features` only, and must not meet the newer forms there.
  const isNewForm = ([, values]: [string, string[]]): boolean =>
    values.some((value) => value.startsWith("dep:") || value.includes("?/"));
  const features = Object.entries(crate.features);
  const newForms = features.filter(isNewForm);
  return {
    name: crate.name,
    vers: crate.vers,
    deps: crate.deps.map(indexDependency),
    cksum: checksum,
    features: Object.fromEntries(features.filter((entry) => !isNewForm(entry))),
    ...(newForms.length > 0 ? { features2: Object.fromEntries(newForms) } : {}),
    yanked: false,
    links: crate.links ?? null,
    ...(typeof crate.rust_version !== "string" ? {} : { rust_version: crate.rust_version }),
    v: newForms.length > 0 ? 2 : 1,
  };
}

function indexDependency(told: PublishedCrate["deps"][number]): Readonly<Record<string, unknown>> {
  const alias = told.explicit_name_in_toml ?? undefined;
  return {
    name: alias ?? told.name,
    req: told.version_req,
    features: told.features,
    optional: told.optional,
    default_features: told.default_features,
    target: told.target ?? null,
    kind: told.kind ?? "normal",
    registry: told.registry ?? null,
    package: alias === undefined ? null : told.name,
  };
}

function malformed(state: string): Failure {
  return new Failure("usage", `Cannot read what Cargo sent: ${state}`);
}
