import { type DenialAnswer, type Format, type RepositorySettings } from "../format.ts";
import { classify } from "./classify.ts";
import { clients } from "./clients.ts";
import { facts, factsOf } from "./facts.ts";
import { locate } from "./locate.ts";
import { render } from "./render.ts";
import { write } from "./write.ts";

/**
 * .NET's packages by the NuGet v3 protocol.
 *
 * Clients get our own list of resources and no address that leads elsewhere; archives are checked against the hash of the
 * catalog where the upstream has one, which is the only place that tells it.
 * Source: NuGet documentation, "NuGet Server API".
 */
export const nuget: Format = formatFor("proxy");

function formatFor(kind: RepositorySettings["kind"]): Format {
  return {
    name: "nuget",
    configured: (settings) => formatFor(settings.kind),
    classify: (request) => classify(request, kind),
    locate,
    documentOf: (subject) => `registrations/${subject.name}`,
    facts,
    factsOf,
    render,
    comparedName: (name) => name.toLowerCase(),
    probe: "index.json",
    deny,
    write,
    clients,
    purl: ({ name, version }) => `pkg:nuget/${encodeURIComponent(name)}@${encodeURIComponent(version)}`,
  };
}

/** NuGet's clients show the words after the status and nothing of the body. */
function deny({ status, message }: { readonly status: number; readonly message: string }): DenialAnswer {
  const statusText = message.replaceAll(/[^ -~]+/g, " ").slice(0, 500);
  return { status, mediaType: "text/plain; charset=utf-8", body: message, statusText };
}
