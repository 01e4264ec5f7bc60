"""The commands of two guides to SSH tunnels, word for word but for the
program's name: what leaves by the server."""
import os
import re
import shlex
import signal

from dns import sh
from harness import (CULVERT, equal, free_port, matches, sanitizer_environment,
                     wait_until)
from processes import children, process_state
from seeds import DATABASE, GATEWAY, REACHED, TUNNEL_HOST, World, check_fetch

NAMESPACE = True


def test_the_world_is_as_it_should_be(t):
    """With stock ssh: the service is there, and from nowhere else."""
    world = World(t)
    done = t.run(["ssh", "user@host.example.net", "curl -sS "
                  "http://127.0.0.1:8000/"])
    equal(done.stdout, REACHED, f"output ({done.stderr})")
    equal(world.fetch(f"http://{DATABASE}:8000/", "--max-time", "1")[0], b"",
          "the database from here")


def test_local_forward(t):
    """ssh -L [local_addr:]local_port:remote_addr:remote_port
    [user@]sshd_addr"""
    world = World(t)
    port = free_port()
    for command, host in (
            (f"ssh -L {port}:127.0.0.1:8000 user@host.example.net",
             "127.0.0.1"),
            (f"ssh -L {port}:localhost:8000 {GATEWAY}", "localhost"),
            (f"ssh -L 127.0.0.1:{port}:127.0.0.1:8000 host.example.net",
             "127.0.0.1"),
            (f"ssh -L {TUNNEL_HOST}:{port}:127.0.0.1:8000 "
             f"user@host.example.net", TUNNEL_HOST)):
        proxy = world.culvert(command)
        check_fetch(world, f"http://{host}:{port}/")
        proxy.stop()


def test_local_forward_with_a_bastion(t):
    """The same; remote_addr is behind sshd_addr."""
    world = World(t)
    port = free_port()
    for target in (DATABASE, "db.internal"):
        proxy = world.culvert(f"ssh -L {port}:{target}:8000 "
                              f"user@host.example.net")
        check_fetch(world, f"http://127.0.0.1:{port}/")
        proxy.stop()


def test_dynamic_forward(t):
    """ssh -D [local_addr:]local_port [user@]sshd_addr"""
    world = World(t)
    port = free_port()
    for command, host in (
            (f"ssh -D {port} user@host.example.net", "127.0.0.1"),
            (f"ssh -D 127.0.0.1:{port} {GATEWAY}", "127.0.0.1"),
            (f"ssh -D {TUNNEL_HOST}:{port} host.example.net", TUNNEL_HOST)):
        proxy = world.culvert(command)
        for target in ("127.0.0.1", DATABASE, "db.internal"):
            check_fetch(world, f"http://{target}:8000/", "-x",
                        f"socks5h://{host}:{port}")
        proxy.stop()


SHARED = """ssh -fN -g \
  -L 192.0.2.40:8080:127.0.0.1:8000 \
  -o ExitOnForwardFailure=yes \
  user@host.example.net"""


def run_shared(world):
    t = world.t
    words = shlex.split(SHARED)
    equal(words[0], "ssh", "the command")
    return t.run([CULVERT, *words[1:]],
                 env=dict(sanitizer_environment(t.new_report()),
                          **world.env))


def test_shared_local_forward(t):
    """Started, looked for with ss, used from the workstation, and killed by
    the number that ss tells."""
    world = World(t)
    before = set(children(os.getpid()))
    done = run_shared(world)
    equal(done.returncode, 0, f"exit status ({done.stderr.decode()})")
    mine, = set(children(os.getpid())) - before
    t.defer(end_child, mine)
    listed = t.run(["ss", "--tcp", "--listening", "--numeric", "--processes",
                    "--no-header", "sport = :8080"]).stdout.decode()
    found = matches(r"^LISTEN .* 192\.0\.2\.40:8080 .*"
                    r'users:\(\("culvert",pid=(\d+),', listed, "ss")
    equal(len(listed.splitlines()), 1, "listeners")
    equal(int(found[1]), mine, "the process that ss tells")
    check_fetch(world, "http://192.0.2.40:8080/", host=world.workstation)
    sh("kill", found[1])
    wait_until(lambda: process_state(mine) in (None, "Z"), "its end")


def end_child(pid):
    if process_state(pid) not in (None, "Z"):
        os.kill(pid, signal.SIGINT)
    equal(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), 0, "exit status")


def test_shared_local_forward_that_cannot_listen(t):
    """ExitOnForwardFailure "prevents a silent background process"."""
    world = World(t)
    holder = world.culvert("ssh -L 192.0.2.40:8080:127.0.0.1:8000 "
                           "user@host.example.net")
    before = children(os.getpid())
    done = run_shared(world)
    equal(done.returncode, 255, f"exit status ({done.stderr.decode()})")
    matches("(?i)address already in use", done.stderr.decode(), "message")
    matches(re.escape("192.0.2.40:8080"), done.stderr.decode(), "message")
    equal(children(os.getpid()), before, "processes")
    holder.stop()


def test_gateway_of_all_interfaces(t):
    """"Binding to 0.0.0.0 listens on every interface"."""
    world = World(t)
    proxy = world.culvert("ssh -N -g -L 8080:127.0.0.1:8000 "
                          "user@host.example.net")
    check_fetch(world, "http://192.0.2.40:8080/", host=world.workstation)
    proxy.stop()
    proxy = world.culvert("ssh -N -L 8080:127.0.0.1:8000 "
                          "user@host.example.net")
    check_fetch(world, "http://127.0.0.1:8080/")
    equal(world.fetch("http://192.0.2.40:8080/",
                      host=world.workstation)[0], b"", "without -g")
    proxy.stop()
