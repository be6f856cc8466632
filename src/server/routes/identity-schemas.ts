import { z } from "zod";
import { projectActions } from "../../model/permission.ts";

const instant = z.string().describe("ISO 8601 in UTC");
const end = z.iso.datetime({ offset: true });
const name = z.string().min(1).max(200);
const projectName = z.string().min(1).max(255);
const action = z.enum(projectActions);
const actions = z.array(action).readonly();
const secret = z.string().describe("Told once");

/** A project: the first element of the names of its repositories. */
export const projectSchema = z
  .object({
    id: z.int(),
    name: projectName,
    isPublic: z.boolean().describe("Whether everybody may list and pull"),
    createdAt: instant,
    createdBy: z.string(),
    may: actions.describe("What the caller may do in the whole project"),
  })
  .meta({ id: "Project" });
/** The projects that the caller sees, by name. */
export const projectListSchema = z.object({ projects: z.array(projectSchema) }).meta({ id: "ProjectList" });
/** A project to make. */
export const newProjectSchema = z
  .strictObject({ name: projectName, isPublic: z.boolean().default(false) })
  .meta({ id: "NewProject" });
/** Who may see a project. */
export const visibilitySchema = z.strictObject({ isPublic: z.boolean() }).meta({ id: "Visibility" });

/** When the robots of a new project end. */
export const newBootstrapSchema = z.strictObject({ expiresAt: end }).meta({ id: "NewBootstrap" });
/** What a bootstrap made; a robot that was there keeps its secret. */
export const bootstrapSchema = z
  .object({
    robots: z.array(z.object({ name: z.string(), role: z.string(), secret: secret.optional() })).readonly(),
  })
  .meta({ id: "Bootstrap" });

const memberFields = {
  kind: z.enum(["account", "group"]),
  name: name.describe("The name of the account or group"),
  role: name.describe("A built-in or custom role"),
};
/** That an account or group has a role in a project. */
export const memberSchema = z
  .object({ id: z.int(), ...memberFields, createdAt: instant, createdBy: z.string() })
  .meta({ id: "Member" });
/** The members of a project by kind and name. */
export const memberListSchema = z.object({ members: z.array(memberSchema) }).meta({ id: "MemberList" });
/** Who is to have which role. */
export const newMemberSchema = z.strictObject(memberFields).meta({ id: "NewMember" });

/** A role with what it allows. */
export const roleSchema = z
  .object({ name: z.string(), actions, description: z.string(), isBuiltIn: z.boolean() })
  .meta({ id: "Role" });
/** The built-in roles, then the custom ones by name. */
export const roleListSchema = z.object({ roles: z.array(roleSchema) }).meta({ id: "RoleList" });
/** A role to make. */
export const newRoleSchema = z
  .strictObject({
    name,
    actions: z.array(action).min(1).max(projectActions.length),
    description: z.string().max(500).default(""),
  })
  .meta({ id: "NewRole" });

/** A person's account; never its password. */
export const accountSchema = z
  .object({
    name: z.string(),
    id: z.int(),
    email: z.string().optional(),
    isSystemAdmin: z.boolean(),
    origin: z.enum(["local", "ldap", "oidc"]).describe("Where its password is kept"),
    disabled: z.boolean(),
    createdAt: instant,
    createdBy: z.string(),
    lastUsedAt: instant.optional(),
  })
  .meta({ id: "Account" });
/** The accounts of people by name. */
export const accountListSchema = z.object({ accounts: z.array(accountSchema) }).meta({ id: "AccountList" });
const password = z.string().min(1).max(256);
/** An account to make; without a password one is made. */
export const newAccountSchema = z
  .strictObject({
    name,
    email: z.string().max(254).optional(),
    password: password.optional(),
    isSystemAdmin: z.boolean().default(false),
  })
  .meta({ id: "NewAccount" });
/** The password where the server made one. */
export const createdAccountSchema = z
  .object({ name: z.string(), password: secret.optional() })
  .meta({ id: "CreatedAccount" });
/** What is to change of an account. */
export const accountChangeSchema = z
  .strictObject({
    email: z.string().max(254).optional().describe("Empty for none"),
    isSystemAdmin: z.boolean().optional(),
    disabled: z.boolean().optional(),
  })
  .meta({ id: "AccountChange" });
/** A new password; who changes their own shows the one before. */
export const passwordChangeSchema = z
  .strictObject({
    password: password.optional().describe("One is made where it is absent"),
    currentPassword: password.optional(),
  })
  .meta({ id: "PasswordChange" });

/** A group with its members. */
const groupSchema = z
  .object({
    name: z.string(),
    id: z.int(),
    kind: z.enum(["local", "external"]).describe("The members of an external group come with each sign-in"),
    members: z.array(z.string()).readonly(),
    createdAt: instant,
    createdBy: z.string(),
  })
  .meta({ id: "Group" });
/** All groups by name. */
export const groupListSchema = z.object({ groups: z.array(groupSchema) }).meta({ id: "GroupList" });
/** A group to make. */
export const newGroupSchema = z
  .strictObject({ name, kind: z.enum(["local", "external"]).default("local") })
  .meta({ id: "NewGroup" });
/** Who goes into a group. */
export const groupMemberSchema = z.strictObject({ account: name }).meta({ id: "GroupMember" });

const permission = z.object({
  repository: z
    .string()
    .min(1)
    .max(260)
    .describe("A repository, team/* for all below team, team/** for the whole project, or * for every one"),
  actions,
});
/** A robot; never its secret. */
export const robotSchema = z
  .object({
    name: z.string(),
    id: z.int(),
    project: z.string().optional().describe("The project that it belongs to; absent for robots of the whole system"),
    description: z.string(),
    permissions: z.array(permission).readonly(),
    createdAt: instant,
    createdBy: z.string(),
    expiresAt: instant.optional().describe("Absent for a robot without an end"),
    lastUsedAt: instant.optional(),
    oldSecretUntil: instant.optional().describe("Until when the secret before the last rotation is good"),
    state: z.enum(["active", "disabled", "expired"]),
  })
  .meta({ id: "Robot" });
/** Robots by name, ended ones too. */
export const robotListSchema = z.object({ robots: z.array(robotSchema) }).meta({ id: "RobotList" });
const robotEnd = end.nullable().describe("Null for never, which is the administrator's to say");
const permissions = z.array(permission).max(100);
/** A robot to make. */
export const newRobotSchema = z
  .strictObject({
    name: z.string().min(1).max(320),
    project: projectName.optional().describe("Makes a robot of that project, whose permissions lie in it"),
    description: z.string().max(500).default(""),
    permissions: permissions.default([]),
    mayBuild: z.boolean().default(false).describe("Short for the action build in every repository"),
    expiresAt: robotEnd,
  })
  .meta({ id: "NewRobot" });
/** A new robot's full name and its secret. */
export const createdRobotSchema = z.object({ name: z.string(), secret }).meta({ id: "CreatedRobot" });
/** What is to change of a robot. */
export const robotChangeSchema = z
  .strictObject({
    description: z.string().max(500).optional(),
    permissions: permissions.optional(),
    expiresAt: robotEnd.optional(),
    disabled: z.boolean().optional(),
  })
  .meta({ id: "RobotChange" });
/** How long the old secret stays good beside the new one. */
export const newRotationSchema = z
  .strictObject({
    overlapSeconds: z
      .int()
      .min(0)
      .max(30 * 86_400)
      .default(86_400),
  })
  .meta({ id: "NewRotation" });
/** A robot's new secret. */
export const rotationSchema = z.object({ secret, oldSecretUntil: instant.optional() }).meta({ id: "Rotation" });

const tokenFields = {
  label: z.string().trim().min(1).max(100),
  projects: z.array(projectName).max(100).readonly(),
  actions,
  administrates: z.boolean().describe("Whether it carries the right to administrate the whole system"),
};
/** A personal token; never its secret. */
const tokenSchema = z
  .object({
    id: z.string(),
    account: z.string(),
    ...tokenFields,
    createdAt: instant,
    expiresAt: instant,
    lastUsedAt: instant.optional(),
  })
  .meta({ id: "PersonalToken" });
/** Personal tokens, the oldest first. */
export const tokenListSchema = z.object({ tokens: z.array(tokenSchema) }).meta({ id: "PersonalTokenList" });
/** A personal token to make; empty lists allow all that its owner may. */
export const newTokenSchema = z
  .strictObject({
    account: name.optional().describe("The administrator may make tokens for others"),
    label: tokenFields.label,
    projects: tokenFields.projects.default([]),
    actions: actions.default([]),
    administrates: z.boolean().default(false),
    expiresAt: end,
  })
  .meta({ id: "NewPersonalToken" });
/** The name and the secret of a new personal token. */
export const createdTokenSchema = z.object({ id: z.string(), secret }).meta({ id: "CreatedPersonalToken" });

/** Who the caller is, and what it may. */
export const whoamiSchema = z
  .object({
    name: z.string(),
    role: z.enum(["anonymous", "robot", "person", "administrator"]),
    groups: z.array(z.string()).readonly(),
    isToken: z.boolean().describe("Whether a token stands for the account"),
    endsAt: instant.optional(),
    projects: z.array(z.object({ name: z.string(), isPublic: z.boolean(), may: actions })),
  })
  .meta({ id: "Whoami" });
