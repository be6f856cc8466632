import type { FastifyRequest } from "fastify";
import type { Config } from "../config/config.ts";

/**
 * The address under which clients reach this server: the configured one, or the one that this request used.
 *
 * A command that has no server to speak to is told where one would listen.
 */
export function mirrorOrigin(
  request: Pick<FastifyRequest, "host" | "protocol">,
  { publicUrl, listen, tls }: Pick<Config, "publicUrl" | "listen" | "tls">,
): string {
  if (publicUrl !== undefined) return publicUrl;
  const isOwnCall = request.host === "localhost";
  if (!isOwnCall && /^(?:[\w.-]{1,253}|\[[0-9a-f:.]{2,45}\])(?::\d{1,5})?$/i.test(request.host))
    return `${request.protocol}://${request.host}`;
  const host = listen.host.includes(":") ? `[${listen.host}]` : listen.host;
  return `${tls === undefined ? "http" : "https"}://${host}:${listen.port}`;
}
