import { z } from "zod";
import { canonicalJson } from "../base/json.ts";
import { digestHex, type Digest } from "../model/digest.ts";
import { parseJson } from "./manifest-form.ts";

/** An in-toto Statement v1: a predicate about the image with a digest. */
export interface Statement {
  readonly subjects: readonly {
    readonly name: string | undefined;
    readonly digests: Readonly<Record<string, string>>;
  }[];
  readonly predicateType: string;
  readonly predicate: unknown;
}

/**
 * Makes the bytes of a statement about an image, or about an index and one of its images; equal input gives equal bytes.
 *
 * Source: in-toto attestation framework, spec/v1/statement.md.
 */
export function statementBytes(input: {
  name?: string;
  subjects: readonly Digest[];
  predicateType: string;
  predicate: unknown;
}): Buffer {
  return Buffer.from(
    canonicalJson({
      _type: "https://in-toto.io/Statement/v1",
      subject: input.subjects.map((digest) => ({
        name: input.name,
        digest: { [digest.slice(0, 6)]: digestHex(digest) },
      })),
      predicateType: input.predicateType,
      predicate: input.predicate,
    }),
  );
}

const statementForm = z.object({
  // cosign 2 still writes v0.1; the members that we read are the same.
  _type: z.enum(["https://in-toto.io/Statement/v1", "https://in-toto.io/Statement/v0.1"]),
  subject: z.array(z.object({ name: z.string().exactOptional(), digest: z.record(z.string(), z.string()) })).min(1),
  predicateType: z.string().min(1),
  predicate: z.unknown(),
});

/** Reads a statement; undefined where the bytes are none. */
export function parseStatement(bytes: Uint8Array): Statement | undefined {
  const parsed = statementForm.safeParse(parseJson(bytes));
  if (!parsed.success) return undefined;
  const { subject, predicateType, predicate } = parsed.data;
  return { subjects: subject.map(({ name, digest }) => ({ name, digests: digest })), predicateType, predicate };
}

/** Whether a statement is about the image with the digest. */
export function isAbout(statement: Statement, image: Digest): boolean {
  return statement.subjects.some(({ digests }) => digests[image.slice(0, 6)] === digestHex(image));
}
