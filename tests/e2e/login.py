"""Logging in to an SSH server: what comes of it, and what is said when it
doesn't work."""
from harness import CULVERT, equal, sanitizer_environment
from origins import Echo
from wire import check_echo, through

NO_PROGRAM = {"SSH_ASKPASS_REQUIRE": "never", "SSH_AUTH_SOCK": ""}

# One link is one login: what comes before a listener stands.
ONE = ("--connections", "1")


def works(t, *args, **keywords):
    """Logs in, and lets bytes through; returns the proxy."""
    env = dict({"SSH_AUTH_SOCK": ""}, **keywords.pop("env", {}))
    proxy = t.socks(*ONE, *args, env=env, start_new_session=True, **keywords)
    check_echo(through(t, proxy, t.server(Echo)))
    return proxy


def refused(t, *args, env=None, status=255, seconds=10):
    """A login that fails; returns what was said. Without a terminal."""
    done = t.run([CULVERT, "-D", "127.0.0.1:0", *ONE, *args], seconds,
                 env=sanitizer_environment(t.new_report(),
                                           dict(NO_PROGRAM, **(env or {}))),
                 start_new_session=True)
    text = done.stderr.decode()
    equal(done.returncode, status, f"exit status, with {text!r}")
    return text


def args_of(server, *more, key=None, known_hosts=None):
    """The server's own arguments, with another key or known_hosts."""
    args = ["-F", "none", "-p", server.port]
    if key is not False:
        args += ["-i", key or server.key]
    args += ["-o", f"UserKnownHostsFile={known_hosts or server.known_hosts}",
             "-o", "GlobalKnownHostsFile=/dev/null", *more,
             server.destination]
    return args


def again(t, proxy):
    """A stream once the link is up again; None before that."""
    try:
        return through(t, proxy, t.server(Echo))
    except AssertionError:
        return None
