/** The tables of events. */
export type EventTables = object;
