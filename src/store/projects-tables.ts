/** The tables of projects. */
export type ProjectTables = object;
