/** The tables of lifetime. */
export type LifetimeTables = object;
