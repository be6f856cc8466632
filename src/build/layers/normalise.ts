/** Paths that differ from build to build or must never be in an image; each with the reason. */
const dropped: readonly { readonly paths: RegExp; readonly why: string }[] = [
  { paths: /^etc\/ssh\/ssh_host_.*$/, why: "host keys are secrets of one host: they are made when it first starts" },
  {
    paths:
      /^var\/cache\/apt\/(?:pkgcache|srcpkgcache)\.bin$|^var\/cache\/apt\/archives\/.+\.deb$|^var\/lib\/apt\/lists\/.+$/,
    why: "caches of apt",
  },
  { paths: /^var\/cache\/ldconfig\/aux-cache$/, why: "cache of ldconfig that holds inode numbers and times" },
  {
    paths: /^var\/cache\/debconf\/.*-old$|^var\/lib\/dpkg\/.*-old$|^var\/lib\/apt\/.*\.save$/,
    why: "the state before the last step",
  },
  {
    paths: /^etc\/(?:passwd|group|shadow|gshadow|subuid|subgid)-$|^etc\/\.pwd\.lock$/,
    why: "the state before the last account",
  },
  {
    paths:
      /^var\/lib\/dpkg\/(?:lock|lock-frontend|triggers\/Lock|available|cmethopt)$|^var\/lib\/dpkg\/(?:updates|tmp\.ci|parts)\/.+$/,
    why: "locks and passing state of dpkg",
  },
  { paths: /^var\/log\/(?:.*\.log|apt\/.+|bootstrap\.log)$/, why: "logs of the build tell times" },
  { paths: /^var\/lib\/dbus\/machine-id$/, why: "the identity of one machine" },
  { paths: /^etc\/(?:hostname|resolv\.conf|hosts)$/, why: "the container's own; those of the builder must not leak" },
  { paths: /^(?:dev|proc|sys|tmp)\/.+$/, why: "mounted at run time" },
  { paths: /^run\/(?!lock$|sshd$).+$/, why: "mounted or made at run time" },
  { paths: /^usr\/sbin\/policy-rc\.d$/, why: "keeps services from starting during the build only" },
  { paths: /^root\/\.(?:cache|rnd|wget-hsts)(?:\/.*)?$/, why: "left by scripts" },
];

/** Why a path is left out of the image, or undefined where it stays. */
export function dropReason(path: string): string | undefined {
  return dropped.find(({ paths }) => paths.test(path))?.why;
}

const secondsPerDay = 86_400;

/** Triggers that were set off and not yet handed to anybody; empty in an installed system. */
const unincorporatedPath = "var/lib/dpkg/triggers/Unincorp";

/**
 * The content of a file with what depends on the build's day, order or machine made equal.
 *
 * @param epochSeconds the lock's time
 */
export function normaliseContent(path: string, content: Buffer, epochSeconds: number): Buffer {
  if (path === "etc/shadow") return shadowDays(content, Math.floor(epochSeconds / secondsPerDay));
  // Without this file dpkg takes every trigger for pending the next time it runs.
  if (path === "etc/machine-id" || path === unincorporatedPath) return Buffer.alloc(0);
  if (path === "var/lib/dpkg/status") return sortedParagraphs(content);
  if (path === "var/lib/dpkg/triggers/File" || (path.startsWith("var/lib/dpkg/triggers/") && content.length > 0))
    return sortedLines(content);
  return content;
}

/** The day of the last password change is the lock's day for all: no account has a password. Source: shadow(5). */
function shadowDays(content: Buffer, day: number): Buffer {
  const lines = content
    .toString("utf8")
    .split("\n")
    .map((line) => {
      const fields = line.split(":");
      if (fields.length < 3) return line;
      fields[2] = String(day);
      return fields.join(":");
    });
  return Buffer.from(lines.join("\n"));
}

function sortedParagraphs(content: Buffer): Buffer {
  const paragraphs = content
    .toString("utf8")
    .split(/\n\n+/)
    .filter((text) => text.trim() !== "");
  return Buffer.from(
    paragraphs
      .sort((a, b) => (key(a) < key(b) ? -1 : 1))
      .map((text) => `${text.trimEnd()}\n\n`)
      .join(""),
  );
}

function key(paragraph: string): string {
  const field = (name: string): string => new RegExp(`^${name}: (.*)$`, "m").exec(paragraph)?.[1] ?? "";
  return `${field("Package")}:${field("Architecture")}`;
}

function sortedLines(content: Buffer): Buffer {
  const lines = content
    .toString("utf8")
    .split("\n")
    .filter((line) => line !== "");
  return Buffer.from(
    [...new Set(lines)]
      .sort()
      .map((line) => `${line}\n`)
      .join(""),
  );
}
