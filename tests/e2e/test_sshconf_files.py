"""Where ssh's configuration is: the files that are read by themselves, and
those that they include."""
import grp
import os

from dns import sh
from harness import CULVERT, check, equal, matches
from sshconf import HOME, compare, refuses, run

NAMESPACE = True


def test_include(t):
    t.file("a.conf", "Port 1\nHost other\nCompression yes\n")
    t.file("b.conf", "Port 2\nUser b\nMatch host nobody\nBatchMode yes\n")
    t.file("nested", f"Include {t.tmp('b.conf')}\n")
    path = t.file("config", f"""
Include {t.tmp('*.conf')} {t.tmp('no-such-file')}
IdentityFile ~/after
Host other
    Include "{t.tmp('nested')}"
    BindAddress 192.0.2.1
Host nobody
    Include {t.tmp('nested')}
    HostName nobody
Host *
    HostName all
""")
    for host in ("host", "other", "nobody"):
        compare(t, "-F", path, host)


def test_include_without_end(t):
    path = t.file("self", f"Include {t.tmp('self')}\n")
    refuses(t, f"Include {path}\n", "self:1: Include", "too deep")


def test_files_by_themselves(t):
    """~/.ssh/config counts before /etc/ssh/ssh_config; relative paths; what
    others may write to."""
    folder = os.path.join(HOME, ".ssh")
    made = not os.path.isdir(folder)
    if made:
        os.mkdir(folder, 0o700)
        t.defer(os.rmdir, folder)
    for real, name in ((folder, "user"), ("/etc/ssh", "system")):
        os.makedirs(t.tmp(name), exist_ok=True)
        sh("mount", "--bind", t.tmp(name), real)
        t.defer(sh, "umount", real)
    compare(t, "host")
    t.file("system/ssh_config", "User system\nPort 1\nInclude part\n")
    t.file("system/part", "BindAddress 192.0.2.1\n")
    compare(t, "host")
    t.file("user/config", "User user\nInclude part sub/*\nInclude ~/.ssh/tilde")
    t.file("user/part", "Compression yes\n")
    t.file("user/tilde", "BatchMode yes\n")
    got = compare(t, "host")
    equal((got["user"], got["port"], got["compression"], got["batchmode"]),
          (["user"], ["1"], ["yes"], ["yes"]), "values")
    compare(t, "-F", "none", "host")
    _, _, said = run(t, CULVERT, "-v", "host")
    for path in (f"{HOME}/.ssh/config", f"{HOME}/.ssh/part",
                 "/etc/ssh/ssh_config", "/etc/ssh/part"):
        check(f"culvert: reading {path}" in said, f"{path} is not in {said!r}")
    for name in ("user/part", "user/config"):
        os.chmod(t.tmp(name), 0o602)
        status, _, said = run(t, CULVERT, "host")
        equal(status, 2, f"exit status: {said}")
        matches("bad owner or permissions", said, "message")
        equal(run(t, "ssh", "host")[0], 255, "ssh's exit status")
        # A group that has this user alone may, as Debian's ssh has it.
        os.chmod(t.tmp(name), 0o660)
        equal(run(t, CULVERT, "host")[0], 0, "status with a group of one")
        os.chown(t.tmp(name), -1, grp.getgrnam("games").gr_gid)
        equal(run(t, CULVERT, "host")[0], 2, "status with another group")
        os.chmod(t.tmp(name), 0o600)
    t.file("system/ssh_config", "Include ~/.ssh/part\n")
    status, _, said = run(t, CULVERT, "host")
    equal(status, 2, f"exit status: {said}")
    matches(r"/etc/ssh/ssh_config:1: Include", said, "message")
