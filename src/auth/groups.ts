import { Failure } from "../base/errors.ts";
import {
  changeGroupMember,
  deleteGroup,
  type GroupRecord,
  insertGroup,
  listGroups,
} from "../store/accounts-group-records.ts";
import { findAccount } from "../store/accounts-records.ts";
import { addAuditEvent } from "../store/event-records.ts";
import { type Store } from "../store/store.ts";
import { type Actor } from "./identity.ts";
import { checkedName } from "./people-rules.ts";
import { type Rights } from "./rights.ts";

/** What a new group needs. */
interface NewGroup {
  readonly name: string;
  /** The members of an external group come with each sign-in through a directory that names it. */
  readonly kind: GroupRecord["kind"];
  readonly actor: Actor;
}

/** Who goes into a group, or out of it. */
interface GroupMove {
  readonly group: string;
  readonly account: string;
  readonly isMember: boolean;
  readonly actor: Actor;
}

/** Groups of people, which have roles in projects as accounts do; changing them is the administrator's. */
export interface Groups {
  /** @throws Failure `usage`, `conflict` */
  create(input: NewGroup): Promise<void>;
  /** All groups by name with their members. */
  list(): Promise<GroupRecord[]>;
  /** Puts a person into a local group or takes it out. @throws Failure `not_found`, `conflict` for an external group */
  move(input: GroupMove): Promise<void>;
  /** Removes a group and its roles; false where there is none of that name. */
  remove(name: string, actor: Actor): Promise<boolean>;
}

/** Opens the groups of a store. */
export function openGroups({ store, rights }: { readonly store: Store; readonly rights: Rights }): Groups {
  return {
    async create({ name, kind, actor }) {
      checkedName("group", name);
      await rights.change(async (db) => {
        if (!(await insertGroup(db, { name, kind, createdBy: actor.name })))
          throw new Failure("conflict", `Cannot make the group "${name}": there is one of that name`);
        await addAuditEvent(db, { actor: actor.name, action: "group.created", subject: name, details: { kind } });
      });
    },
    list: async () => await listGroups(store.db),
    async move({ group, account, isMember, actor }) {
      await rights.change(async (db) => {
        const [found] = await listGroups(db, group);
        if (found === undefined) throw new Failure("not_found", `Cannot find the group "${group}"`);
        if (found.kind === "external")
          throw new Failure("conflict", `Cannot change the group "${group}": its members come from a directory`);
        const person = await findAccount(db, account);
        if (isMember && (person === undefined || person.kind === "robot"))
          throw new Failure("not_found", `Cannot find the person "${account}"`);
        if (!(await changeGroupMember(db, { group, account, isMember }))) return;
        const details = isMember ? { added: account } : { removed: account };
        await addAuditEvent(db, { actor: actor.name, action: "group.changed", subject: group, details });
      });
    },
    remove: async (name, actor) =>
      await rights.change(async (db) => {
        if (!(await deleteGroup(db, name))) return false;
        await addAuditEvent(db, { actor: actor.name, action: "group.deleted", subject: name });
        return true;
      }),
  };
}
