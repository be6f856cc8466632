import type { DenialAnswer, WriteRefusal } from "../format.ts";

/** A "no" in plain words: pip and twine show what stands after the status, uv the body. */
export function deny({
  status,
  message,
}: {
  status: number;
  message: string;
}): Required<Omit<DenialAnswer, "headers">> {
  const statusText = message.replaceAll(/[^\x20-\x7e]/g, "?").slice(0, 500);
  return { status, mediaType: "text/plain; charset=utf-8", body: `${message}\n`, statusText };
}

/** A write that is not taken. */
export function refuse(status: number, reason: string): WriteRefusal {
  return { refused: true, ...deny({ status, message: reason }) };
}
