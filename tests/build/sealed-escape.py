"""Run by a RUN: tries to reach the machine, and prints what it reached as one line of JSON."""
import ctypes, errno, json, os, socket, sys

host, port, abstract, path, secret = sys.argv[1:]
found = {}


def attempt(name, action):
    try:
        found[name] = action()
    except OSError as error:
        found[name] = errno.errorcode.get(error.errno, str(error))


def connect(family, address):
    one = socket.socket(family)
    one.settimeout(3)
    one.connect(address)
    return "reached"


def write(name):
    with open(name, "ab") as file:
        file.write(b"x")
    return "written"


def pids():
    return [name for name in os.listdir("/proc") if name.isdigit()]


libc = ctypes.CDLL(None, use_errno=True)


def call(function, *values):
    if getattr(libc, function)(*values) == 0:
        return "done"
    return errno.errorcode[ctypes.get_errno()]


attempt("tcp to the machine", lambda: connect(socket.AF_INET, (host, int(port))))
attempt("tcp to loopback", lambda: connect(socket.AF_INET, ("127.0.0.1", int(port))))
attempt("tcp over IPv6", lambda: connect(socket.AF_INET6, ("::1", int(port))))
attempt("abstract socket", lambda: connect(socket.AF_UNIX, "\0" + abstract))
attempt("path socket", lambda: connect(socket.AF_UNIX, path))
attempt("names", lambda: socket.gethostbyname("example.com"))
attempt("interfaces", lambda: [name for _, name in socket.if_nameindex()])
attempt("mount", lambda: call("mount", b"none", b"/mnt", b"tmpfs", 0, None))
attempt("new namespaces", lambda: call("unshare", 0x10000000 | 0x00020000))
attempt("trace the forwarder", lambda: call("ptrace", 16, 1, 0, 0))
attempt("files of the forwarder", lambda: os.listdir("/proc/1/fd") and os.readlink("/proc/1/fd/0"))
attempt("root of the forwarder", lambda: os.listdir("/proc/1/root"))
attempt("devices", lambda: sorted(os.listdir("/dev")))
attempt("make a device", lambda: os.mknod("/tmp/disk", 0o60600, os.makedev(259, 0)) or "made")
attempt("core pattern", lambda: write("/proc/sys/kernel/core_pattern"))
attempt("sysrq", lambda: write("/proc/sysrq-trigger"))
attempt("process bound", lambda: int(open("/proc/sys/kernel/pid_max").read()))

# Whoever is root in a chroot leaves it so.
os.makedirs("/tmp/inner", exist_ok=True)
old = os.open("/", os.O_RDONLY)
os.chroot("/tmp/inner")
os.fchdir(old)
for _ in range(64):
    os.chdir("..")
os.chroot(".")
attempt("outside", lambda: sorted(os.listdir("/")))
attempt("secret", lambda: open(secret).read())
attempt("outside: path socket", lambda: connect(socket.AF_UNIX, path))
attempt("outside: programs", lambda: write("/usr/bin/env"))
attempt("outside: bases", lambda: write("/mnt/0/overlay-layers/layers.json"))
attempt("outside: accounts", lambda: os.path.exists("/etc/shadow"))
attempt("outside: core pattern", lambda: write("/proc/sys/kernel/core_pattern"))
attempt("outside: sysrq", lambda: write("/proc/sysrq-trigger") if os.path.getsize("/proc/sysrq-trigger") else "closed")
attempt("outside: devices", lambda: sorted(os.listdir("/dev")))
attempt("outside: remount", lambda: call("mount", b"none", b"/usr", None, 0x1020, None))
print("FOUND " + json.dumps(found), flush=True)
