/** The tables of collection. */
export type CollectionTables = object;
