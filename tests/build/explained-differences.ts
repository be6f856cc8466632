import type { Explanation } from "../fixtures/tree.ts";

/**
 * Where our image differs from what mmdebstrap makes of the same packages, and why.
 *
 * The oracle test fails on a difference that is not here, and on an entry that no longer explains anything.
 * docs/explanation/package-images.md tells it to people.
 */
export const explainedDifferences: readonly Explanation[] = [
  {
    paths: /^etc\/(?:hostname|resolv\.conf)$/,
    why: "mmdebstrap copies the building machine's; an image must not depend on it",
  },
  { paths: /^etc\/fstab$/, why: "mmdebstrap writes a comment for whoever will mount the system" },
  { paths: /^etc\/apt\/sources\.list(?:\.d\/.*)?$/, why: "the archive that the image was made from is not part of it" },
  { paths: /^etc\/apt\/apt\.conf\.d\/99mmdebstrap$/, why: "mmdebstrap keeps its own options for apt" },
  { paths: /^dev\/.+/, why: "device nodes come from the container runtime" },
  { paths: /^etc\/ssh\/ssh_host_.+/, why: "host keys are secrets of one host" },
  {
    paths: /^etc\/(?:shadow|gshadow|passwd|group)-$|^etc\/\.pwd\.lock$/,
    why: "account files before their last change, and the lock of the tools that changed them",
  },
  { paths: /^var\/(?:cache\/debconf|lib\/dpkg)\/.*-old$/, why: "the state before the last step of dpkg and debconf" },
  {
    paths: /^var\/(?:cache|lib)\/(?:apt|dpkg)\/(?:.*\/)?[lL]ock(?:-frontend)?$/,
    why: "lock files of the tools that ran",
  },
  {
    paths: /^var\/lib\/dpkg\/(?:arch|available)$/,
    why: "empty, or the foreign architectures, of which there are none",
  },
  {
    paths: /^var\/(?:lib\/apt\/lists|cache\/apt\/archives)\/partial$/,
    why: "apt made it while it ran; apt in the image makes it again",
  },
  { paths: /^var\/lib\/apt\/extended_states$/, why: "the same packages are marked, in the order of their names" },
  { paths: /^var\/lib\/dpkg\/status$/, why: "the same records, in the order of their names" },
  {
    paths: /^usr\/(?:share\/python3\/debpython|lib\/python3\/dist-packages\/_distutils_hack)\/__pycache__\/.+\.pyc$/,
    what: ["content"],
    why: "modules of the byte compiler itself: whether it imports or compiles them first shows in reference flags; ours are the same in every build",
  },
];

/** Differences that the day or the order of configuring may bring, or not. */
export const possibleDifferences: readonly Explanation[] = [
  { paths: /^etc\/shadow$/, why: "the day of the last password change is the lock's day for every account" },
  { paths: /^etc\/shells$/, why: "shells stand in the order in which their packages were configured" },
];
