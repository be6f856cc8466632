import { spawn } from "node:child_process";
import { createReadStream } from "node:fs";
import { open } from "node:fs/promises";
import type { Readable, Transform } from "node:stream";
import { createGunzip, createZstdDecompress } from "node:zlib";
import { plainEnvironment } from "../../base/child.ts";
import { Failure } from "../../base/errors.ts";
import { limits } from "../../base/limits.ts";
import { listMembers, type ArMember } from "./ar.ts";

/** The two tar streams of a Debian package, decompressed and bounded. */
export interface DebStreams {
  control(): AsyncIterable<Uint8Array>;
  data(): AsyncIterable<Uint8Array>;
}

/**
 * Opens a `.deb`: `debian-binary`, then `control.tar*`, then `data.tar*`, in this order.
 *
 * Source: deb(5).
 *
 * @throws Failure `archive_hostile`
 */
export async function openDeb(path: string): Promise<DebStreams> {
  await using file = await open(path, "r");
  const members = (await listMembers(file)).filter(({ name }) => !name.startsWith("_"));
  const [format, control, data] = members;
  if (
    format?.name !== "debian-binary" ||
    control === undefined ||
    data === undefined ||
    !control.name.startsWith("control.tar") ||
    !data.name.startsWith("data.tar")
  )
    throw new Failure(
      "archive_hostile",
      "Cannot read the package: its members are not debian-binary, control.tar and data.tar in this order",
    );
  const { buffer } = await file.read(
    Buffer.alloc(format.sizeBytes < 16 ? format.sizeBytes : 16),
    0,
    null,
    format.start,
  );
  if (!/^2\.\d+\n/.test(buffer.toString("latin1")))
    throw new Failure("archive_hostile", "Cannot read the package: its format is not version 2");
  return {
    control: () => bounded(decompress(path, control), limits.debControlBytes),
    data: () =>
      bounded(
        decompress(path, data),
        Math.min(limits.debUnpackedBytes, 64 * 1024 * 1024 + data.sizeBytes * limits.debExpansionRatio),
      ),
  };
}

function decompress(path: string, member: ArMember): AsyncIterable<Uint8Array> {
  const compression = member.name.replace(/^(?:control|data)\.tar\.?/, "");
  const raw = (): Readable =>
    createReadStream(path, {
      start: member.start,
      end: member.start + member.sizeBytes - 1,
      highWaterMark: limits.chunkBytes,
    });
  if (member.sizeBytes === 0)
    throw new Failure("archive_hostile", `Cannot read the package: the member "${member.name}" is empty`);
  if (compression === "") return raw();
  if (compression === "gz") return through(raw(), createGunzip({ chunkSize: limits.chunkBytes }));
  if (compression === "zst") return through(raw(), createZstdDecompress({ chunkSize: limits.chunkBytes }));
  if (compression === "xz" || compression === "lzma") return throughXz(raw(), compression);
  throw new Failure("archive_hostile", `Cannot read the package: its compression "${compression}" is not known`);
}

/** A pipe passes no errors on by itself: without this a disk that fails would look like an archive without end. */
function through(source: Readable, decoder: Transform): Readable {
  source.on("error", (error) => decoder.destroy(error));
  return source.pipe(decoder);
}

/** xz is a program of its own: Node has no decoder, and it is twice as fast as those of npm. */
async function* throughXz(input: Readable, format: string): AsyncGenerator<Uint8Array> {
  const child = spawn("xz", ["--decompress", "--stdout", `--format=${format}`, "--memlimit-decompress=512MiB"], {
    env: plainEnvironment,
    stdio: ["pipe", "pipe", "pipe"],
  });
  const ended = new Promise<number | null>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", resolve);
  });
  ended.catch(() => undefined);
  child.stdin.on("error", () => undefined);
  child.stderr.resume();
  input.pipe(child.stdin);
  try {
    for await (const chunk of child.stdout) yield chunk as Uint8Array;
    const code = await ended;
    if (code !== 0) throw new Failure("archive_hostile", "Cannot read the package: its xz stream is damaged");
  } finally {
    input.destroy();
    child.kill("SIGKILL");
  }
}

async function* bounded(source: AsyncIterable<Uint8Array>, limitBytes: number): AsyncGenerator<Uint8Array> {
  let total = 0;
  try {
    for await (const chunk of source) {
      total += chunk.length;
      if (total > limitBytes)
        throw new Failure("archive_hostile", `Cannot unpack the package: it expands beyond ${limitBytes} bytes`, {
          hint: "An archive that grows so far is taken for a bomb",
        });
      yield chunk;
    }
  } catch (error) {
    if (error instanceof Failure) throw error;
    throw new Failure("archive_hostile", "Cannot read the package: its compressed data is damaged", { cause: error });
  }
}
