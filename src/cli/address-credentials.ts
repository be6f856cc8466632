import { readFile } from "node:fs/promises";
import { text } from "node:stream/consumers";
import { Failure, messageOf } from "../base/errors.ts";

/**
 * Puts what a file says, `user:password` or `:token`, into an address; arguments of programs can be seen by everybody on
 * the machine, so an address that holds credentials itself is refused.
 *
 * @param file a path; `-` is standard input; undefined where there are none
 * @throws Failure `usage`, `not_found`
 */
export async function withCredentials(address: string, file: string | undefined): Promise<string> {
  if (/^https?:\/\/[^/]*@/.test(address))
    throw new Failure("usage", "Cannot take credentials in an address: everybody on the machine can see arguments", {
      hint: "Put user:password, or :token, into a file and name it with --credentials-file",
    });
  if (file === undefined) return address;
  const url = URL.parse(address);
  if (url === null) throw new Failure("usage", `Cannot use --credentials-file: "${address}" is no web address`);
  const [username = "", password = ""] = (await readText(file)).trim().split(/:(.*)/s);
  url.username = encodeURIComponent(username);
  url.password = encodeURIComponent(password);
  return url.href;
}

async function readText(path: string): Promise<string> {
  if (path === "-") return await text(process.stdin);
  return await readFile(path, "utf8").catch((error: unknown) => {
    throw new Failure("not_found", `Cannot read "${path}": ${messageOf(error)}`);
  });
}
