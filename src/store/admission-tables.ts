/** The tables of admission. */
export type AdmissionTables = object;
