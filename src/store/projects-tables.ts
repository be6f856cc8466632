/** A project: the first element of repository names. */
interface ProjectsTable {
  /** Counts up; Harbor's clients name projects by it. */
  readonly id: number;
  readonly name: string;
  is_public: number;
  /** JSON object; each feature keeps its own key. */
  settings: string;
  readonly created_at: number;
  readonly created_by: string;
}

/** That an account or group has a role in a project. */
interface ProjectMembersTable {
  readonly id: number;
  readonly project: string;
  readonly subject_kind: "account" | "group";
  readonly subject: string;
  role: string;
  readonly created_at: number;
  readonly created_by: string;
}

/** A role beside the built-in ones. */
interface RolesTable {
  readonly name: string;
  /** JSON array of project actions. */
  actions: string;
  readonly description: string;
  readonly created_at: number;
  readonly created_by: string;
}

/** One row that counts changes of rights: what was derived from an older count is read again. */
interface AccessGenerationTable {
  readonly id: number;
  value: number;
}

/** The tables of projects. */
export interface ProjectTables {
  projects: ProjectsTable;
  project_members: ProjectMembersTable;
  roles: RolesTable;
  access_generation: AccessGenerationTable;
}
