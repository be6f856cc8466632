import type { ProjectAction } from "./permission.ts";

/** Actions on the repositories that a pattern names; the auth room says which patterns there are. */
export interface Permission {
  readonly repository: string;
  readonly actions: readonly ProjectAction[];
}
