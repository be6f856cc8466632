import { addAuditEvent, openDenialTrail } from "../store/event-records.ts";
import { type Store } from "../store/store.ts";
import { type CodeFlow, type LoginReturn, type LoginStart } from "./directory/code-flow.ts";
import { type Identity } from "./identity.ts";
import { type People } from "./people.ts";
import { type Proofs } from "./proofs.ts";
import { openSessions } from "./sessions.ts";

/** Who signed in with a browser, or why not. */
type BrowserEnd =
  | { readonly account: string; readonly secret: string; readonly expiresAt: number; readonly returnTo: string }
  | { readonly reason: string };

/** Signs people in with a browser at an issuer, and keeps the browser signed in. */
export interface BrowserSignIn {
  /** Names of the issuers. */
  readonly issuers: readonly string[];
  /** Where to send the browser; undefined where there is no issuer of that name. @throws Failure `upstream_unreachable` */
  begin(
    issuer: string,
    way: { readonly redirectUri: string; readonly returnTo: string },
  ): Promise<LoginStart | undefined>;
  /**
   * Takes the browser back, finds or makes the person's account, and begins a session.
   *
   * @throws Failure `upstream_unreachable`, `conflict` where another account has the person's name
   */
  end(issuer: string, way: LoginReturn): Promise<BrowserEnd | undefined>;
  /** Who is signed in with a session's secret, as of now, and until when; undefined where nobody is. */
  identify(secret: string): Promise<{ readonly identity: Identity; readonly expiresAt: number } | undefined>;
  /** Ends a session. */
  signOut(secret: string): Promise<void>;
}

interface BrowserSignInOptions {
  readonly store: Store;
  readonly logins: ReadonlyMap<string, CodeFlow>;
  readonly accounts: Pick<Proofs, "identityOf"> & { readonly people: Pick<People, "admit"> };
}

/** Opens the sign-in of browsers. */
export function openBrowserSignIn({ store, logins, accounts }: BrowserSignInOptions): BrowserSignIn {
  const sessions = openSessions(store);
  const recordDenial = openDenialTrail(store.db);

  async function refuse(actor: string, issuer: string, reason: string): Promise<BrowserEnd> {
    const details = { method: "oidc", issuer, reason };
    await recordDenial({ actor, action: "sign-in.failed", subject: actor, details });
    return { reason };
  }

  return {
    issuers: [...logins.keys()],
    begin: async (issuer, way) => await logins.get(issuer)?.begin(way),
    async end(issuer, way) {
      const ended = await logins.get(issuer)?.end(way);
      if (ended === undefined) return undefined;
      if ("reason" in ended) return await refuse("unknown", issuer, ended.reason);
      const account = await accounts.people.admit(ended.person);
      if ((await accounts.identityOf(account)) === undefined)
        return await refuse(account, issuer, "the account is disabled");
      const session = await sessions.begin(account);
      const details = { method: "oidc", issuer };
      await addAuditEvent(store.db, { actor: account, action: "sign-in.succeeded", subject: account, details });
      return { account, ...session, returnTo: ended.returnTo };
    },
    async identify(secret) {
      const session = await sessions.find(secret);
      const identity = session === undefined ? undefined : await accounts.identityOf(session.account);
      return session === undefined || identity === undefined ? undefined : { identity, expiresAt: session.expiresAt };
    },
    async signOut(secret) {
      const account = await sessions.end(secret);
      if (account === undefined) return;
      const details = { method: "oidc" };
      await addAuditEvent(store.db, { actor: account, action: "sign-in.ended", subject: account, details });
    },
  };
}
