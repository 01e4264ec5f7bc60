"""Uses culvert for a long time, while what it depends on is killed, stopped,
cut off and started again at random.

    python3 tests/soak [--gateway] [--variant VARIANT] [--seed N] [SECS]

The subject is a culvert that leaves through an SSH server and listens there
(by_server.py), or with --gateway one that agents and users dial in to
(by_gateway.py). Clients download and upload with sums, send small requests,
read slowly, leave in the middle, ask for what is refused (clients.py). What
goes wrong while nothing that it depends on was disturbed is a failure; so are,
at any time, a wrong byte, an end that looks like a whole and is not, a hang, a
crash, a sanitizer's report, and descriptors or memory that grow (base.py).
Prints what it did once a minute; the exit status is 1 after a failure. What
was done when is in build/VARIANT/soak/soak.trail.
"""
import argparse
import ctypes
import os
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))
TESTS = os.path.join(ROOT, "tests")
sys.path.append(os.path.join(TESTS, "e2e"))
sys.dont_write_bytecode = True

PR_SET_CHILD_SUBREAPER = 36


def arguments():
    parser = argparse.ArgumentParser(prog="tests/soak")
    parser.add_argument("--gateway", action="store_true")
    parser.add_argument("--variant", default="release")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("seconds", nargs="?", type=float, default=60)
    return parser.parse_args()


def prepare(options):
    """The environment that harness.py wants, before it is imported. Returns
    where the sanitizers report."""
    logs = os.path.join(ROOT, "build", options.variant, "soak")
    folder = os.path.join(logs, "sanitizer")
    os.makedirs(folder, exist_ok=True)
    for name in os.listdir(folder):
        os.unlink(os.path.join(folder, name))
    os.environ.update({
        "CULVERT": os.path.join(ROOT, "build", options.variant, "culvert"),
        "CULVERT_VARIANT": options.variant,
        "CULVERT_LOGS": logs,
        "ASAN_OPTIONS": "detect_leaks=1",
        "LSAN_OPTIONS": "print_suppressions=0:suppressions=" +
                        os.path.join(TESTS, "lsan.supp"),
        "TSAN_OPTIONS": "exitcode=66:suppressions=" +
                        os.path.join(TESTS, "tsan", "suppressions"),
        "UBSAN_OPTIONS": "print_stacktrace=1",
    })
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    return folder


def reports(folder):
    for name in sorted(os.listdir(folder)):
        with open(os.path.join(folder, name), errors="replace") as file:
            text = file.read()
        if text.strip():
            yield f"{name}:\n{text[:4000]}"


def undo(t):
    """Ends all that the test has started. Yields what went wrong."""
    while t.undo:
        call, args = t.undo.pop()
        try:
            call(*args)
        except Exception as error:
            yield f"at the end: {error}"


def subject(options):
    """Imported only here, as harness.py reads the environment."""
    if options.gateway:
        from by_gateway import GatewaySoak
        return GatewaySoak
    from by_server import ServerSoak
    return ServerSoak


def main():
    options = arguments()
    folder = prepare(options)
    import harness
    harness.raise_descriptors()
    print(f"seed {options.seed}, {options.seconds:g} s", flush=True)
    t = harness.Test("soak", "run")
    failures = []
    try:
        soak = subject(options)(t, options.seconds, options.seed)
        failures = soak.failures
        soak.run()
    except KeyboardInterrupt:
        failures.append("interrupted")
    finally:
        failures += undo(t)
    failures += reports(folder)
    for title, lines in t.notes if failures else ():
        print("\n".join([f"--- {title}"] + lines))
    print(f"{len(failures)} failures: {failures[-3:]}" if failures else
          "no failure", flush=True)
    # Threads of servers that still wait are of no interest any more.
    os._exit(1 if failures else 0)


if __name__ == "__main__":
    main()
