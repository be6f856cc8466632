import type { TextCondition } from "../../model/text-condition.ts";

/** What an action of ours is in Harbor's words. */
interface HarborOperation {
  readonly type: string;
  readonly operation: string;
  readonly isFailure?: boolean;
}

/** Our actions in Harbor's words; what is not here is told by its own words. */
const words: Readonly<Record<string, HarborOperation>> = {
  "image.pushed": { type: "artifact", operation: "create" },
  "image.pulled": { type: "artifact", operation: "pull" },
  "image.deleted": { type: "artifact", operation: "delete" },
  "tag.moved": { type: "tag", operation: "create" },
  "tag.deleted": { type: "tag", operation: "delete" },
  "repository.changed": { type: "repository", operation: "update" },
  "repository.deleted": { type: "repository", operation: "delete" },
  "project.created": { type: "project", operation: "create" },
  "project.changed": { type: "project", operation: "update" },
  "project.deleted": { type: "project", operation: "delete" },
  "member.added": { type: "project_member", operation: "create" },
  "member.changed": { type: "project_member", operation: "update" },
  "member.removed": { type: "project_member", operation: "delete" },
  "account.created": { type: "user", operation: "create" },
  "account.changed": { type: "user", operation: "update" },
  "account.deleted": { type: "user", operation: "delete" },
  "sign-in.succeeded": { type: "user", operation: "login" },
  "sign-in.failed": { type: "user", operation: "login", isFailure: true },
  "sign-in.ended": { type: "user", operation: "logout" },
  "robot.created": { type: "robot", operation: "create" },
  "robot.changed": { type: "robot", operation: "update" },
  "robot.rotated": { type: "robot", operation: "update" },
  "robot.deleted": { type: "robot", operation: "delete" },
  "label.changed": { type: "label", operation: "update" },
  "pull.refused": { type: "artifact", operation: "pull", isFailure: true },
  "registry.denied": { type: "artifact", operation: "denied", isFailure: true },
  "api.denied": { type: "api", operation: "denied", isFailure: true },
};

/** What the older list of Harbor's shows. */
const olderTypes: readonly string[] = ["artifact", "tag", "repository", "project"];

/** The kinds of things that are named. */
export const resourceTypes: readonly string[] = [...new Set(Object.values(words).map(({ type }) => type))];

/** An action in Harbor's words. */
export function operationOf(action: string): HarborOperation {
  if (Object.hasOwn(words, action)) return words[action]!;
  const [type = "", operation = ""] = action.split(".", 2);
  return { type, operation, isFailure: /failed|refused|denied|exceeded/.test(operation) };
}

interface OperationWish {
  readonly types: readonly TextCondition[];
  readonly operations: readonly TextCondition[];
  readonly isExtended: boolean;
}

/** The actions that are asked for; undefined for all. */
export function actionsOf({ types, operations, isExtended }: OperationWish): string[] | undefined {
  if (isExtended && types.length === 0 && operations.length === 0) return undefined;
  return Object.entries(words)
    .filter(
      ([, { type, operation, isFailure }]) =>
        (isExtended || (olderTypes.includes(type) && isFailure !== true)) &&
        types.every((condition) => holds(condition, type)) &&
        operations.every((condition) => holds(condition, operation)),
    )
    .map(([action]) => action);
}

function holds(condition: TextCondition, word: string): boolean {
  if (condition.kind === "any") return condition.values.includes(word);
  return condition.kind === "equal" ? word === condition.value : word.includes(condition.value.toLowerCase());
}
