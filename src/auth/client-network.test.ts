import assert from "node:assert/strict";
import { test } from "node:test";
import { clientNetwork } from "./client-network.ts";

test("an IPv4 address is a client, and so are 64 bits of IPv6 however they are written", () => {
  const expected: Record<string, string> = {
    "192.0.2.7": "192.0.2.7",
    "::ffff:192.0.2.7": "192.0.2.7",
    "::FFFF:192.0.2.7": "192.0.2.7",
    "2001:db8:0:1::7": "2001:db8:0:1::/64",
    "2001:db8::1:0:0:0:7": "2001:db8:0:1::/64",
    "2001:0db8:0000:0001:ffff:ffff:ffff:ffff": "2001:db8:0:1::/64",
    "2001:db8::": "2001:db8:0:0::/64",
    "fe80::1%eth0": "fe80:0:0:0::/64",
    "::1": "0:0:0:0::/64",
  };
  for (const [address, network] of Object.entries(expected)) assert.equal(clientNetwork(address), network, address);
});
