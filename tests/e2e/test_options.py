"""The command line: what it refuses and how it says so, and what it prints."""
import os
import signal
import socket

from harness import (CULVERT, check, equal, free_port, matches,
                     sanitizer_environment, scaled, wait_until)
from origins import Echo
from wire import check_echo, open_socks5, through

# What is wrong: the arguments, and what the message must hold beside the name
# of the program.
MALFORMED = (
    (("-D", "70000"), "-D", "70000"),
    (("-D70000",), "-D", "70000"),
    (("-D", "65536"), "-D", "65536"),
    (("-D", "-1"), "-D", "-1"),
    (("-D", ""), "-D", ""),
    (("-D", "no-such-service"), "-D", "no-such-service"),
    (("-D", "1080x"), "-D", "1080x"),
    (("-D", "0x438"), "-D", "0x438"),
    (("-D", "10.0.0.1:"), "-D", "10.0.0.1:"),
    (("-D", "[::1"), "-D", "[::1"),
    (("-D", "[::1]1080"), "-D", "[::1]1080"),
    (("-D", "::1:1080"), "-D", "::1:1080"),
    (("-D", "300.0.0.1:1080:x"), "-D", "300.0.0.1:1080:x"),
    (("-D",), "-D", ""),
    (("-L", "8080"), "-L", "8080"),
    (("-L", "8080:host"), "-L", "8080:host"),
    (("-L", "8080:host:99999"), "-L", "99999"),
    (("-L", "8080:host:0"), "-L", "8080:host:0"),
    (("-L", "8080::80"), "-L", "8080::80"),
    (("-L", "a:b:c:d:e"), "-L", "a:b:c:d:e"),
    (("-L", "8080:ho st:80"), "-L", "8080:ho st:80"),
    (("-L", "/" + "p" * 200 + ":host:80"), "-L", "ppp"),
    (("-W", "host"), "-W", "host"),
    (("-W", "host:0"), "-W", "host:0"),
    (("-W", "host:99999"), "-W", "99999"),
    (("-D", "0", "--handshake-timeout", "soon"), "--handshake-timeout",
     "soon"),
    (("-D", "0", "--connect-timeout", "-5"), "--connect-timeout", "-5"),
    (("-D", "0", "--idle-timeout", "1x"), "--idle-timeout", "1x"),
    (("-D", "0", "--drain-timeout", ""), "--drain-timeout", ""),
    (("-D", "0", "--half-closed-timeout=1e9"), "--half-closed-timeout",
     "1e9"),
    (("-D", "0", "--max-sessions", "many"), "--max-sessions", "many"),
    (("-D", "0", "--max-per-source", "-1"), "--max-per-source", "-1"),
    (("-D", "0", "--workers", "99999999"), "--workers", "99999999"),
    (("-D", "0", "--allow-from", "10.0.0.1/8"), "--allow-from",
     "10.0.0.1/8"),
    (("-D", "0", "--allow-from", "example"), "--allow-from", "example"),
    (("-D", "0", "--allow-from", "10.0.0.0/33"), "--allow-from",
     "10.0.0.0/33"),
    (("-D", "0", "--permit", "host:99999"), "--permit", "99999"),
    (("-D", "0", "--deny", "10.0.0.1/8"), "--deny", "10.0.0.1/8"),
    (("-D", "0", "--deny", ""), "--deny", ""),
    (("-D", "0", "--deny", ":90-80"), "--deny", ":90-80"),
    (("-D", "0", "--log-format", "xml"), "--log-format", "xml"),
    (("-D", "0", "--users", "/no/such/file"), "--users", "/no/such/file"),
    (("-D", "0", "--no-such-option"), "--no-such-option", ""),
    (("-D", "0", "--user", "x"), "--user", ""),
    (("-D", "0", "-Z"), "-Z", ""),
    (("-D", "0", "-o", "NoSuchKeyword=1"), "-o", "NoSuchKeyword"),
    (("-D", "0", "-o", "ConnectTimeout=x"), "-o", "ConnectTimeout=x"),
    (("-D", "0", "-o", "ConnectTimeout"), "-o", "ConnectTimeout"),
    (("-D", "0", "-o", "GatewayPorts=maybe"), "-o", "GatewayPorts=maybe"),
    (("-D", "0", "-o", "LogLevel=LOUD"), "-o", "LogLevel=LOUD"),
    (("-D", "0", "-w", "0:0"), "-w", ""),
    (("-D", "0", "-I", "lib.so"), "-I", ""),
    (("-D", "0", "--via", "carrier:pigeon"), "--via", "carrier:pigeon"),
    (("-D", "0", "-b", ""), "-b", ""),
    (("-f", "-W", "host:80"), "-W", "host:80"),
    (("user@",), "destination", "user@"),
    (("host:99999",), "destination", "host:99999"),
    (("-F", "none", "host", "ls"), "destination", "ls"),
    (("-F", "/no/such/file", "host"), "-F", "/no/such/file"),
    (("-J", "a b", "host"), "-J", "a b"),
    (("-O", "proxy", "host"), "-O", "proxy"),
    (("-O", "kick", "-S", "/x"), "-O", "kick"),
    (("-O", "kick", "-S", "/x", "a", "a.b"), "-O kick", "a.b"),
    (("--gateway", "70000"), "--gateway", "70000"),
    (("--gateway", "/run/s"), "--gateway", "/run/s"),
    (("--gateway", "0", "--authorized-keys", "a"), "--gateway", "--host-key"),
    (("--gateway", "0", "--host-key", "k"), "--gateway", "--authorized-keys"),
    (("-D", "0", "--host-key", "k"), "--host-key", "k"),
    (("-D", "0", "--authorized-keys", "a"), "--authorized-keys", "a"),
    (("-D", "0", "--via", "reverse:home"), "--via", "reverse:home"),
    (("-D", "0", "--via", "reverse:a.b"), "--via", "reverse:a.b"),
    (("-D", "0", "--route", "*=reverse:home"), "--route", "*=reverse:home"),
    (("-D", "0", "-o", "GatewayPorts=clientspecified"), "-o",
     "GatewayPorts=clientspecified"),
    (("-F", "none", "-c", "rot13", "host"), "-c", "rot13"),
)


def test_malformed(t):
    """Status 2, the option and the value in the message, nothing else said
    that could hide it."""
    bad = []
    for args, option, value in MALFORMED:
        status, said = t.fails(*args)
        if (status != 2 or not said.startswith("culvert: ") or
                option not in said or value not in said or
                "listening" in said):
            bad.append(f"{' '.join(args)}: status {status}: {said}")
    check(not bad, "\n".join(bad))


def test_nothing_to_do(t):
    for args in ((), ("-v",), ("-N",)):
        status, said = t.fails(*args)
        equal(status, 2, f"exit status of {args}: {said}")
        matches("usage: culvert", said, "message")


def test_version_and_help(t):
    for option in ("-V", "--version"):
        done = t.run([CULVERT, option])
        equal(done.returncode, 0, "exit status")
        matches(r"culvert \d+\.\d+", (done.stdout + done.stderr).decode(),
                "version")
    for option in ("-h", "--help"):
        done = t.run([CULVERT, option])
        equal(done.returncode, 0, "exit status")
        text = done.stdout.decode()
        for word in ("-D", "-L", "-W", "--users", "--allow-from", "--deny",
                     "--idle-timeout", "--log-format", "-f", "-E"):
            matches(word, text, "help")


def test_help_into_a_full_disk_or_a_closed_pipe(t):
    with open("/dev/full", "wb") as full:
        done = t.program([CULVERT, "--help"], stdout=full,
                         env=sanitizer_environment(t.new_report()))
        done.wait(scaled(10))


def test_check_config(t):
    users = t.file("users", "me:$1$saltsalt$9xy1btjgzLYfb7hivXtC//\n")
    bad = t.file("bad", "me:$1$saltsalt$9xy1btjgzLYfb7hivXtC//\nyou\n")
    port = free_port()
    done = t.run([CULVERT, "--check-config", "-D", port, "--users", users])
    equal(done.returncode, 0, f"exit status: {done.stderr}")
    status, said = t.fails("--check-config", "-D", port, "--users", bad)
    equal(status, 2, f"exit status: {said}")
    matches(r"bad:2: ", said, "message")
    check("9xy1btjg" not in said, "a hash in the message")


def test_users_file_faults(t):
    """The file and line; never a hash."""
    hash_ = "$1$saltsalt$9xy1btjgzLYfb7hivXtC//"
    for text, mode, wanted in (
            ("", 0o600, "users"), ("# nobody\n", 0o600, "users"),
            (f"me:{hash_}\nme:{hash_}\n", 0o600, "users:2"),
            (f"me:{hash_}\n:{hash_}\n", 0o600, "users:2"),
            ("me:secret\n", 0o600, "users:1"),
            (f"me {hash_}\n", 0o600, "users:1"),
            (f"me:{hash_}\n", 0o666, "users"),
            (f"{'u' * 256}:{hash_}\n", 0o600, "users:1")):
        users = t.file("users", text, mode)
        status, said = t.fails("-D", "0", "--users", users)
        equal(status, 2, f"exit status for {text!r}: {said}")
        matches(wanted, said, f"message for {text!r}")
        check("secret" not in said and "9xy1btjg" not in said,
              f"a secret in {said!r}")


def test_what_ssh_has_and_does_nothing_here(t):
    """Silent where it is so anyway; one warning for all the rest."""
    proxy = t.culvert("-aknNTx", "-D", "127.0.0.1:0")
    equal(len(proxy.lines()), 1, "lines")
    proxy = t.culvert("-ACsty", "-o", "Compression=yes", "-o",
                      "ServerAliveInterval=30", "-D", "127.0.0.1:0")
    warnings = [line for line in proxy.lines() if "warning" in line]
    equal(len(warnings), 1, "warnings")
    matches("ServerAliveInterval", warnings[0], "the warning")


def test_what_comes_later_says_so(t):
    for args in (("-D", "0", "--config", "file"),
                 ("-D", "0", "--metrics", "9100")):
        status, said = t.fails(*args)
        equal(status, 2, f"exit status of {args}: {said}")
        matches("following version", said, "message")


def test_what_needs_a_destination_says_so(t):
    for args in (("-R", "8080:localhost:80"), ("-D", "0", "-R", "1080"),
                 ("-D", "0", "-o", "RemoteForward=1080"),
                 ("-D", "0", "-J", "jump"), ("-D", "0", "-p", "22"),
                 ("-D", "0", "-F", "none"), ("-D", "0", "--connections", "2"),
                 ("-D", "0", "-o", "ProxyJump=jump"),
                 ("-D", "0", "-o", "HostName=other")):
        status, said = t.fails(*args)
        equal(status, 2, f"exit status of {args}: {said}")
        matches("needs a destination", said, "message")


def test_log_file(t):
    """-E: the file has the ready lines and the sessions."""
    path = t.tmp("log")
    server = t.server(Echo)
    port = free_port()
    proxy = t.culvert("-E", path, "-D", f"127.0.0.1:{port}", listeners=0)
    wait_until(lambda: os.path.exists(path) and "listening on" in
               open(path).read(), "the ready line in the file")
    sock = open_socks5(t, ("127.0.0.1", port), "localhost", server.port)
    check_echo(sock)
    sock.close()
    wait_until(lambda: "culvert: session " in open(path).read(),
               "the session in the file")
    check("session" not in proxy.text(), "the session is on stderr too")
    equal(os.stat(path).st_mode & 0o777, 0o600, "mode of the file")


def test_log_file_that_cannot_be(t):
    status, said = t.fails("-E", t.tmp("no/such/folder"), "-D", "0")
    check(status in (2, 255), f"status {status}")
    matches("-E.*no/such/folder", said, "message")


def test_verbose_and_levels(t):
    server = t.server(Echo)
    sizes = []
    for options in ((), ("-v",), ("-vv",)):
        proxy = t.socks(*options)
        sock = through(t, proxy, server)
        check_echo(sock)
        sock.close()
        proxy.session()
        proxy.stop()
        sizes.append(len(proxy.lines()))
    check(sizes[0] <= sizes[1] <= sizes[2], f"lines: {sizes}")
    proxy = t.socks("-o", "LogLevel=ERROR", listeners=0)
    line = proxy.wait_line("listening on")
    matches("127.0.0.1", line, "ready line")


def test_background(t):
    """-f: the command comes back when it listens; the child serves."""
    server = t.server(Echo)
    port = free_port()
    log = t.tmp("log")
    done = t.run([CULVERT, "-f", "-E", log, "-D", f"127.0.0.1:{port}"],
                 env=sanitizer_environment(t.new_report()))
    equal(done.returncode, 0, f"exit status: {done.stderr}")
    with open(f"/proc/self/task/{os.getpid()}/children") as file:
        children = [int(pid) for pid in file.read().split()]
    equal(len(children), 1, "processes left behind by culvert -f")

    def end():
        os.kill(children[0], signal.SIGTERM)
        pid, status = os.waitpid(children[0], 0)
        equal(os.waitstatus_to_exitcode(status), 0, "exit status")
    t.defer(end)
    equal(os.getsid(children[0]), children[0], "session of the child")
    for number in (0, 1, 2):
        equal(os.readlink(f"/proc/{children[0]}/fd/{number}"), "/dev/null",
              f"descriptor {number}")
    check_echo(open_socks5(t, ("127.0.0.1", port), "localhost", server.port))


def test_background_that_fails(t):
    """The status is the parent's, and nobody stays."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        port = sock.getsockname()[1]
        status, said = t.fails("-f", "-D", f"127.0.0.1:{port}")
    equal(status, 255, f"exit status: {said}")
    matches("(?i)address already in use", said, "message")


def test_workers(t):
    server = t.server(Echo)
    for count in ("1", "7"):
        proxy = t.socks("--workers", count)
        threads = len(os.listdir(f"/proc/{proxy.pid}/task"))
        check(threads >= int(count), f"{threads} threads")
        for _ in range(20):
            check_echo(through(t, proxy, server))
        proxy.stop()


def test_source_address(t):
    """-b and BindAddress."""
    server = t.server(Echo)
    for options in (("-b", "127.0.0.7"), ("-o", "BindAddress=127.0.0.7")):
        proxy = t.socks(*options)
        check_echo(through(t, proxy, server))
        equal(server.peers[-1][0], "127.0.0.7", "source address")


def test_family_of_the_way_out(t):
    four = t.server(Echo)
    six = t.server(Echo, "::1")
    check_echo(open_socks5(t, t.culvert("-4", "-D", "127.0.0.1:0"),
                           "localhost", four.port))
    only6 = t.culvert("-6", "-D", "[::1]:0")
    check_echo(open_socks5(t, only6, "localhost", six.port))
    open_socks5(t, only6, "127.0.0.1", four.port, wanted=3).close()
