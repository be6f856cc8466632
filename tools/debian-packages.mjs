/**
 * What Mintmark needs of the machine beside Node: the Debian package, the program that proves it is there, why, and
 * for what: `up` (running and building), `test` (the tests' peers), `bench` (what we are measured against).
 */
export const debianPackages = [
  { package: "apt", program: "apt-get", for: "up", why: "resolves packages and verifies their signed indexes" },
  { package: "dpkg", program: "dpkg", for: "up", why: "installs packages into images" },
  { package: "gpgv", program: "gpgv", for: "up", why: "checks the signatures of package indexes" },
  { package: "xz-utils", program: "xz", for: "up", why: "unpacks packages compressed with xz" },
  { package: "zstd", program: "zstd", for: "up", why: "unpacks packages and compresses layers" },
  { package: "util-linux", program: "unshare", for: "up", why: "opens the namespaces that maintainer scripts run in" },
  { package: "mount", program: "mount", for: "up", why: "mounts the cached trees of packages" },
  { package: "uidmap", program: "newuidmap", for: "up", why: "builds images as an ordinary user" },
  { package: "skopeo", program: "skopeo", for: "test", why: "copies images to and from our registry" },
  { package: "podman", program: "podman", for: "test", why: "pulls, verifies and runs our images" },
  {
    package: "buildah",
    program: "buildah",
    for: "test",
    why: "builds from our images and pushes; a peer in the bench",
  },
  { package: "runc", program: "runc", for: "test", why: "runs containers for podman and buildah" },
  {
    package: "qemu-user-static",
    program: "qemu-aarch64-static",
    for: "test",
    why: "runs programs of arm64 while images of it are built",
  },
  {
    package: "mmdebstrap",
    program: "mmdebstrap",
    for: "test",
    why: "makes the file system that ours is compared with",
  },
  { package: "jq", program: "jq", for: "test", why: "reads our JSON as a user's script would" },
  { package: "openssl", program: "openssl", for: "test", why: "verifies our signatures with another implementation" },
  { package: "gnupg", program: "gpg", for: "test", why: "signs the package indexes of the tests' own mirrors" },
  { package: "golang-go", program: "go", for: "test", why: "fetches modules through our mirror" },
  { package: "cargo", program: "cargo", for: "test", why: "fetches and publishes crates through our mirror" },
  { package: "maven", program: "mvn", for: "test", why: "resolves and deploys artifacts through our mirror" },
  { package: "python3-pip", program: "pip3", for: "test", why: "installs packages through our mirror" },
  { package: "python3-venv", program: "python3", for: "test", why: "gives those packages a place of their own" },
  { package: "dpkg-dev", program: "dpkg-scanpackages", for: "test", why: "makes the package indexes of those mirrors" },
];
