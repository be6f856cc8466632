/** The built-in administrator, a person or a robot. */
interface AccountsTable {
  readonly name: string;
  /** Counts up; Harbor's clients name accounts by it. */
  readonly number: number;
  readonly kind: "administrator" | "person" | "robot";
  /** `scrypt$<log2 N>$<r>$<p>$<salt>$<hash>`, both base64url; null where a directory keeps the password. */
  secret_hash: string | null;
  /** How a made secret begins, to tell it from the one before it; null for secrets that people chose. */
  secret_hint: string | null;
  /** The secret before the last rotation, good until `old_secret_until`. */
  old_secret_hash: string | null;
  old_secret_hint: string | null;
  old_secret_until: number | null;
  /** JSON array of permissions of a robot; empty for people, whose roles stand with the projects. */
  permissions: string;
  /** The project that a robot belongs to; null for robots of the whole system, and for people. */
  readonly project: string | null;
  is_system_admin: number;
  email: string | null;
  description: string;
  readonly origin: "local" | "ldap" | "oidc";
  readonly external_id: string | null;
  readonly created_at: number;
  readonly created_by: string;
  /** Instant from which the account is refused; null never. */
  expires_at: number | null;
  /** The nearest of 30, 7 and 1 days before its end that was warned of. */
  warned_days: number | null;
  last_used_at: number | null;
  disabled: number;
}

/** A group of accounts; the members of an external one come with each sign-in. */
interface AccountGroupsTable {
  readonly name: string;
  readonly number: number;
  readonly kind: "local" | "external";
  readonly created_at: number;
  readonly created_by: string;
}

/** That an account is in a group; counts only where a group of that name and kind exists. */
interface GroupMembersTable {
  readonly group_name: string;
  readonly kind: "local" | "external";
  readonly account: string;
}

/** A token that a person made for themselves. */
interface PersonalTokensTable {
  readonly id: string;
  readonly account: string;
  readonly label: string;
  /** SHA-256 in hex: the secret is random, so that no slow hash is needed. */
  readonly secret_hash: string;
  /** JSON array of project names; empty for all. */
  projects: string;
  /** JSON array of project actions; empty for all. */
  readonly actions: string;
  readonly administrates: number;
  readonly created_at: number;
  readonly expires_at: number;
  last_used_at: number | null;
}

/** The tables of accounts. */
export interface AccountTables {
  accounts: AccountsTable;
  account_groups: AccountGroupsTable;
  group_members: GroupMembersTable;
  personal_tokens: PersonalTokensTable;
}
