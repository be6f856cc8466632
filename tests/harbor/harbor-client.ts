import assert from "node:assert/strict";
import { type AdmissionSite } from "../admission/site.ts";

/** What came back. */
export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** The JSON of the text; undefined where it is empty or no JSON. */
  readonly json: unknown;
}

/** Any JSON object. */
export type Json = Readonly<Record<string, unknown>>;

/** A client as people write them against Harbor's swagger: Basic auth, JSON, numbers out of `Location`. */
export interface HarborClient {
  ask(method: string, path: string, options?: AskOptions): Promise<Answer>;
  /** The body of a GET that must succeed. */
  get<Body>(path: string): Promise<Body>;
  /** Makes something and gives the number or name at the end of `Location`; the body must be empty. */
  create(path: string, body: unknown): Promise<string>;
  /** A change that must answer `status` without a body; 200 by default. */
  change(method: "PUT" | "PATCH" | "DELETE" | "POST", path: string, options?: ChangeOptions): Promise<void>;
}

interface AskOptions {
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  /** `NAME:SECRET`; null for nobody. */
  readonly as?: string | null;
}

interface ChangeOptions {
  readonly body?: unknown;
  readonly status?: number;
}

/** Opens a client of a site, as the administrator unless somebody else is named. */
export function openHarborClient(site: AdmissionSite, as = `admin:${site.password}`): HarborClient {
  const ask: HarborClient["ask"] = async (method, path, options = {}) => {
    const who = options.as === undefined ? as : options.as;
    const answer = await fetch(`http://${site.host}/api/v2.0${path}`, {
      method,
      redirect: "manual",
      headers: {
        ...(who === null ? {} : { authorization: `Basic ${Buffer.from(who).toString("base64")}` }),
        ...(options.body === undefined ? {} : { "content-type": "application/json" }),
        ...options.headers,
      },
      ...(options.body === undefined
        ? {}
        : { body: typeof options.body === "string" ? options.body : JSON.stringify(options.body) }),
    });
    const text = await answer.text();
    return { status: answer.status, headers: answer.headers, text, json: readJson(text) };
  };
  return {
    ask,
    async get<Body>(path: string) {
      const answer = await ask("GET", path);
      assert.equal(answer.status, 200, `GET ${path}: ${answer.status} ${answer.text}`);
      return answer.json as Body;
    },
    async create(path, body) {
      const answer = await ask("POST", path, { body });
      assert.equal(answer.status, 201, `POST ${path}: ${answer.status} ${answer.text}`);
      assert.equal(answer.text, "");
      const location = answer.headers.get("location") ?? "";
      assert.match(location, /^\/api\/v2\.0\//);
      return location.split("/").at(-1)!;
    },
    async change(method, path, { body, status = 200 } = {}) {
      const answer = await ask(method, path, body === undefined ? {} : { body });
      assert.equal(answer.status, status, `${method} ${path}: ${answer.status} ${answer.text}`);
      assert.equal(answer.text, "");
    },
  };
}

function readJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

/** What a field must be; `?` says that it may be left out, an object goes on inside, a list holds any number. */
export type Shape =
  | "number"
  | "string"
  | "boolean"
  | "object"
  | "instant"
  | "number?"
  | "string?"
  | "object?"
  | "instant?"
  | "null"
  | { readonly [field: string]: Shape }
  | readonly [Shape];

/** Checks that a value has every field of a shape, of the right type, and no null besides. */
export function checkShape(value: unknown, shape: Shape, path = "body"): void {
  if (typeof shape === "string") return checkLeaf(value, shape, path);
  if (Array.isArray(shape)) {
    assert.ok(Array.isArray(value), `${path} is no list`);
    for (const [index, item] of value.entries()) checkShape(item, (shape as readonly [Shape])[0], `${path}[${index}]`);
    return;
  }
  assert.ok(typeof value === "object" && value !== null && !Array.isArray(value), `${path} is no object`);
  for (const [field, inner] of Object.entries(shape)) checkShape((value as Json)[field], inner, `${path}.${field}`);
}

function checkLeaf(value: unknown, shape: string, path: string): void {
  if (shape === "null") return assert.equal(value, null, path);
  if (shape.endsWith("?") && value === undefined) return;
  const kind = shape.replace("?", "");
  if (kind === "instant") {
    assert.match(String(value), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/, path);
    return;
  }
  assert.notEqual(value, null, `${path} is null`);
  assert.equal(typeof value, kind, `${path} is ${JSON.stringify(value)}`);
}
