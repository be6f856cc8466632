import type {
  AcceptedJob,
  JobRevival,
  NewExport,
  NewImport,
  NewPeer,
  NewProjectProxy,
  Peer,
  PeerChange,
  PeerCheck,
  PeerList,
  ProjectProxy,
  ProjectProxyList,
  ReplicationExecution,
  ReplicationExecutionList,
  ReplicationRule,
  ReplicationRuleList,
  ReplicationTaskPage,
  NewReplicationRule,
  StartedReplication,
  StoppedReplication,
} from "./api-types.ts";
import type { Asking } from "./event-operations.ts";

/** The operations about other registries, replication, proxy caches and archives. */
export interface MovementOperations {
  peers(): Promise<PeerList>;
  addPeer(peer: NewPeer): Promise<Peer>;
  changePeer(name: string, change: PeerChange): Promise<Peer>;
  checkPeer(name: string): Promise<PeerCheck>;
  removePeer(name: string): Promise<{ removed: boolean }>;
  replicationRules(): Promise<ReplicationRuleList>;
  setReplicationRule(rule: NewReplicationRule): Promise<ReplicationRule>;
  removeReplicationRule(name: string): Promise<{ removed: boolean }>;
  startReplication(rule: string): Promise<StartedReplication>;
  /** Newest first. */
  replications(rule?: string): Promise<ReplicationExecutionList>;
  replication(id: string): Promise<ReplicationExecution>;
  replicationTasks(
    execution: string,
    page?: { readonly state?: string; readonly after?: string },
  ): Promise<ReplicationTaskPage>;
  stopReplication(execution: string): Promise<StoppedReplication>;
  retryReplicationTask(task: string): Promise<JobRevival>;
  projectProxies(): Promise<ProjectProxyList>;
  setProjectProxy(project: string, proxy: NewProjectProxy): Promise<ProjectProxy>;
  /** The files by which container clients come to a proxy cache. */
  projectProxyClients(project: string): Promise<{
    readonly files: readonly { readonly client: string; readonly path: string; readonly content: string }[];
  }>;
  removeProjectProxy(project: string): Promise<{ removed: boolean }>;
  /** Files are the server's. */
  exportImages(request: NewExport): Promise<AcceptedJob>;
  importImages(request: NewImport): Promise<AcceptedJob>;
}

/** The operations about moving images, over what sends requests. */
export function movementOperations({ json }: Asking): MovementOperations {
  const get = <Answer>(path: string): Promise<Answer> => json({ method: "GET", path: `/api/v1${path}` });
  const post = <Answer>(path: string, body?: unknown): Promise<Answer> =>
    json({ method: "POST", path: `/api/v1${path}`, ...(body === undefined ? {} : { body }) });
  const remove = <Answer>(path: string): Promise<Answer> => json({ method: "DELETE", path: `/api/v1${path}` });
  const word = encodeURIComponent;
  return {
    peers: () => get("/peers"),
    addPeer: (peer) => post("/peers", peer),
    changePeer: (name, change) => post(`/peers/${word(name)}`, change),
    checkPeer: (name) => post(`/peers/${word(name)}/check`),
    removePeer: (name) => remove(`/peers/${word(name)}`),
    replicationRules: () => get("/replication/rules"),
    setReplicationRule: (rule) => post("/replication/rules", rule),
    removeReplicationRule: (name) => remove(`/replication/rules/${word(name)}`),
    startReplication: (rule) => post(`/replication/rules/${word(rule)}/start`),
    replications: (rule) => get(`/replication/executions${rule === undefined ? "" : `?rule=${word(rule)}`}`),
    replication: (id) => get(`/replication/executions/${word(id)}`),
    replicationTasks: (execution, page = {}) =>
      get(`/replication/executions/${word(execution)}/tasks?${new URLSearchParams(Object.entries(page)).toString()}`),
    stopReplication: (execution) => post(`/replication/executions/${word(execution)}/stop`),
    retryReplicationTask: (task) => post(`/replication/tasks/${word(task)}/retry`),
    projectProxies: () => get("/proxies"),
    setProjectProxy: (project, proxy) => post(`/projects/${word(project)}/proxy`, proxy),
    projectProxyClients: (project) => get(`/projects/${word(project)}/proxy/clients`),
    removeProjectProxy: (project) => remove(`/projects/${word(project)}/proxy`),
    exportImages: (request) => post("/archives/export", request),
    importImages: (request) => post("/archives/import", request),
  };
}
