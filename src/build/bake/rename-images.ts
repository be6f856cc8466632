import { DockerfileParser, type Copy, type From } from "dockerfile-ast";

/**
 * Puts images in the place of the names of contexts, in FROM and COPY --from, as bake's `contexts` do.
 *
 * @param images by the name of the context: the name of a stage, or of an image with its arguments filled in
 * @param args values of the arguments that FROM may name
 */
export function renameImages(
  text: string,
  images: ReadonlyMap<string, string>,
  args: Readonly<Record<string, string>>,
): string {
  const lines = text.split("\n");
  const edits: { line: number; start: number; end: number; by: string }[] = [];
  const own = new Set<string>();
  const parsed = DockerfileParser.parse(text);
  const defaults = parsed
    .getInitialARGs()
    .map((arg) => [arg.getProperty()?.getName() ?? "", arg.getProperty()?.getValue()]);
  const values: Readonly<Record<string, string | null | undefined>> = { ...Object.fromEntries(defaults), ...args };
  const imageOf = (written: string | null): string | undefined => images.get(filled(written ?? "", values));
  for (const instruction of parsed.getInstructions()) {
    if (instruction.getKeyword() === "FROM") {
      const from = instruction as From;
      const range = from.getImageRange();
      const by = imageOf(from.getImage());
      if (range !== null && by !== undefined && !own.has(from.getImage()!)) edits.push(editOf(range, by));
      const stage = from.getBuildStage();
      // A context of a stage's name takes the place of the stage.
      if (stage !== null && !images.has(stage)) own.add(stage);
    } else if (instruction.getKeyword() === "COPY") {
      const flag = (instruction as Copy).getFromFlag();
      const range = flag?.getValueRange();
      const by = imageOf(flag?.getValue() ?? null);
      if (range !== null && range !== undefined && by !== undefined) edits.push(editOf(range, by));
    }
  }
  for (const { line, start, end, by } of edits.toSorted((a, b) => b.line - a.line || b.start - a.start))
    lines[line] = `${lines[line]!.slice(0, start)}${by}${lines[line]!.slice(end)}`;
  return lines.join("\n");
}

function filled(text: string, values: Readonly<Record<string, string | null | undefined>>): string {
  return text.replaceAll(/\$(?:\{(\w+)\}|(\w+))/g, (written, ...names: (string | undefined)[]) => {
    const name = names[0] ?? names[1] ?? "";
    return (Object.hasOwn(values, name) ? values[name] : undefined) ?? written;
  });
}

interface Range {
  readonly start: { readonly line: number; readonly character: number };
  readonly end: { readonly character: number };
}

function editOf({ start, end }: Range, by: string): { line: number; start: number; end: number; by: string } {
  return { line: start.line, start: start.character, end: end.character, by };
}
