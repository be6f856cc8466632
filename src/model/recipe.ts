import { z } from "zod";

const absolutePath = z
  .string()
  .regex(/^\/(?!.*(?:^|\/)\.\.?(?:\/|$))[^\0]*$/, "must be an absolute path without . or .. parts");
const mode = z.string().regex(/^[0-7]{3,4}$/, "must be an octal mode such as 0644");
const owner = z.string().regex(/^(?:\d+:\d+|[a-z_][a-z0-9_-]*)$/, "must be uid:gid or the name of a user");
const accountName = z.string().regex(/^[a-z_][a-z0-9_-]{0,31}$/);
const packageName = z.string().regex(/^[a-z0-9][a-z0-9.+-]+$/, "must be a Debian package name");

/** `debian:12`, `ubuntu:24.04` … */
const distributionForm = /^(debian|ubuntu):([a-z0-9.]+)$/;
const distribution = z.string().regex(distributionForm, "must be such as debian:12 or ubuntu:24.04");

/** Ready-made repairs that an image without configured packages needs. */
const fixups = ["passwd", "certificates", "ld-cache", "nsswitch", "os-release", "alternatives"] as const;

const recipeFields = z.strictObject({
  name: z.string().regex(/^[a-z0-9]+(?:[._/-][a-z0-9]+)*$/, "must be a repository name"),
  title: z.string().min(1),
  description: z.string().optional(),
  /** One distribution, or several in order of preference: the first that the machine's sources offer is taken. */
  distribution: z.union([distribution, z.array(distribution).min(1)]).default([]),
  architecture: z.enum(["amd64", "arm64"]).default("amd64"),
  /** All that the image is built for: an image each, and an index of them under the tags. The first is `architecture`. */
  architectures: z
    .array(z.enum(["amd64", "arm64"]))
    .min(1)
    .refine((all) => new Set(all).size === all.length, "must name each once")
    .optional(),
  /** `full` installs and configures with dpkg; `runtime` only unpacks, for short closed lists. */
  flavour: z.enum(["full", "runtime"]).default("full"),
  tags: z.array(z.string()).default(["latest"]),
  packages: z.array(packageName).default([]),
  /** A Containerfile beside image.yaml that makes the image, in a sealed build, in place of packages. */
  containerfile: z
    .string()
    .regex(/^(?!\/)(?!.*(?:^|\/)\.\.(?:\/|$)).+$/, "must be a path inside the recipe's folder")
    .optional(),
  /** The recipe that this one is a variant of: it is built first. What FROM and COPY name counts without being said. */
  base: z
    .string()
    .regex(/^[a-z0-9][a-z0-9._-]*$/, "must be the name of a recipe's folder")
    .optional(),
  /** Values of the Containerfile's arguments. */
  args: z.record(z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/), z.string()).optional(),
  /** The stage of the Containerfile that is built; the last one by default. */
  target: z.string().optional(),
  /** The folder that COPY and ADD read from, inside the recipe's; the recipe's folder by default. */
  context: z.string().optional(),
  /** Packages that are taken where the distribution has them and left out where not. */
  optionalPackages: z.array(packageName).default([]),
  users: z
    .array(
      z.strictObject({
        name: accountName,
        uid: z.int().min(1).max(60_000),
        gid: z.int().min(1).max(60_000).optional(),
        shell: absolutePath.default("/bin/bash"),
        home: absolutePath.optional(),
        groups: z.array(accountName).default([]),
      }),
    )
    .default([]),
  directories: z
    .array(z.strictObject({ path: absolutePath, mode: mode.default("0755"), owner: owner.default("0:0") }))
    .default([]),
  files: z
    .array(
      z
        .strictObject({
          path: absolutePath,
          /** A file beside image.yaml. */
          source: z.string().optional(),
          content: z.string().optional(),
          mode: mode.default("0644"),
          owner: owner.default("0:0"),
        })
        .refine(
          (file) => (file.source === undefined) !== (file.content === undefined),
          "needs either source or content",
        ),
    )
    .default([]),
  environment: z.record(z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/), z.string()).default({}),
  labels: z.record(z.string(), z.string()).default({}),
  workdir: absolutePath.optional(),
  user: z.string().optional(),
  entrypoint: z.array(z.string()).optional(),
  command: z.array(z.string()).optional(),
  ports: z.array(z.string().regex(/^\d{1,5}\/(?:tcp|udp)$/, "must be such as 22/tcp")).default([]),
  /** Repairs of a `runtime` image. */
  fixups: z.array(z.enum(fixups)).default([...fixups]),
  layers: z
    .strictObject({
      /** Layers for packages; one more holds what configuring made. */
      budget: z.int().min(1).max(100).default(40),
      compression: z.enum(["zstd", "gzip"]).default("zstd"),
    })
    .default({ budget: 40, compression: "zstd" }),
});

/** An `image.yaml`. */
export const recipeSchema = recipeFields.superRefine((recipe, { addIssue }) => {
  const hasPackages = recipe.packages.length > 0;
  const issue = (path: string, message: string): void => addIssue({ code: "custom", path: [path], message });
  if (recipe.architectures?.includes(recipe.architecture) === false)
    issue("architectures", `must name "${recipe.architecture}", if it is to be built for it`);
  if (recipe.containerfile === undefined) {
    if (!hasPackages) issue("packages", "must name at least one package, or there must be a containerfile");
    if ([recipe.distribution].flat().length === 0) issue("distribution", "is needed for packages");
    if (recipe.base !== undefined) issue("base", "needs a containerfile that builds on it");
    return;
  }
  for (const key of ["packages", "optionalPackages", "users", "directories", "files"] as const)
    if (recipe[key].length > 0) issue(key, "belongs into the Containerfile, where there is one");
});

/** A recipe as it is read, with every default filled in. */
export type Recipe = z.infer<typeof recipeSchema>;
