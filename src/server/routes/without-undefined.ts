/** What a value is without members that are `undefined`: zod writes those that are left out so. */
type WithoutUndefined<Value> = { [Key in keyof Value]: Exclude<Value[Key], undefined> };

/** Drops members that are `undefined`, for those who take "not there" and "undefined" for two things. */
export function withoutUndefined<Value extends object>(value: Value): WithoutUndefined<Value> {
  const kept = Object.entries(value).filter(([, member]) => member !== undefined);
  return Object.fromEntries(kept) as WithoutUndefined<Value>;
}
