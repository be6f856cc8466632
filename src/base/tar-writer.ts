import { padding, type TarHeader } from "./tar.ts";

const typeFlags = {
  file: "0",
  hardlink: "1",
  symlink: "2",
  character: "3",
  block: "4",
  folder: "5",
  fifo: "6",
} as const;

/**
 * The header blocks of one entry: the same header gives the same bytes on every machine.
 *
 * Owners are numeric, names that ustar cannot hold go into a PAX header, times are whole seconds.
 * Source: POSIX pax, "ustar Interchange Format".
 */
export function tarHeaderBytes(header: TarHeader): Buffer {
  const name = header.kind === "folder" ? `${header.path}/` : header.path;
  const records: [string, string | Buffer][] = [];
  const split = splitName(name);
  if (split === undefined) records.push(["path", name]);
  if (Buffer.byteLength(header.link) > 100 || !isAscii(header.link)) records.push(["linkpath", header.link]);
  if (header.sizeBytes > 0o77777777777) records.push(["size", String(header.sizeBytes)]);
  if (header.uid > 0o7777777) records.push(["uid", String(header.uid)]);
  if (header.gid > 0o7777777) records.push(["gid", String(header.gid)]);
  for (const key of Object.keys(header.xattrs).sort())
    records.push([`SCHILY.xattr.${key}`, Buffer.from(header.xattrs[key]!, "latin1")]);
  const main = block(header, typeFlags[header.kind], split ?? { prefix: "", name: Buffer.from(name).subarray(0, 100) });
  if (records.length === 0) return main;
  const content = Buffer.concat(records.map(([key, value]) => paxRecord(key, value)));
  const paxHeader: TarHeader = {
    ...header,
    kind: "file",
    mode: 0o644,
    uid: 0,
    gid: 0,
    mtimeSeconds: 0,
    sizeBytes: content.length,
    link: "",
    deviceMajor: 0,
    deviceMinor: 0,
  };
  const pax = block(paxHeader, "x", { prefix: "", name: Buffer.from("PaxHeaders/entry") });
  return Buffer.concat([pax, content, Buffer.alloc(padding(content.length)), main]);
}

/** The two empty blocks that end an archive. */
export const tarEnd: Buffer = Buffer.alloc(1024);

interface SplitName {
  readonly prefix: string;
  readonly name: Buffer;
}

function splitName(name: string): SplitName | undefined {
  if (!isAscii(name)) return undefined;
  if (name.length <= 100) return { prefix: "", name: Buffer.from(name) };
  const from = name.length - 101;
  for (let slash = name.indexOf("/", from); slash > 0 && slash <= 155; slash = name.indexOf("/", slash + 1))
    if (slash < name.length - 1) return { prefix: name.slice(0, slash), name: Buffer.from(name.slice(slash + 1)) };
  return undefined;
}

function isAscii(text: string): boolean {
  for (let at = 0; at < text.length; at++) if (text.charCodeAt(at) > 126) return false;
  return true;
}

/** A record counts its own length, digits included. */
function paxRecord(key: string, value: string | Buffer): Buffer {
  const rest = Buffer.concat([Buffer.from(` ${key}=`), Buffer.from(value as string), Buffer.from("\n")]);
  let length = rest.length + 1;
  while (String(length).length + rest.length !== length) length = String(length).length + rest.length;
  return Buffer.concat([Buffer.from(String(length)), rest]);
}

function block(header: TarHeader, typeFlag: string, { prefix, name }: SplitName): Buffer {
  const bytes = Buffer.alloc(512);
  name.copy(bytes, 0);
  octal(bytes, [100, 8], header.mode);
  octal(bytes, [108, 8], Math.min(header.uid, 0o7777777));
  octal(bytes, [116, 8], Math.min(header.gid, 0o7777777));
  octal(bytes, [124, 12], header.kind === "file" ? Math.min(header.sizeBytes, 0o77777777777) : 0);
  octal(bytes, [136, 12], Math.max(0, header.mtimeSeconds));
  bytes.fill(0x20, 148, 156);
  bytes.write(typeFlag, 156, "latin1");
  Buffer.from(header.link).copy(bytes, 157, 0, 100);
  bytes.write("ustar\u000000", 257, "latin1");
  if (header.kind === "character" || header.kind === "block") {
    octal(bytes, [329, 8], header.deviceMajor);
    octal(bytes, [337, 8], header.deviceMinor);
  }
  bytes.write(prefix, 345, "latin1");
  let sum = 0;
  for (const byte of bytes) sum += byte;
  bytes.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  return bytes;
}

function octal(bytes: Buffer, [at, length]: readonly [number, number], value: number): void {
  bytes.write(value.toString(8).padStart(length - 1, "0"), at, "latin1");
}
