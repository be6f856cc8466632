import type {
  AcceptedJob,
  Detection,
  DetectionWish,
  Mirror,
  MirrorChange,
  MirrorCheck,
  MirrorCheckWish,
  MirrorClients,
  MirrorException,
  MirrorExceptionList,
  MirrorFindingList,
  MirrorList,
  MirrorPolicy,
  MirrorRules,
  MirrorRulesChange,
  NewMirror,
  NewMirrorCleaning,
  NewMirrorException,
  NewMirrorExport,
  NewMirrorImport,
  NewMirrorPrefetch,
} from "./api-types.ts";
import type { ApiRequest, ApiResponse } from "./transport.ts";

interface Asking {
  readonly sent: (request: ApiRequest) => Promise<ApiResponse>;
  readonly json: <Answer>(request: ApiRequest) => Promise<Answer>;
}

/** The operations about the package mirror. */
export interface MirrorOperations {
  mirrors(): Promise<MirrorList>;
  mirror(name: string): Promise<Mirror>;
  createMirror(mirror: NewMirror): Promise<Mirror>;
  changeMirror(name: string, change: MirrorChange): Promise<Mirror>;
  removeMirror(name: string): Promise<{ removed: boolean }>;
  mirrorClients(name: string): Promise<MirrorClients>;
  /** Looks at the server's machine. */
  detectMirrors(wish: DetectionWish): Promise<Detection>;
  mirrorPolicy(): Promise<MirrorPolicy>;
  /** `*` is all repositories. */
  chooseMirrorRules(scope: string, change: MirrorRulesChange): Promise<MirrorRules>;
  forgetMirrorRules(scope: string): Promise<{ removed: boolean }>;
  checkMirrorRules(wish: MirrorCheckWish): Promise<MirrorCheck>;
  mirrorExceptions(): Promise<MirrorExceptionList>;
  createMirrorException(exception: NewMirrorException): Promise<MirrorException>;
  endMirrorException(id: string): Promise<{ removed: boolean }>;
  mirrorFindings(filter: { readonly repository?: string; readonly limit?: string }): Promise<MirrorFindingList>;
  cleanMirrors(request: NewMirrorCleaning): Promise<AcceptedJob>;
  /** Files are the server's. */
  prefetchMirrors(request: NewMirrorPrefetch): Promise<AcceptedJob>;
  exportMirrors(request: NewMirrorExport): Promise<AcceptedJob>;
  importMirrors(request: NewMirrorImport): Promise<AcceptedJob>;
}

/** The operations about the package mirror, over what sends requests. */
export function mirrorOperations({ json }: Asking): MirrorOperations {
  const get = <Answer>(path: string): Promise<Answer> => json({ method: "GET", path: `/api/v1/mirrors${path}` });
  const post = <Answer>(path: string, body: unknown): Promise<Answer> =>
    json({ method: "POST", path: `/api/v1/mirrors${path}`, body });
  const remove = <Answer>(path: string): Promise<Answer> => json({ method: "DELETE", path: `/api/v1/mirrors${path}` });
  const word = encodeURIComponent;
  return {
    mirrors: () => get(""),
    mirror: (name) => get(`/${word(name)}`),
    createMirror: (mirror) => post("", mirror),
    changeMirror: (name, change) => post(`/${word(name)}`, change),
    removeMirror: (name) => remove(`/${word(name)}`),
    mirrorClients: (name) => get(`/${word(name)}/clients`),
    detectMirrors: (wish) => post("/-/detection", wish),
    mirrorPolicy: () => get("/-/rules"),
    chooseMirrorRules: (scope, change) => post(`/-/rules/${word(scope)}`, change),
    forgetMirrorRules: (scope) => remove(`/-/rules/${word(scope)}`),
    checkMirrorRules: (wish) => post("/-/checks", wish),
    mirrorExceptions: () => get("/-/exceptions"),
    createMirrorException: (exception) => post("/-/exceptions", exception),
    endMirrorException: (id) => remove(`/-/exceptions/${word(id)}`),
    mirrorFindings: (filter) => get(`/-/findings?${new URLSearchParams(Object.entries(filter)).toString()}`),
    cleanMirrors: (request) => post("/-/cleanings", request),
    prefetchMirrors: (request) => post("/-/prefetches", request),
    exportMirrors: (request) => post("/-/exports", request),
    importMirrors: (request) => post("/-/imports", request),
  };
}
