import type { LockedPackage } from "../model/lock.ts";
import { parseParagraph, relationGroups, relationNames, type Paragraph } from "./control-file.ts";
import type { ChamberPackage, Wave } from "./chamber/job.ts";

/** A locked package with its control file and the folder of its unpacked tree. */
export interface UnpackedPackage {
  readonly locked: LockedPackage;
  readonly control: string;
  readonly tree: string;
}

/**
 * Orders an installation by what Debian Policy promises to scripts: when a preinst runs, the Pre-Depends of its
 * package are configured.
 *
 * The essential set comes first, with what it depends on, files before scripts, as in every bootstrap. Then come those that others
 * pre-depend on, level by level, and in one last wave all the rest.
 *
 * Source: Debian Policy 7.2.
 */
export function planWaves(packages: readonly UnpackedPackage[]): Wave[] {
  const graph = new Relations(packages);
  const essential = packages.filter(({ locked }) => graph.isFirst(locked.name));
  const others = packages.filter(({ locked }) => !graph.isFirst(locked.name));
  const early = new Set(others.flatMap(({ locked }) => [...graph.needsBeforePreinst(locked.name)]));
  const levels = new Map(others.map(({ locked }) => [locked.name, graph.level(locked.name)]));
  const depth = Math.max(0, ...[...early].map((name) => levels.get(name)!));
  const waves: Wave[] = [];
  const configured = new Set<string>();
  if (essential.length > 0) waves.push({ packages: essential.map(chamberPackage), filesFirst: true, configure: "all" });
  for (let level = 1; level <= depth; level++) {
    const members = others.filter(({ locked }) => early.has(locked.name) && levels.get(locked.name) === level);
    const waiting = others.filter(
      ({ locked }) => levels.get(locked.name) === level + 1 || (level === depth && !early.has(locked.name)),
    );
    const needed = new Set(waiting.flatMap(({ locked }) => [...graph.needsBeforePreinst(locked.name)]));
    const configure = [...needed].filter((name) => !configured.has(name)).sort();
    for (const name of configure) configured.add(name);
    waves.push({ packages: members.map(chamberPackage), filesFirst: waves.length === 0, configure });
  }
  const rest = others.filter(({ locked }) => !early.has(locked.name));
  waves.push({ packages: rest.map(chamberPackage), filesFirst: waves.length === 0, configure: "all" });
  return waves;
}

/** A package as the chamber knows it. */
export function chamberPackage({ locked, tree }: UnpackedPackage): ChamberPackage {
  return { name: locked.name, architecture: locked.architecture, tree };
}

class Relations {
  readonly #fields = new Map<string, Paragraph>();
  readonly #providers = new Map<string, string>();
  /** The essential set, closed under what it depends on. */
  readonly #first = new Set<string>();

  constructor(packages: readonly UnpackedPackage[]) {
    for (const { locked, control } of packages) {
      const fields = parseParagraph(control);
      this.#fields.set(locked.name, fields);
      if (locked.essential) this.#first.add(locked.name);
      for (const name of relationNames(fields.get("Provides"))) this.#providers.set(name, locked.name);
    }
    // The lock marks what apt takes for the essential set alone; a recipe may choose another alternative.
    for (const name of this.#first)
      for (const field of ["Pre-Depends", "Depends"])
        for (const group of relationGroups(this.#fields.get(name)?.get(field))) {
          const targets = this.#known(group);
          if (targets.length > 0 && !targets.some((target) => this.#first.has(target))) this.#first.add(targets[0]!);
        }
  }

  /** Whether a package belongs to what is installed before all else. */
  isFirst(name: string): boolean {
    return this.#first.has(name);
  }

  /** Everything outside the essential set that must be configured before this package's preinst runs. */
  needsBeforePreinst(name: string): Set<string> {
    const needed = new Set<string>();
    for (const target of this.#targets(name, "Pre-Depends")) this.#collect(target, needed);
    needed.delete(name);
    return needed;
  }

  /** 1 where nothing has to be configured first, else one more than the highest of what has. */
  level(name: string, path: readonly string[] = []): number {
    if (path.includes(name)) return 1;
    return 1 + Math.max(0, ...[...this.needsBeforePreinst(name)].map((needed) => this.level(needed, [...path, name])));
  }

  #collect(name: string, into: Set<string>): void {
    if (into.has(name)) return;
    into.add(name);
    for (const field of ["Pre-Depends", "Depends"])
      for (const target of this.#targets(name, field)) this.#collect(target, into);
  }

  #targets(name: string, field: string): string[] {
    return this.#known(relationNames(this.#fields.get(name)?.get(field))).filter((target) => !this.#first.has(target));
  }

  /** Those of some names that are installed, or what is installed in their place. */
  #known(names: readonly string[]): string[] {
    return names
      .map((target) => (this.#fields.has(target) ? target : this.#providers.get(target)))
      .filter((target) => target !== undefined);
  }
}
