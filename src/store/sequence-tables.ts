/** The highest number that was ever given in a numbered table. */
interface NumberSequencesTable {
  /** The name of the table. */
  readonly name: string;
  value: number;
}

/** The table of sequences. */
export interface SequenceTables {
  number_sequences: NumberSequencesTable;
}
