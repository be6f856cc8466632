# Run by a maintainer script or a structure test: tries to reach the machine, and prints what it reached, a line each.
# It needs no module, so that the program alone will do.
my ($secret, $abstract, $port, $architecture) = @ARGV;
my $is_arm = $architecture eq "arm64";

sub found { my ($name, $value) = @_; $value =~ s/\n/ /g; print "FOUND $name=$value\n"; }
sub reached { my ($done) = @_; return $done ? "reached" : "$!"; }
sub names { my ($folder) = @_; opendir(my $dir, $folder) or return "$!"; return join " ", sort grep { !/^\.\.?$/ } readdir $dir; }
sub content { my ($path) = @_; open(my $file, "<", $path) or return "$!"; local $/; return <$file>; }
# Opening is enough: nothing is to be written on a machine where it can be.
sub writable { my ($path) = @_; return reached(open(my $file, ">>", $path)); }
sub connected { my ($family, $address) = @_; socket(my $one, $family, 1, 0) or return "$!"; return reached(connect($one, $address)); }
sub call { my ($x86, $arm, @rest) = @_; return reached(syscall($is_arm ? $arm : $x86, @rest) == 0); }

my $status = content("/proc/self/status");
for my $name ("CapEff", "CapBnd", "NoNewPrivs") { found($name, $status =~ /^$name:\s*(\w+)/m ? $1 : ""); }
my @others = grep { /^\d+$/ } split / /, names("/proc");
found("processes", join " ", map { content("/proc/$_/comm") } @others);
found("through processes", join " ", grep { -e "/proc/$_/root$secret" || -e "/proc/$_/cwd/$secret" } @others);
found("descriptors", join " ", grep { !/^(pipe|socket):|^\/dev\/null$|^\/proc\/|^\/tmp\/|^\/var\/lib\/found$|^$/ } map { readlink("/proc/self/fd/$_") // "" } split / /, names("/proc/self/fd"));
found("mounts", join " ", map { (split / /)[4] } split /\n/, content("/proc/self/mountinfo"));
found("secret", content($secret));
found("devices", names("/dev"));
found("sys", names("/sys"));
found("core pattern", writable("/proc/sys/kernel/core_pattern"));
found("sysrq", -s "/proc/sysrq-trigger" || -f _ ? writable("/proc/sysrq-trigger") : "closed");
found("device", $is_arm ? call(0, 33, -100, "/tmp/disk", 060600, 259 << 8) : call(133, 0, "/tmp/disk", 060600, 259 << 8));
found("mount", call(165, 40, "none", "/tmp", "tmpfs", 0, 0));
found("remount", call(165, 40, "none", "/proc/sys", "", 0x1020, 0));
found("unmount", call(166, 39, "/proc/sys", 2));
found("abstract socket", connected(1, pack("S a*", 1, "\0$abstract")));
found("tcp", connected(2, pack("S n C4 x8", 2, $port, 127, 0, 0, 1)));

# Whoever is root in a chroot leaves it so.
mkdir "/tmp/inner";
opendir(my $old, "/");
found("chroot", reached(chroot "/tmp/inner"));
chdir $old;
chdir ".." for 1 .. 64;
chroot ".";
found("outside: secret", content($secret));
found("outside: write", writable("$secret.written"));
found("outside: names", names("/"));
found("outside: core pattern", writable("/proc/sys/kernel/core_pattern"));
found("new namespaces", call(272, 97, 0x10000000 | 0x00020000));
