import { createReadStream } from "node:fs";
import { pipeline } from "node:stream/promises";
import { createGunzip } from "node:zlib";
import { Failure, messageOf } from "../../base/errors.ts";
import { readTar } from "../../base/tar.ts";

/** What an archive may unpack to. */
const unpackedBytes = 4 * 1024 * 1024 * 1024;

/**
 * Checks that an archive is what Cargo unpacks: a gzipped tar, all of it below `<name>-<version>/`, with a `Cargo.toml`.
 *
 * @throws Failure `archive_hostile` where it is not
 */
export async function checkArchive(path: string, folder: string): Promise<void> {
  const unpacking = createGunzip();
  const feeding = pipeline(createReadStream(path), unpacking);
  // What goes wrong shows itself to the reader below; unread, it must not end the program.
  feeding.catch(() => undefined);
  let hasManifest = false;
  try {
    for await (const { header } of readTar(bounded(unpacking))) {
      const parts = header.path.split("/");
      if (parts[0] !== folder || parts.includes("..")) throw hostile(`"${header.path}" is not below "${folder}/"`);
      if (header.kind !== "file" && header.kind !== "folder")
        throw hostile(`"${header.path}" is neither file nor folder`);
      hasManifest ||= header.path === `${folder}/Cargo.toml`;
    }
  } catch (error) {
    throw error instanceof Failure ? error : hostile(messageOf(error));
  }
  if (!hasManifest) throw hostile(`it holds no "${folder}/Cargo.toml"`);
}

async function* bounded(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let sizeBytes = 0;
  for await (const piece of pieces) {
    sizeBytes += piece.length;
    if (sizeBytes > unpackedBytes) throw hostile(`it unpacks to more than ${unpackedBytes} bytes`);
    yield piece;
  }
}

function hostile(state: string): Failure {
  return new Failure("archive_hostile", `Cannot take the crate: ${state}`);
}
