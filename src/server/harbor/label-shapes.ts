import type { LabelRecord } from "../../store/label-records.ts";
import { instant } from "./names.ts";

/** A label in Harbor's shape; the number of its project is told where it is known. */
export function shownLabel(label: LabelRecord, project: number | undefined): unknown {
  const { id, name, description, color, createdAt, changedAt } = label;
  return {
    id,
    name,
    description,
    color,
    scope: label.project === undefined ? "g" : "p",
    project_id: project ?? 0,
    creation_time: instant(createdAt),
    update_time: instant(changedAt),
  };
}
