import type { FileHandle } from "node:fs/promises";
import { Failure } from "../../base/errors.ts";

/** One member of an ar archive: its name and where its bytes lie in the file. */
export interface ArMember {
  readonly name: string;
  readonly start: number;
  readonly sizeBytes: number;
}

const membersMax = 16;

/**
 * Lists the members of an ar archive without reading their content.
 *
 * Source: deb(5), and the common ar format with 60-byte headers.
 *
 * @throws Failure `archive_hostile`
 */
export async function listMembers(file: FileHandle): Promise<ArMember[]> {
  const { size } = await file.stat();
  const magic = await bytesAt(file, 0, 8);
  if (magic.toString("latin1") !== "!<arch>\n") throw hostile("it is no ar archive");
  const members: ArMember[] = [];
  for (let at = 8; at < size;) {
    const header = await bytesAt(file, at, 60);
    const sizeText = header.toString("latin1", 48, 58).trim();
    if (header.toString("latin1", 58, 60) !== "`\n" || !/^\d+$/.test(sizeText))
      throw hostile("a member header is malformed");
    const sizeBytes = Number(sizeText);
    const start = at + 60;
    if (start + sizeBytes > size) throw hostile("it is cut short");
    members.push({ name: header.toString("latin1", 0, 16).trim().replace(/\/$/, ""), start, sizeBytes });
    if (members.length > membersMax) throw hostile(`it has more than ${membersMax} members`);
    at = start + sizeBytes + (sizeBytes % 2);
  }
  return members;
}

async function bytesAt(file: FileHandle, position: number, length: number): Promise<Buffer> {
  const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, position);
  if (bytesRead < length) throw hostile("it is cut short");
  return buffer;
}

function hostile(state: string): Failure {
  return new Failure("archive_hostile", `Cannot read the package: ${state}`, {
    hint: "Fetch it again; if it comes back the same, its maker must repair it",
  });
}
