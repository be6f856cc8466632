import { type MirrorAnswer, type MirrorWrite } from "./contract.ts";
import { type Relay } from "./format.ts";
import { type Leaf } from "./repositories.ts";
import { isOfUpstream, type Site } from "./site.ts";
import { plain } from "./write-answers.ts";

const answerBytesMax = 32 * 1024 * 1024;

/**
 * Passes a question on to the first upstream that answers, without the names that must not leave the house.
 *
 * Where an upstream should have been asked and was not, that is said: "nothing is known" would be taken for good news.
 */
export async function answerRelay(
  site: Site,
  asked: Leaf,
  { write, relay }: { readonly write: MirrorWrite; readonly relay: Relay },
): Promise<MirrorAnswer> {
  let unanswered: string | undefined;
  for (const leaf of site.repositories.leaves(asked.settings.name)) {
    if (leaf.settings.kind !== "proxy") continue;
    const hidden = new Set<string>();
    for (const name of relay.names) if (await site.repositories.isReserved(leaf.settings.name, name)) hidden.add(name);
    const body = relay.body(hidden);
    if (body === undefined) continue;
    if (leaf.settings.isOffline || site.isOffline) {
      unanswered ??= "no upstream is asked while offline";
      continue;
    }
    const upstream = site.upstreamOf(leaf);
    try {
      const answer = await upstream.post({
        url: upstream.resolve(relay.path),
        mediaType: relay.mediaType,
        body,
        signal: site.signal,
      });
      const bytes = await answer.read(answerBytesMax);
      const mediaType = answer.headers["content-type"] ?? "application/json";
      return plain(asked, write, { status: answer.status, mediaType, body: bytes.toString("utf8") });
    } catch (error) {
      if (!isOfUpstream(error)) throw error;
      unanswered ??= error.message;
      site.log.info({ repository: leaf.settings.name, reason: error.message }, "a question could not be passed on");
    }
  }
  if (unanswered === undefined) return plain(asked, write, { status: 200, ...relay.nothing });
  const message = `Cannot ask "${relay.path}" for "${asked.settings.name}": ${unanswered}`;
  return plain(asked, write, asked.format.deny({ status: 503, message }));
}
