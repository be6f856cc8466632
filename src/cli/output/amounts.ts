const byteUnits = ["B", "KiB", "MiB", "GiB", "TiB"] as const;

/** `203 MiB`: bytes in the unit that fits. */
export function showBytes(bytes: number): string {
  let amount = bytes;
  let unit = 0;
  while (amount >= 1024 && unit < byteUnits.length - 1) {
    amount /= 1024;
    unit++;
  }
  return `${unit === 0 || amount >= 100 ? Math.round(amount) : amount.toFixed(1)} ${byteUnits[unit]}`;
}

/** `850 ms`, `4.2 s`, `3 min 05 s`: a duration for a person. */
export function showDuration(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1000);
  return `${Math.floor(seconds / 60)} min ${String(seconds % 60).padStart(2, "0")} s`;
}

/** `done` of `total` in a unit; bytes get their own. */
export function showAmount(done: number, total: number, unit: string): string {
  if (unit === "bytes") return total > 0 ? `${showBytes(done)} of ${showBytes(total)}` : showBytes(done);
  return total > 0 ? `${done}/${total} ${unit}` : `${done} ${unit}`;
}
