/** The tables of replication. */
export type ReplicationTables = object;
