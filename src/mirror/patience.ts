/** Waits for work that goes on in any case, but only so long. @throws what the work throws in that time */
export async function patiently<T>(work: Promise<T>, ms: number): Promise<T | "slow"> {
  // What fails after that is told by the log of whoever waits longer.
  work.catch(() => undefined);
  let timer: NodeJS.Timeout | undefined;
  const slow = new Promise<"slow">((resolve) => {
    timer = setTimeout(() => resolve("slow"), ms);
  });
  try {
    return await Promise.race([work, slow]);
  } finally {
    clearTimeout(timer);
  }
}
