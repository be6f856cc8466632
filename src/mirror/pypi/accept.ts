/** The content types of the simple index. Source: PEP 691, "Content-Types". */
export const simpleTypes = {
  json: "application/vnd.pypi.simple.v1+json",
  "html-v1": "application/vnd.pypi.simple.v1+html",
  html: "text/html",
} as const;

/** How an index is written. */
export type SimpleVariant = keyof typeof simpleTypes;

const names: Readonly<Record<string, SimpleVariant>> = {
  "application/vnd.pypi.simple.v1+json": "json",
  "application/vnd.pypi.simple.latest+json": "json",
  "application/vnd.pypi.simple.v1+html": "html-v1",
  "application/vnd.pypi.simple.latest+html": "html-v1",
  "text/html": "html",
  "text/*": "html",
  "*/*": "html",
};

/** What a client wants most of what there is; HTML where it does not say. Source: RFC 9110 section 12.5.1. */
export function wantedVariant(accept: string): SimpleVariant {
  let best: { variant: SimpleVariant; weight: number } = { variant: "html", weight: 0 };
  for (const item of accept.toLowerCase().split(",")) {
    const [type, ...parameters] = item.split(";").map((part) => part.trim());
    const variant = Object.hasOwn(names, type!) ? names[type!] : undefined;
    const weight = parameters.find((parameter) => parameter.startsWith("q="))?.slice(2);
    const value = weight === undefined ? 1 : Number(weight);
    if (variant !== undefined && value > best.weight) best = { variant, weight: value };
  }
  return best.variant;
}

/** What upstreams are asked for: JSON, since only it tells sizes and instants. */
export const upstreamAccept = `${simpleTypes.json}, ${simpleTypes["html-v1"]};q=0.2, ${simpleTypes.html};q=0.1`;
