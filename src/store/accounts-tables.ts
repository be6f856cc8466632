/** The administrator or a robot. */
interface AccountsTable {
  readonly name: string;
  readonly kind: "administrator" | "robot";
  /** `scrypt$<log2 N>$<r>$<p>$<salt>$<hash>`, both base64url. */
  secret_hash: string;
  /** JSON array of permissions; empty for the administrator, who may do everything. */
  permissions: string;
  readonly created_at: number;
  readonly created_by: string;
  /** Instant from which the account is refused; null never. */
  expires_at: number | null;
  disabled: number;
}

/** Something that was changed or refused. Rows are only ever added. */
interface EventsTable {
  readonly id: string;
  readonly at: number;
  readonly actor: string;
  /** `robot.created`, `image.deleted` … */
  readonly action: string;
  /** What it was done to: an account's name, `repository@digest`. */
  readonly subject: string;
  /** JSON object, never with secrets. */
  readonly details: string;
}

/** The tables of accounts and of the audit trail. */
export interface AccountTables {
  accounts: AccountsTable;
  events: EventsTable;
}
