import { crc32, deflateRawSync } from "node:zlib";

/**
 * Makes a zip archive for tests.
 *
 * @param options.wide writes sizes and places as ZIP64 does
 */
export function writeZip(
  files: readonly (readonly [string, string | Buffer])[],
  options: { deflate: boolean; wide: boolean },
): Buffer {
  const parts: Buffer[] = [];
  const directory: Buffer[] = [];
  let offset = 0;
  for (const [name, content] of files) {
    const bytes = Buffer.from(content);
    const packed = options.deflate ? deflateRawSync(bytes) : bytes;
    const common = Buffer.alloc(26);
    common.writeUInt16LE(45, 0);
    common.writeUInt16LE(options.deflate ? 8 : 0, 4);
    common.writeUInt32LE(crc32(bytes), 10);
    common.writeUInt32LE(packed.length, 14);
    common.writeUInt32LE(bytes.length, 18);
    common.writeUInt16LE(Buffer.byteLength(name), 22);
    parts.push(Buffer.from("PK\x03\x04", "latin1"), common, Buffer.from(name), packed);
    directory.push(
      directoryRecord({
        name,
        common,
        offset,
        sizeBytes: bytes.length,
        packedBytes: packed.length,
        wide: options.wide,
      }),
    );
    offset += 30 + Buffer.byteLength(name) + packed.length;
  }
  const listing = Buffer.concat(directory);
  return Buffer.concat([
    ...parts,
    listing,
    ...(options.wide ? [wideEnd(files.length, listing.length, offset)] : []),
    plainEnd(files.length, listing.length, offset),
  ]);
}

interface Placed {
  readonly name: string;
  readonly common: Buffer;
  readonly offset: number;
  readonly sizeBytes: number;
  readonly packedBytes: number;
  readonly wide: boolean;
}

function directoryRecord({ name, common, offset, sizeBytes, packedBytes, wide }: Placed): Buffer {
  const extra = Buffer.alloc(wide ? 28 : 0);
  const head = Buffer.alloc(46);
  head.write("PK\x01\x02", "latin1");
  common.copy(head, 6);
  if (wide) {
    extra.writeUInt16LE(1, 0);
    extra.writeUInt16LE(24, 2);
    for (const [index, value] of [sizeBytes, packedBytes, offset].entries())
      extra.writeBigUInt64LE(BigInt(value), 4 + index * 8);
    head.writeUInt32LE(0xffff_ffff, 20);
    head.writeUInt32LE(0xffff_ffff, 24);
    head.writeUInt16LE(extra.length, 30);
  }
  head.writeUInt32LE(wide ? 0xffff_ffff : offset, 42);
  return Buffer.concat([head, Buffer.from(name), extra]);
}

function plainEnd(count: number, sizeBytes: number, offset: number): Buffer {
  const end = Buffer.alloc(22);
  end.write("PK\x05\x06", "latin1");
  end.writeUInt16LE(count, 8);
  end.writeUInt16LE(count, 10);
  end.writeUInt32LE(sizeBytes, 12);
  end.writeUInt32LE(offset, 16);
  return end;
}

function wideEnd(count: number, sizeBytes: number, offset: number): Buffer {
  const end = Buffer.alloc(76);
  end.write("PK\x06\x06", "latin1");
  end.writeBigUInt64LE(44n, 4);
  for (const [index, value] of [count, count, sizeBytes, offset].entries())
    end.writeBigUInt64LE(BigInt(value), 24 + index * 8);
  end.write("PK\x06\x07", 56, "latin1");
  end.writeBigUInt64LE(BigInt(offset + sizeBytes), 64);
  end.writeUInt32LE(1, 72);
  return end;
}
