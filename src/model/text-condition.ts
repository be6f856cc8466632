/** One condition on a text: exactly it, a part of it in either case, or any of some. */
export type TextCondition =
  | { readonly kind: "equal" | "like"; readonly value: string }
  | { readonly kind: "any"; readonly values: readonly string[] };
