/** Something that is due again and again. */
interface SchedulesTable {
  readonly name: string;
  cron: string;
  /** The last instant that was served; a later one that passed while nothing ran is caught up with once. */
  last_at: number;
}

/** The table of schedules. */
export interface ScheduleTables {
  schedules: SchedulesTable;
}
