/** Exit codes of every command; errors carry theirs in the error table. */
export const exitCodes: Readonly<Record<number, string>> = {
  0: "success",
  1: "failure",
  2: "wrong usage or configuration",
  3: "input refused",
  4: "denied: by the gate, or for lack of rights",
  5: "verification failed",
  6: "the machine lacks something: see `mintmark doctor`",
  7: "an upstream or the server is unreachable",
  130: "interrupted",
};
