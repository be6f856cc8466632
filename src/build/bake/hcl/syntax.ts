/** A value of an expression. */
export type Value = string | number | boolean | null | readonly Value[] | { readonly [key: string]: Value };

/** An expression as it is written. */
export type Expression =
  | { readonly kind: "literal"; readonly value: string | number | boolean | null }
  | { readonly kind: "template"; readonly parts: readonly Expression[] }
  | { readonly kind: "name"; readonly name: string; readonly place: string }
  | { readonly kind: "index"; readonly of: Expression; readonly at: Expression; readonly place: string }
  | { readonly kind: "splat"; readonly of: Expression; readonly names: readonly string[] }
  | {
      readonly kind: "call";
      readonly name: string;
      readonly args: readonly Expression[];
      readonly spreads: boolean;
      readonly place: string;
    }
  | { readonly kind: "list"; readonly items: readonly Expression[] }
  | { readonly kind: "map"; readonly entries: readonly (readonly [key: Expression, value: Expression])[] }
  | { readonly kind: "for"; readonly loop: Loop }
  | { readonly kind: "choice"; readonly condition: Expression; readonly yes: Expression; readonly no: Expression }
  | { readonly kind: "unary"; readonly operator: "!" | "-"; readonly of: Expression }
  | {
      readonly kind: "binary";
      readonly operator: string;
      readonly left: Expression;
      readonly right: Expression;
      readonly place: string;
    };

/** `[for k, v in xs : value if condition]`, or with a key and `{}` a map. */
export interface Loop {
  readonly names: readonly string[];
  readonly over: Expression;
  /** Where given, the result is a map. */
  readonly key: Expression | undefined;
  readonly value: Expression;
  readonly condition: Expression | undefined;
  /** Whether values of one key are gathered in a list. */
  readonly groups: boolean;
}

/** `name = expression`. */
export interface Attribute {
  readonly name: string;
  readonly value: Expression;
  readonly place: string;
}

/** `type "label" { … }`. */
export interface Block {
  readonly type: string;
  readonly labels: readonly string[];
  readonly body: Body;
  readonly place: string;
}

/** What stands in a file or between braces. */
export interface Body {
  readonly attributes: readonly Attribute[];
  readonly blocks: readonly Block[];
}
