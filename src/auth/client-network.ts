/**
 * The network that an address counts as when requests and guesses are counted.
 *
 * One IPv4 address, or the 64 bits of an IPv6 address that a provider gives to one customer.
 */
export function clientNetwork(address: string): string {
  if (!address.includes(":")) return address;
  const bare = address.split("%", 1)[0]!.toLowerCase();
  const embedded = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/.exec(bare)?.[1];
  if (embedded !== undefined) return embedded;
  const [head = "", tail] = bare.split("::");
  const start = head === "" ? [] : head.split(":");
  const end = tail === undefined || tail === "" ? [] : tail.split(":");
  const groups = tail === undefined ? start : [...start, ...zeros(8 - start.length - end.length), ...end];
  return `${groups.slice(0, 4).map(withoutZeros).join(":")}::/64`;
}

function zeros(count: number): string[] {
  return Array.from({ length: Math.max(0, count) }, () => "0");
}

function withoutZeros(group: string): string {
  return group.replace(/^0+(?=.)/, "");
}
