import { builtinModules } from "node:module";
import { posix } from "node:path";
import { clockProblems, nameProblems, placeProblems, sizeProblems } from "./room-habits.ts";
import {
  commandLineEntry,
  heavyRooms,
  leafRooms,
  openRooms,
  pureFolders,
  purePackages,
  roomTable,
  sideDoors,
} from "./room-table.ts";
import { isTest, readSources, report, trackedFiles, type Import, type Problem, type SourceFile } from "./tree.ts";

/**
 * Finds what breaks the rules of the house: who may import whom, doors, pure rooms, SQL, environment and clock in
 * their places, names that say nothing, files that are too long.
 */
export function roomProblems(files: readonly SourceFile[]): Problem[] {
  const byPath = new Map(files.map((file) => [file.path, file]));
  return [
    ...files.flatMap(outsideProblems),
    ...files.flatMap(importProblems),
    ...doorProblems(files),
    ...purityProblems(files, byPath),
    ...lazinessProblems(byPath),
    ...files.flatMap((file) => [
      ...placeProblems(file),
      ...clockProblems(file),
      ...nameProblems(file),
      ...sizeProblems(file),
    ]),
  ];
}

/** Nothing outside the checkout belongs to the house. */
function outsideProblems(file: SourceFile): Problem[] {
  return file.imports
    .filter((entry) => entry.from.startsWith("/") || resolveImport(file.path, entry.from)?.startsWith("../") === true)
    .map((entry) => problem(file, entry.line, `imports "${entry.from}", which is outside the checkout`));
}

/** Who may import whom, and through which file. */
function importProblems(file: SourceFile): Problem[] {
  const room = roomOf(file.path);
  if (room === undefined) return [];
  const allowed = roomTable[room];
  if (allowed === undefined)
    return [problem(file, 0, `the room "${room}" is not in tools/room-table.ts: add it with what it may import`)];
  return file.imports.flatMap((entry) => {
    const target = resolveImport(file.path, entry.from);
    if (entry.kind === "reexport" && !isOwnDoor(file.path, room, target))
      return [problem(file, entry.line, `re-exports "${entry.from}": only a door may, and only of its own room`)];
    if (target === undefined) return [];
    if (!target.startsWith("src/") && !target.startsWith("../"))
      return [problem(file, entry.line, `imports ${target}: src/ does not know the other folders`)];
    const other = roomOf(target);
    if (other === undefined || other === room) return [];
    if (!allowed.includes(other))
      return [
        problem(
          file,
          entry.line,
          `${room} may not import ${other}: it may import ${allowed.join(", ") || "no other room"}`,
        ),
      ];
    return entersByDoor(target, other, entry)
      ? []
      : [problem(file, entry.line, `enters ${other} by ${target}: the door is src/${other}/${other}.ts`)];
  });
}

/** A door may hand out what other files of its room hold, beside the functions of its own. */
function isOwnDoor(path: string, room: string, target: string | undefined): boolean {
  return path === `src/${room}/${room}.ts` && target !== undefined && roomOf(target) === room;
}

function entersByDoor(target: string, room: string, entry: Import): boolean {
  if (openRooms.has(room) || target === `src/${room}/${room}.ts`) return true;
  return sideDoors.some((door) => door.path.test(target) && (!door.typesOnly || entry.kind === "type"));
}

/** Each room has a door that says what the room does and holds functions of its own. */
function doorProblems(files: readonly SourceFile[]): Problem[] {
  const rooms = new Set(files.flatMap((file) => (isTest(file.path) ? [] : (roomOf(file.path) ?? []))));
  return [...rooms].flatMap((room) => {
    if (openRooms.has(room) || leafRooms.has(room)) return [];
    const path = `src/${room}/${room}.ts`;
    const door = files.find((file) => file.path === path);
    if (door === undefined) return [{ path: `src/${room}`, line: 0, message: `has no door: write ${path}` }];
    const hasDoc = door.tokens.some((token) => token.kind === "doc" && token.text.length >= 120);
    const hasFunction = door.code.some((token) => token.text === "function" || token.text === "class");
    return [
      ...(hasDoc
        ? []
        : [problem(door, 1, "is a door without a doc comment that says what the room does, owns and promises")]),
      ...(hasFunction ? [] : [problem(door, 1, "is a door without a function of its own")]),
    ];
  });
}

/** Pure folders and all that they reach import nothing of the machine. */
function purityProblems(files: readonly SourceFile[], byPath: ReadonlyMap<string, SourceFile>): Problem[] {
  const pure = files.filter((file) => !isTest(file.path) && pureFolders.some((folder) => file.path.startsWith(folder)));
  return pure.flatMap((file) => [
    ...machineImports(file).map((entry) => problem(file, entry.line, `is pure, but imports "${entry.from}"`)),
    ...file.imports.flatMap((entry) => {
      const target = resolveImport(file.path, entry.from);
      const way = target === undefined || entry.kind === "type" ? undefined : wayToMachine(target, byPath);
      return way === undefined
        ? []
        : [problem(file, entry.line, `is pure, but reaches the machine by ${way.join(" → ")}`)];
    }),
    ...machineWords(file),
  ]);
}

/** A pure file may import its own kind and a few pure packages; any other file is judged by Node's modules only. */
function machineImports(file: SourceFile): readonly Import[] {
  const packages = file.imports.filter((entry) => !entry.from.startsWith("."));
  return isPureRoom(file.path)
    ? packages.filter((entry) => !purePackages.has(entry.from))
    : packages.filter((entry) => entry.kind !== "type" && isBuiltin(entry.from));
}

function isPureRoom(path: string): boolean {
  return pureFolders.some((folder) => path.startsWith(folder));
}

function isBuiltin(from: string): boolean {
  return from.startsWith("node:") || builtinModules.includes(from);
}

/** The chain of files from `path` to the first that imports a Node module; pure folders answer for themselves. */
function wayToMachine(path: string, byPath: ReadonlyMap<string, SourceFile>): string[] | undefined {
  if (isPureRoom(path)) return undefined;
  return search(path, new Set());
  function search(at: string, seen: Set<string>): string[] | undefined {
    const file = byPath.get(at);
    if (file === undefined || seen.has(at)) return undefined;
    seen.add(at);
    const machine = machineImports(file)[0];
    if (machine !== undefined) return [at, machine.from];
    for (const entry of file.imports) {
      const target = entry.kind === "type" ? undefined : resolveImport(at, entry.from);
      const rest = target === undefined ? undefined : search(target, seen);
      if (rest !== undefined) return [at, ...rest];
    }
    return undefined;
  }
}

const machineGlobals = new Set(
  "process fetch setTimeout setInterval setImmediate console Buffer globalThis require".split(" "),
);

function machineWords(file: SourceFile): Problem[] {
  return file.code.flatMap((token, index) => {
    const isUse = token.kind === "word" && machineGlobals.has(token.text);
    const isMember = [".", "?."].includes(file.code[index - 1]?.text ?? "") || file.code[index + 1]?.text === ":";
    return isUse && !isMember ? [problem(file, token.line, `is pure, but uses ${token.text}`)] : [];
  });
}

/** What every command loads stays small: heavy rooms come in by import() from the command that needs them. */
function lazinessProblems(byPath: ReadonlyMap<string, SourceFile>): Problem[] {
  const seen = new Set<string>();
  const found: Problem[] = [];
  const queue = [commandLineEntry];
  for (let path = queue.pop(); path !== undefined; path = queue.pop()) {
    const file = byPath.get(path);
    if (file === undefined || seen.has(path)) continue;
    seen.add(path);
    for (const entry of file.imports) {
      const target = resolveImport(path, entry.from);
      if (target === undefined || entry.kind === "type" || entry.kind === "lazy") continue;
      const room = roomOf(target) ?? "";
      if (heavyRooms.includes(room))
        found.push(problem(file, entry.line, `loads ${room} for every command: use import() inside the command`));
      else queue.push(target);
    }
  }
  return found;
}

/** `scan` for src/scan/match.ts; undefined outside src/. */
function roomOf(path: string): string | undefined {
  return /^src\/([^/]+)\//.exec(path)?.[1];
}

/** The file that a relative import names, from the root; undefined for packages. */
function resolveImport(path: string, from: string): string | undefined {
  return from.startsWith(".") ? posix.join(posix.dirname(path), from) : undefined;
}

function problem(file: SourceFile, line: number, message: string): Problem {
  return { path: file.path, line, message };
}

if (import.meta.main) report("rooms", roomProblems(readSources(trackedFiles())));
