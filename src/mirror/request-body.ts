import { promisify } from "node:util";
import { gunzip } from "node:zlib";
import { Failure, messageOf } from "../base/errors.ts";
import type { WriteRequest } from "./format.ts";

const unpack = promisify(gunzip);

/**
 * Reads the body of a write into memory, unpacked where its client packed it with gzip.
 *
 * @throws Failure `too_large` over the limit, packed or unpacked; `usage` where it cannot be unpacked
 */
export async function readRequestBody(request: WriteRequest, limitBytes: number): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let sizeBytes = 0;
  for await (const chunk of request.body) {
    sizeBytes += chunk.length;
    if (sizeBytes > limitBytes) throw tooLarge(request, limitBytes);
    chunks.push(chunk);
  }
  const bytes = Buffer.concat(chunks);
  const coding = request.headers["content-encoding"]?.trim().toLowerCase() ?? "";
  if (coding === "" || coding === "identity") return bytes;
  if (coding !== "gzip" && coding !== "x-gzip")
    throw new Failure("usage", `Cannot read the body of "${request.path}": its encoding "${coding}" is not known`);
  try {
    return await unpack(bytes, { maxOutputLength: limitBytes });
  } catch (error) {
    if (error instanceof RangeError) throw tooLarge(request, limitBytes);
    throw new Failure("usage", `Cannot read the body of "${request.path}": ${messageOf(error)}`, { cause: error });
  }
}

function tooLarge(request: WriteRequest, limitBytes: number): Failure {
  return new Failure("too_large", `Cannot read the body of "${request.path}": it is larger than ${limitBytes} bytes`);
}
