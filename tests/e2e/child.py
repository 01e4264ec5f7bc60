"""Runs the tests of one module, one after the other, for tests/run: a line of
JSON on standard output for each."""
import ctypes
import importlib
import json
import os
import signal
import subprocess
import sys
import time
import traceback

import harness

# A test may take so long, times the variant's factor.
TEST_SECONDS = 60

PR_SET_CHILD_SUBREAPER = 36


def left_behind():
    """Ends processes that a test started and forgot; returns what they were.
    As the sub-reaper this process has them all as children."""
    found = []
    with open(f"/proc/self/task/{os.getpid()}/children") as file:
        pids = [int(pid) for pid in file.read().split()]
    for pid in pids:
        try:
            with open(f"/proc/{pid}/cmdline") as file:
                name = file.read().replace("\0", " ").strip()
            with open(f"/proc/{pid}/stat") as file:
                state = file.read().rpartition(")")[2].split()[0]
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        except (OSError, ChildProcessError):
            continue
        # One that is about to exit has no command line any more.
        if state not in "ZX" and name:
            found.append(name)
    return found


def short(error):
    """The failure, and where in the test it happened."""
    if isinstance(error, (harness.Failed, OSError)):
        frames = traceback.extract_tb(error.__traceback__)
        places = [f"{os.path.basename(f.filename)}:{f.lineno}: {f.line}"
                  for f in frames if "/test_" in f.filename]
        return "\n".join(places + [str(error) or repr(error)])
    return "".join(traceback.format_exception(error))


def undo(test, problems):
    while test.undo:
        call, args = test.undo.pop()
        try:
            call(*args)
        except Exception as error:
            problems.append("at the end: " + short(error))


def reports(test):
    """What sanitizers said of the processes of this test."""
    folder = os.path.join(harness.LOGS, "sanitizer")
    for name in sorted(os.listdir(folder)):
        if name.startswith(f"e2e.{test.name}."):
            with open(os.path.join(folder, name), errors="replace") as file:
                text = file.read()
            if text.strip():
                yield f"{name}:\n{text[:5000]}"
    for name in sorted(os.listdir(harness.LOGS)):
        if name.startswith(f"e2e.{test.name}.") and name.endswith(".stderr"):
            with open(os.path.join(harness.LOGS, name),
                      errors="replace") as file:
                text = file.read()
            if "runtime error:" in text or "Assertion" in text:
                yield f"{name}:\n{text[-3000:]}"


def too_long(number, frame):
    raise harness.TooLong()


def run_test(module, name, function):
    test = harness.Test(module, name)
    problems = []
    skipped = None
    began = time.monotonic()
    signal.alarm(int(harness.scaled(TEST_SECONDS)))
    try:
        function(test)
    except harness.Skipped as why:
        skipped = str(why)
    except harness.TooLong as error:
        problems.append("took too long\n" + short(error))
    except Exception as error:
        problems.append(short(error))
    signal.alarm(int(harness.scaled(TEST_SECONDS)))
    try:
        undo(test, problems)
    except harness.TooLong:
        problems.append("took too long to end")
        undo(test, problems)
    signal.alarm(0)
    problems += [f"left behind: {what}" for what in left_behind()]
    problems += list(reports(test))
    if problems:
        for title, lines in test.notes:
            problems.append("\n".join([f"--- {title}"] + lines))
    return {"test": name, "ok": not problems, "skipped": skipped,
            "seconds": round(time.monotonic() - began, 3),
            "output": "\n".join(problems)}


def main():
    name = sys.argv[1]
    out = os.dup(1)
    os.dup2(2, 1)
    signal.signal(signal.SIGALRM, too_long)
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    harness.raise_descriptors()
    module = importlib.import_module(f"test_{name}")
    if getattr(module, "NAMESPACE", False):
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    tests = [key[len("test_"):] for key in vars(module)
             if key.startswith("test_")]
    wanted = os.environ.get("CULVERT_TESTS", "").split() or tests
    for test in tests:
        if test not in wanted:
            continue
        result = run_test(name, test, getattr(module, f"test_{test}"))
        os.write(out, json.dumps(result).encode() + b"\n")
    # Threads of servers that still wait are of no interest any more.
    os._exit(0)


if __name__ == "__main__":
    main()
