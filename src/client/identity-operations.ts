import type {
  Account,
  AccountChange,
  AccountList,
  Bootstrap,
  CreatedAccount,
  CreatedPersonalToken,
  CreatedRobot,
  GroupList,
  GroupMember,
  Member,
  MemberList,
  NewAccount,
  NewGroup,
  NewMember,
  NewPersonalToken,
  NewProject,
  NewRobot,
  NewRole,
  PersonalTokenList,
  Project,
  ProjectList,
  Removal,
  Robot,
  RobotChange,
  RobotList,
  Role,
  RoleList,
  Rotation,
  Whoami,
} from "./api-types.ts";
import type { ApiRequest } from "./transport.ts";

/** The operations about projects, people, machines and what they may do. */
export interface IdentityOperations {
  whoami(): Promise<Whoami>;
  projects(): Promise<ProjectList>;
  project(name: string): Promise<Project>;
  createProject(project: NewProject): Promise<Project>;
  setProjectPublic(name: string, isPublic: boolean): Promise<Project>;
  deleteProject(name: string): Promise<Removal>;
  /** @param expiresAt of the robots, ISO 8601 */
  bootstrapProject(name: string, expiresAt: string): Promise<Bootstrap>;
  members(project: string): Promise<MemberList>;
  putMember(project: string, member: NewMember): Promise<Member>;
  removeMember(project: string, id: number): Promise<Removal>;
  roles(): Promise<RoleList>;
  createRole(role: NewRole): Promise<Role>;
  deleteRole(name: string): Promise<Removal>;
  accounts(): Promise<AccountList>;
  createAccount(account: NewAccount): Promise<CreatedAccount>;
  changeAccount(name: string, change: AccountChange): Promise<Account>;
  /** Without a password one is made. */
  setPassword(name: string, password?: string): Promise<CreatedAccount>;
  deleteAccount(name: string): Promise<Removal>;
  groups(): Promise<GroupList>;
  createGroup(group: NewGroup): Promise<NewGroup>;
  deleteGroup(name: string): Promise<Removal>;
  addGroupMember(group: string, account: string): Promise<GroupMember>;
  removeGroupMember(group: string, account: string): Promise<Removal>;
  robots(project?: string): Promise<RobotList>;
  createRobot(robot: NewRobot): Promise<CreatedRobot>;
  changeRobot(name: string, change: RobotChange): Promise<Robot>;
  rotateRobot(name: string, overlapSeconds?: number): Promise<Rotation>;
  deleteRobot(name: string): Promise<Removal>;
  tokens(account?: string): Promise<PersonalTokenList>;
  createToken(token: NewPersonalToken): Promise<CreatedPersonalToken>;
  revokeToken(id: string): Promise<Removal>;
}

/** The operations about identity, over what sends requests and reads JSON. */
export function identityOperations(json: <Answer>(request: ApiRequest) => Promise<Answer>): IdentityOperations {
  const get = <Answer>(path: string): Promise<Answer> => json({ method: "GET", path: `/api/v1${path}` });
  const post = <Answer>(path: string, body: unknown): Promise<Answer> =>
    json({ method: "POST", path: `/api/v1${path}`, body });
  const remove = (path: string): Promise<Removal> => json({ method: "DELETE", path: `/api/v1${path}` });
  const at = (kind: string, name: string): string => `/${kind}/${encodeURIComponent(name)}`;
  return {
    whoami: () => get("/whoami"),
    projects: () => get("/projects"),
    project: (name) => get(at("projects", name)),
    createProject: (project) => post("/projects", project),
    setProjectPublic: (name, isPublic) => post(`${at("projects", name)}/visibility`, { isPublic }),
    deleteProject: (name) => remove(at("projects", name)),
    bootstrapProject: (name, expiresAt) => post(`${at("projects", name)}/bootstrap`, { expiresAt }),
    members: (project) => get(`${at("projects", project)}/members`),
    putMember: (project, member) => post(`${at("projects", project)}/members`, member),
    removeMember: (project, id) => remove(`${at("projects", project)}/members/${id}`),
    roles: () => get("/roles"),
    createRole: (role) => post("/roles", role),
    deleteRole: (name) => remove(at("roles", name)),
    accounts: () => get("/accounts"),
    createAccount: (account) => post("/accounts", account),
    changeAccount: (name, change) => post(at("accounts", name), change),
    setPassword: (name, password) =>
      post(`${at("accounts", name)}/password`, password === undefined ? {} : { password }),
    deleteAccount: (name) => remove(at("accounts", name)),
    groups: () => get("/groups"),
    createGroup: (group) => post("/groups", group),
    deleteGroup: (name) => remove(at("groups", name)),
    addGroupMember: (group, account) => post(`${at("groups", group)}/members`, { account }),
    removeGroupMember: (group, account) => remove(`${at("groups", group)}/members/${encodeURIComponent(account)}`),
    robots: (project) => get(project === undefined ? "/robots" : `/robots?project=${encodeURIComponent(project)}`),
    createRobot: (robot) => post("/robots", robot),
    changeRobot: (name, change) => post(at("robots", name), change),
    rotateRobot: (name, overlapSeconds) =>
      post(`${at("robots", name)}/rotate`, overlapSeconds === undefined ? {} : { overlapSeconds }),
    deleteRobot: (name) => remove(at("robots", name)),
    tokens: (account) => get(account === undefined ? "/tokens" : `/tokens?account=${encodeURIComponent(account)}`),
    createToken: (token) => post("/tokens", token),
    revokeToken: (id) => remove(at("tokens", id)),
  };
}
