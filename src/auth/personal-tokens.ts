import { timingSafeEqual } from "node:crypto";
import { isoSeconds, newSecret, nowMs } from "../base/clock.ts";
import { Failure } from "../base/errors.ts";
import { sha256Hex } from "../base/hash.ts";
import { projectActions, type ProjectAction } from "../model/permission.ts";
import { isRepository } from "../model/reference.ts";
import { findAccount } from "../store/accounts-records.ts";
import {
  deletePersonalToken,
  findPersonalToken,
  insertPersonalToken,
  listPersonalTokens,
  type PersonalTokenRecord,
} from "../store/accounts-token-records.ts";
import { addAuditEvent } from "../store/event-records.ts";
import { type Store } from "../store/store.ts";
import { type Actor, type Grant, projectPattern } from "./identity.ts";
import { type Rights, withList } from "./rights.ts";

/** A personal token as it is listed; never with its secret. Instants are ISO 8601. */
interface PersonalToken {
  readonly id: string;
  readonly account: string;
  readonly label: string;
  /** Names of projects; empty for all that the owner sees. */
  readonly projects: readonly string[];
  /** Empty for all that the owner may do. */
  readonly actions: readonly ProjectAction[];
  readonly administrates: boolean;
  readonly createdAt: string;
  readonly expiresAt: string;
  readonly lastUsedAt: string | undefined;
}

/** What a new personal token needs. */
interface NewPersonalToken {
  readonly account: string;
  readonly label: string;
  readonly projects: readonly string[];
  readonly actions: readonly ProjectAction[];
  /** Whether it carries the owner's right to administrate the whole system. */
  readonly administrates: boolean;
  /** ISO 8601, in the future. */
  readonly expiresAt: string;
  readonly actor: Actor;
}

/** Makes, lists and ends tokens that people use in place of their passwords. */
export interface PersonalTokens {
  /**
   * Makes a token; its secret is told here and nowhere else. It never allows more than its owner may at that moment.
   *
   * @throws Failure `usage`, `not_found`, `forbidden` for robots, for tokens themselves and for other people's accounts
   */
  create(input: NewPersonalToken): Promise<{ readonly id: string; readonly secret: string }>;
  /** Tokens of an account, or of all; the oldest first. */
  list(account?: string): Promise<PersonalToken[]>;
  /** Ends a token at once; false where the actor has none of that id. */
  revoke(id: string, actor: Actor): Promise<boolean>;
}

/** Tokens that one account may have. */
const tokensMax = 100;

/** Longest life of a token: two years. */
const lifeMaxMs = 2 * 366 * 86_400_000;

/** Begins with letters: found by scanners for leaked secrets. Then 16 characters that name it, then 43 that prove it. */
const tokenForm = /^mmp_([\w-]{16})([\w-]{43})$/;

/** Opens the personal tokens of a store. */
export function openPersonalTokens({
  store,
  rights,
}: {
  readonly store: Store;
  readonly rights: Rights;
}): PersonalTokens {
  return {
    async create(input) {
      const expiresAt = checkedEnd(input);
      const id = newSecret(12);
      const proof = newSecret(32);
      const { account, label, projects, actions, administrates, actor } = input;
      await rights.change(async (db) => {
        const owner = await findAccount(db, account);
        if (owner === undefined || owner.kind === "robot")
          throw new Failure("not_found", `Cannot make a token for "${account}": there is no person of that name`);
        if ((await listPersonalTokens(db, account)).length >= tokensMax)
          throw new Failure("conflict", `Cannot make a token for "${account}": it has ${tokensMax} already`);
        await insertPersonalToken(db, {
          id,
          account,
          label,
          secretHash: sha256Hex(proof),
          projects,
          actions,
          administrates,
          createdAt: nowMs(),
          expiresAt,
        });
        const details = { id, label, projects, actions, administrates, expiresAt: isoSeconds(expiresAt) };
        await addAuditEvent(db, { actor: actor.name, action: "token.created", subject: account, details });
      });
      return { id, secret: `mmp_${id}${proof}` };
    },
    list: async (account) => (await listPersonalTokens(store.db, account)).map(tokenOf),
    revoke: async (id, actor) =>
      await rights.change(async (db) => {
        const token = await findPersonalToken(db, id);
        if (token === undefined || (token.account !== actor.name && actor.role !== "administrator")) return false;
        await deletePersonalToken(db, id);
        const details = { id, label: token.label };
        await addAuditEvent(db, { actor: actor.name, action: "token.deleted", subject: token.account, details });
        return true;
      }),
  };
}

/** A personal token as it is shown: what names it and what proves it. */
export interface TokenParts {
  readonly id: string;
  readonly proof: string;
}

/** The parts of a text that looks like a personal token. */
export function readPersonalToken(text: string): TokenParts | undefined {
  const [, id, proof] = tokenForm.exec(text) ?? [];
  return id === undefined || proof === undefined ? undefined : { id, proof };
}

/** Whether a proof is that of a token that has not ended. */
export function provesToken(token: PersonalTokenRecord | undefined, proof: string): token is PersonalTokenRecord {
  const given = Buffer.from(sha256Hex(proof), "hex");
  const stored = Buffer.from(token?.secretHash ?? sha256Hex(""), "hex");
  return timingSafeEqual(given, stored) && token !== undefined && nowMs() < token.expiresAt;
}

/** What a token is narrowed to; undefined where it is not. */
export function limitsOfToken({ projects, actions }: PersonalTokenRecord): readonly Grant[] | undefined {
  if (projects.length === 0 && actions.length === 0) return undefined;
  const patterns = projects.length === 0 ? ["*"] : projects.map(projectPattern);
  return patterns.map((repository) =>
    withList({ repository, actions: actions.length === 0 ? projectActions : actions }),
  );
}

function checkedEnd({ account, label, projects, expiresAt, actor }: NewPersonalToken): number {
  const refuse = (code: "usage" | "forbidden", state: string): Failure =>
    new Failure(code, `Cannot make a token for "${account}": ${state}`);
  if (actor.role === "robot") throw refuse("forbidden", "robots make no tokens");
  if (actor.isToken === true) throw refuse("forbidden", "a token makes no further tokens");
  if (actor.role === "anonymous" || (actor.name !== account && actor.role !== "administrator"))
    throw refuse("forbidden", "only its owner and the administrator may");
  if (label.trim() === "" || label.length > 100)
    throw refuse("usage", "its label is empty or longer than 100 characters");
  const wrong = projects.find((project) => !isRepository(project) || project.includes("/"));
  if (wrong !== undefined) throw refuse("usage", `"${wrong.slice(0, 100)}" is not the name of a project`);
  const end = Date.parse(expiresAt);
  if (!(end > nowMs())) throw refuse("usage", "its end is not an instant in the future");
  if (end > nowMs() + lifeMaxMs) throw refuse("usage", "its end is more than two years away");
  return end;
}

function tokenOf(token: PersonalTokenRecord): PersonalToken {
  const { secretHash: _, ...shown } = token;
  return {
    ...shown,
    createdAt: isoSeconds(token.createdAt),
    expiresAt: isoSeconds(token.expiresAt),
    lastUsedAt: token.lastUsedAt === null ? undefined : isoSeconds(token.lastUsedAt),
  };
}
