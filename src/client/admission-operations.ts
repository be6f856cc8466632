import type {
  ImageReports,
  NewPullGate,
  ProjectGate,
  PullVerdict,
  QueuedScans,
  ScanLog,
  ScanPage,
} from "./api-types.ts";
import type { Asking } from "./event-operations.ts";

/** The operations about scans of all images, and about the gates that pulls go through. */
export interface AdmissionOperations {
  scans(filter: {
    readonly state?: string;
    readonly repository?: string;
    readonly after?: string;
    readonly limit?: number;
  }): Promise<ScanPage>;
  /** Images are named `repository:tag` or `repository@digest`. */
  startScan(image: string): Promise<QueuedScans>;
  scanReports(image: string): Promise<ImageReports>;
  scanLog(image: string): Promise<ScanLog>;
  explainPull(image: string): Promise<PullVerdict>;
  projectGate(project: string): Promise<ProjectGate>;
  setProjectGate(project: string, gate: NewPullGate): Promise<ProjectGate>;
  removeProjectGate(project: string): Promise<ProjectGate>;
}

/** The operations about admission, over what sends requests. */
export function admissionOperations({ json }: Asking): AdmissionOperations {
  const get = <Answer>(path: string): Promise<Answer> => json({ method: "GET", path: `/api/v1${path}` });
  const gatePath = (project: string): string => `/api/v1/projects/${encodeURIComponent(project)}/gate`;
  const named = (image: string): string => `image=${encodeURIComponent(image)}`;
  return {
    scans: (filter) => {
      const given = new URLSearchParams();
      for (const [name, value] of Object.entries(filter)) if (value !== undefined) given.set(name, String(value));
      return get(`/scans?${given.toString()}`);
    },
    startScan: (image) => json({ method: "POST", path: "/api/v1/scans", body: { image } }),
    scanReports: (image) => get(`/scans/report?${named(image)}`),
    scanLog: (image) => get(`/scans/log?${named(image)}`),
    explainPull: (image) => get(`/pull-verdict?${named(image)}`),
    projectGate: (project) => json({ method: "GET", path: gatePath(project) }),
    setProjectGate: (project, gate) => json({ method: "POST", path: gatePath(project), body: gate }),
    removeProjectGate: (project) => json({ method: "DELETE", path: gatePath(project) }),
  };
}
