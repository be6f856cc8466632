import { Failure } from "../base/errors.ts";

/** One part of a form while it is read; its body is read, or left, before the next part is asked for. */
export interface FormPart {
  /** Of its `Content-Disposition`; empty where it has none. */
  readonly name: string;
  readonly fileName: string | undefined;
  readonly body: AsyncIterable<Buffer>;
}

/** Headers of one part. */
const headerBytes = 16 * 1024;

/** Parts of one form. */
const partLimit = 1000;

/**
 * Reads a `multipart/form-data` body as a stream; no part is held in memory.
 *
 * Source: RFC 7578, RFC 2046 section 5.1.1.
 *
 * @throws Failure `usage` where the body is not such a form
 */
export async function* readForm(
  body: AsyncIterable<Uint8Array>,
  contentType: string | undefined,
): AsyncGenerator<FormPart> {
  const boundary = boundaryOf(contentType);
  if (boundary === undefined) throw malformed("its Content-Type names no boundary");
  const source = new PieceReader(body);
  // Before the first delimiter anything may stand; the line break before it belongs to it, save at the very beginning.
  source.unread(Buffer.from("\r\n"));
  const delimiter = Buffer.from(`\r\n--${boundary}`, "latin1");
  await drain(source.until(delimiter));
  for (let count = 0; ; count++) {
    const line = await source.lineAfterDelimiter();
    if (line === "--") return;
    if (line !== "" || count >= partLimit) throw malformed(line === "" ? "it has too many parts" : "a line is wrong");
    const headers = (await source.headers()).toString("utf8");
    const content = source.until(delimiter);
    yield { ...dispositionOf(headers), body: content };
    await drain(content);
  }
}

/** Reads the text of a part. @throws Failure `too_large` */
export async function partText(part: FormPart, limitBytes: number): Promise<string> {
  const pieces: Buffer[] = [];
  let sizeBytes = 0;
  for await (const piece of part.body) {
    sizeBytes += piece.length;
    if (sizeBytes > limitBytes)
      throw new Failure("too_large", `Cannot take the field "${part.name}": it is larger than ${limitBytes} bytes`);
    pieces.push(piece);
  }
  return Buffer.concat(pieces).toString("utf8");
}

function boundaryOf(contentType: string | undefined): string | undefined {
  const found = /^multipart\/form-data\s*;(?:.*;)?\s*boundary=(?:"([^"]{1,70})"|([^\s;"]{1,70}))/i.exec(
    contentType ?? "",
  );
  return found?.[1] ?? found?.[2];
}

function dispositionOf(headers: string): { name: string; fileName: string | undefined } {
  const line = /^content-disposition:\s*(.*)$/im.exec(headers)?.[1] ?? "";
  const parameter = (name: string): string | undefined => {
    const found = new RegExp(`;\\s*${name}=(?:"((?:[^"\\\\]|\\\\.)*)"|([^\\s;"]*))`, "i").exec(line);
    return found?.[1]?.replaceAll(/\\(.)/g, "$1") ?? found?.[2];
  };
  return { name: parameter("name") ?? "", fileName: parameter("filename") };
}

async function drain(pieces: AsyncIterable<Buffer>): Promise<void> {
  for await (const piece of pieces) void piece;
}

/** Hands out the bytes up to marks, whatever pieces they come in. */
class PieceReader {
  readonly #source: AsyncIterator<Uint8Array>;
  #held: Buffer = Buffer.alloc(0);

  constructor(body: AsyncIterable<Uint8Array>) {
    this.#source = body[Symbol.asyncIterator]();
  }

  unread(bytes: Buffer): void {
    this.#held = Buffer.concat([bytes, this.#held]);
  }

  /** The bytes before a mark; the mark itself is passed over. Asked for again at its end it has nothing. */
  until(mark: Buffer): AsyncIterable<Buffer> & { next(): Promise<IteratorResult<Buffer>> } {
    let isDone = false;
    const next = async (): Promise<IteratorResult<Buffer>> => {
      for (;;) {
        if (isDone) return { done: true, value: undefined };
        const at = this.#held.indexOf(mark);
        if (at >= 0) {
          isDone = true;
          const value = this.#held.subarray(0, at);
          this.#held = this.#held.subarray(at + mark.length);
          if (value.length > 0) return { done: false, value };
          continue;
        }
        const safeBytes = this.#held.length - mark.length + 1;
        if (safeBytes > 0) {
          const value = this.#held.subarray(0, safeBytes);
          this.#held = this.#held.subarray(safeBytes);
          return { done: false, value };
        }
        await this.#more();
      }
    };
    return { next, [Symbol.asyncIterator]: () => ({ next }) };
  }

  /** What stands on the line of a delimiter after it: nothing, or `--` at the end of the form. */
  async lineAfterDelimiter(): Promise<string> {
    while (this.#held.length < 2) await this.#more();
    if (this.#held.toString("latin1", 0, 2) === "--") return "--";
    return (await this.#through("\r\n")).toString("latin1").trimEnd();
  }

  async headers(): Promise<Buffer> {
    this.unread(Buffer.from("\r\n"));
    return await this.#through("\r\n\r\n");
  }

  async #through(mark: string): Promise<Buffer> {
    for (;;) {
      const at = this.#held.indexOf(mark, 0, "latin1");
      if (at >= 0) {
        const before = this.#held.subarray(0, at);
        this.#held = this.#held.subarray(at + mark.length);
        return before;
      }
      if (this.#held.length > headerBytes) throw malformed("the headers of a part are too long");
      await this.#more();
    }
  }

  async #more(): Promise<void> {
    const piece = await this.#source.next();
    if (piece.done === true) throw malformed("it ends before its last boundary");
    const bytes = Buffer.from(piece.value.buffer, piece.value.byteOffset, piece.value.byteLength);
    this.#held = this.#held.length === 0 ? bytes : Buffer.concat([this.#held, bytes]);
  }
}

function malformed(state: string): Failure {
  return new Failure("usage", `Cannot read the form: ${state}`);
}
