/** The normal form of a project's name. Source: PEP 503, "Normalized Names". */
export function normalName(name: string): string {
  return name.toLowerCase().replaceAll(/[-_.]+/g, "-");
}

/** Whether a text is a project's name, in whatever form. Source: PEP 508, "Names". */
export function isProjectName(text: string): boolean {
  return text.length <= 200 && /^[A-Z0-9](?:[A-Z0-9._-]*[A-Z0-9])?$/i.test(text);
}

const versionForm =
  /^v?(?:(\d+)!)?(\d+(?:\.\d+)*)(?:[-_.]?(alpha|a|beta|b|preview|pre|c|rc)[-_.]?(\d*))?(?:-(\d+)|[-_.]?(?:post|rev|r)[-_.]?(\d*))?([-_.]?dev[-_.]?(\d*))?(?:\+([a-z0-9]+(?:[-_.][a-z0-9]+)*))?$/;

const letters: Readonly<Record<string, string>> = { alpha: "a", beta: "b", preview: "rc", pre: "rc", c: "rc" };

/**
 * The normal form of a version, zeros at its end kept; lower case of the text where it is none.
 *
 * Source: the version specifiers of Python packaging (PEP 440), "Normalization".
 */
export function normalVersion(text: string): string {
  const lower = text.trim().toLowerCase();
  const match = lower.length > 200 ? null : versionForm.exec(lower);
  if (match === null) return lower;
  const [, epoch, release, kind, kindCount, bareePost, post, dev, devCount, local] = match;
  const plain = (digits: string | undefined): string => (digits ?? "").replace(/^0+(?=\d)/, "") || "0";
  let normal = release!.split(".").map(plain).join(".");
  if (epoch !== undefined && plain(epoch) !== "0") normal = `${plain(epoch)}!${normal}`;
  if (kind !== undefined) normal += `${letters[kind] ?? kind}${plain(kindCount)}`;
  if (bareePost !== undefined || post !== undefined) normal += `.post${plain(bareePost ?? post)}`;
  if (dev !== undefined) normal += `.dev${plain(devCount)}`;
  return local === undefined ? normal : `${normal}+${local.replaceAll(/[-_]/g, ".")}`;
}

/** Whether a version in its normal form comes before a release. */
export function isPrerelease(version: string): boolean {
  return /\d(?:a|b|rc)\d|\.dev\d/.test(version.split("+", 1)[0]!);
}

const sourceEnd = /\.(?:tar\.(?:gz|bz2|xz|z|lzma)|tgz|tbz|zip)$/i;
const otherEnd = /\.(?:whl|egg|exe|msi|rpm|deb|dmg)$/i;

/** Whether a file's name is that of a distribution, and not of a page or a signature. */
export function isDistribution(file: string): boolean {
  return sourceEnd.test(file) || otherEnd.test(file);
}

/**
 * The version that a distribution's name says, in normal form; undefined where it is not a file of this project.
 *
 * Source: binary distribution format (PEP 427), "File name convention"; source distribution format (PEP 625). Older names
 * are taken as they are: whatever follows the project's name is the version.
 */
export function versionOfFile(project: string, file: string): string | undefined {
  const wheel = /^(.+?)-([^-]+)(?:-\d[^-]*)?-[^-]+-[^-]+-[^-]+\.whl$/i.exec(file);
  if (wheel !== null)
    return normalName(wheel[1]!) === project ? normalVersion(wheel[2]!.replaceAll("_", "-")) : undefined;
  const stem = file.replace(sourceEnd, "").replace(otherEnd, "");
  if (stem === file) return undefined;
  for (let at = stem.indexOf("-"); at > 0; at = stem.indexOf("-", at + 1)) {
    if (normalName(stem.slice(0, at)) !== project) continue;
    const rest = stem.slice(at + 1);
    // A project `a` has no file `a-b-1.0.tar.gz`: that is of `a-b`.
    if (!/^v?\d/i.test(rest)) continue;
    return normalVersion(sourceEnd.test(file) ? rest : rest.split("-", 1)[0]!);
  }
  return undefined;
}
