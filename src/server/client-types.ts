interface JsonSchema {
  readonly $ref?: string;
  readonly type?: string | readonly string[];
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: boolean | JsonSchema;
  readonly propertyNames?: JsonSchema;
  readonly items?: JsonSchema;
  readonly anyOf?: readonly JsonSchema[];
  readonly oneOf?: readonly JsonSchema[];
  readonly pattern?: string;
  readonly description?: string;
}

/** The schemas that the client names; what these refer to comes along unexported. */
const roots = [
  "About",
  "AcceptedBuild",
  "AcceptedJob",
  "Account",
  "AccountChangeInput",
  "AccountList",
  "AddedRule",
  "AdvisoryImport",
  "AuditEvent",
  "AuditPage",
  "AuditVerification",
  "BackupList",
  "BackupPlaceInput",
  "Bootstrap",
  "Build",
  "Cancellation",
  "CollectionPlan",
  "CollectionRunList",
  "CreatedAccount",
  "CreatedPersonalToken",
  "CreatedRobot",
  "CreatedWebhook",
  "Detection",
  "DetectionWishInput",
  "Exception",
  "ExceptionList",
  "Explanation",
  "FeedList",
  "GroupList",
  "GroupMemberInput",
  "Hold",
  "HoldPage",
  "Image",
  "ImageDifference",
  "ImageList",
  "ImageReports",
  "Job",
  "JobEvent",
  "JobList",
  "JobRevival",
  "LifetimeRules",
  "LockChange",
  "Member",
  "MemberList",
  "Mirror",
  "MirrorChangeInput",
  "MirrorCheck",
  "MirrorCheckWishInput",
  "MirrorClients",
  "MirrorException",
  "MirrorExceptionList",
  "MirrorFindingList",
  "MirrorList",
  "MirrorPolicy",
  "MirrorRules",
  "MirrorRulesChangeInput",
  "MovedTag",
  "NewAccountInput",
  "NewBackupInput",
  "NewBuildInput",
  "NewCollectionInput",
  "NewExceptionInput",
  "NewExportInput",
  "NewGroupInput",
  "NewHoldInput",
  "NewHoldRuleInput",
  "NewImmutableRuleInput",
  "NewImportInput",
  "NewMemberInput",
  "NewMirrorCleaningInput",
  "NewMirrorExceptionInput",
  "NewMirrorExportInput",
  "NewMirrorImportInput",
  "NewMirrorInput",
  "NewMirrorPrefetchInput",
  "NewPeerInput",
  "NewPersonalTokenInput",
  "NewProjectInput",
  "NewProjectProxyInput",
  "NewPullGateInput",
  "NewReplicationRuleInput",
  "NewRobotInput",
  "NewRoleInput",
  "NewScrubInput",
  "NewWebhookInput",
  "Peer",
  "PeerChangeInput",
  "PeerCheck",
  "PeerList",
  "PersonalTokenList",
  "Problem",
  "Project",
  "ProjectGate",
  "ProjectList",
  "ProjectProxy",
  "ProjectProxyList",
  "PullVerdict",
  "QueuedScans",
  "Quota",
  "QuotaPage",
  "Removal",
  "ReplicationExecution",
  "ReplicationExecutionList",
  "ReplicationRule",
  "ReplicationRuleList",
  "ReplicationTaskPage",
  "RestoreWishInput",
  "Restored",
  "Retention",
  "RetentionOutcomePage",
  "RetentionRun",
  "RetentionRunPage",
  "Robot",
  "RobotChangeInput",
  "RobotList",
  "Role",
  "RoleList",
  "Rotation",
  "RunEvent",
  "ScanLog",
  "ScanPage",
  "ScanReport",
  "StartedReplication",
  "StoppedReplication",
  "TagHistory",
  "TagPage",
  "TagRestoreInput",
  "TagUndoInput",
  "Trash",
  "Verdict",
  "Verification",
  "Webhook",
  "WebhookDeliveryList",
  "WebhookList",
  "Whoami",
];

/**
 * The TypeScript types of the API's schemas, for the client room, which may not import the server.
 *
 * A test keeps src/client/api-types.ts equal to this text, so a changed schema is a changed client.
 */
export function clientTypes(document: string): string {
  const { components } = JSON.parse(document) as { components: { schemas: Record<string, JsonSchema> } };
  const reached = new Set<string>();
  for (const queue = [...roots]; queue.length > 0;) {
    const name = queue.pop()!;
    if (reached.has(name)) continue;
    reached.add(name);
    queue.push(
      ...JSON.stringify(components.schemas[name])
        .matchAll(/#\/components\/schemas\/(\w+)/g)
        .map((match) => match[1]!),
    );
  }
  const declarations = [...reached].toSorted().map((name) => declaration(name, components.schemas[name]!));
  return `// Made from the server's schemas by src/server/client-types.test.ts: change those, not this file.\n\n${declarations.join("\n")}`;
}

function declaration(name: string, schema: JsonSchema): string {
  const typeName = name.replace(/Input$/, "");
  const start = `/** ${schema.description ?? `The schema "${typeName}" of the API.`} */\n${roots.includes(name) ? "export " : ""}`;
  const hasMembers = Object.keys(schema.properties ?? {}).length > 0;
  return hasMembers
    ? `${start}interface ${typeName} ${typeOf(schema, "")}\n`
    : `${start}type ${typeName} = ${typeOf(schema, "")};\n`;
}

function typeOf(schema: JsonSchema, indent: string): string {
  if (schema.$ref !== undefined)
    return schema.$ref
      .split("/")
      .at(-1)!
      .replace(/Input$/, "");
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.enum !== undefined) return schema.enum.map((value) => JSON.stringify(value)).join(" | ");
  const union = schema.anyOf ?? schema.oneOf;
  if (union !== undefined) return union.map((part) => typeOf(part, indent)).join(" | ");
  switch (schema.type) {
    case "string":
      return schema.pattern?.startsWith("^(sha256|sha512):") === true
        ? "`sha256:${string}` | `sha512:${string}`"
        : "string";
    case "integer":
    case "number":
      return "number";
    case "boolean":
      return "boolean";
    case "null":
      return "null";
    case "array":
      return `readonly ${wrapped(typeOf(schema.items ?? {}, indent))}[]`;
    case "object":
      return objectType(schema, indent);
    default:
      return "unknown";
  }
}

function wrapped(type: string): string {
  return type.includes("|") ? `(${type})` : type;
}

function objectType(schema: JsonSchema, indent: string): string {
  if (schema.properties === undefined || Object.keys(schema.properties).length === 0) {
    const value =
      typeof schema.additionalProperties === "object" ? typeOf(schema.additionalProperties, indent) : "unknown";
    return `Readonly<Record<${schema.propertyNames === undefined ? "string" : typeOf(schema.propertyNames, indent)}, ${value}>>`;
  }
  const inner = `${indent}  `;
  const members = Object.entries(schema.properties).map(([name, member]) => {
    const isRequired = schema.required?.includes(name) === true;
    const about = member.description === undefined ? "" : `${inner}/** ${member.description} */\n`;
    return `${about}${inner}readonly ${name}${isRequired ? "" : "?"}: ${typeOf(member, inner)};\n`;
  });
  return `{\n${members.join("")}${indent}}`;
}
