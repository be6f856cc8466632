/** What an account may do with a repository; `build` is the right to have images built into it. */
type Action = "pull" | "push" | "delete" | "build";

/** Actions on the repositories that a pattern names; the auth room says which patterns there are. */
export interface Permission {
  readonly repository: string;
  readonly actions: readonly Action[];
}
