/** An installed or locked package of an operating system or a language. */
export interface Package {
  /** Package URL type: `deb`, `pypi`, `npm` … */
  readonly type: string;
  readonly name: string;
  readonly version: string;
  readonly architecture: string;
  /** The source package that it was built from; its own name where it has no other. */
  readonly source: string;
  readonly sourceVersion: string;
  /** SHA-256 in hex of the archive that it came from, where known. */
  readonly sha256?: string;
  /** Licence expressions or names as found, where known. */
  readonly licences?: readonly string[];
  readonly maintainer?: string;
  readonly homepage?: string;
}

/** The operating system that packages belong to, as os-release names it. */
export interface Distribution {
  /** `debian`, `ubuntu` … */
  readonly id: string;
  /** `12`, `24.04` … */
  readonly version: string;
  /** `bookworm`, `noble` … */
  readonly codename: string;
}
