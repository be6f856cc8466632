import type { DenialAnswer } from "../format.ts";

/** A denial with its reason in the status line: all that mvn and gradle print of an answer. */
export function deny({ status, message }: { readonly status: number; readonly message: string }): DenialAnswer {
  return { status, mediaType: "text/plain; charset=UTF-8", body: `${message}\n`, statusText: statusTextOf(message) };
}

/** A reason as it can stand in a status line: printable ASCII, not too long. */
export function statusTextOf(reason: string): string {
  return reason.replaceAll(/[^\x21-\x7e]+/g, " ").slice(0, 500);
}
