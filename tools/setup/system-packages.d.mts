interface SystemPackage {
  readonly package: string;
  readonly program: string;
  readonly for: "up" | "test" | "bench";
  readonly why: string;
}

export function missingPackages(purposes: readonly string[], has?: (program: string) => boolean): SystemPackage[];
export function isDebianLike(osRelease: string): boolean;
export function installCommand(packages: readonly Pick<SystemPackage, "package">[]): string;
export function installSystemPackages(missing: readonly SystemPackage[], say: (line: string) => void): void;
