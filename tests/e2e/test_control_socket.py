"""The control socket of a culvert that connects by itself: its file, whose that
is, and when it is there."""
import os
import signal
import socket
import stat
import threading

from harness import check, equal, matches, wait_until
from mux import ask, check_alive, done, master, refuses
from origins import Echo
from processes import PYTHON
from wire import check_echo, through


def test_it_is_its_owners_and_goes_at_the_end(t):
    for number_ in (signal.SIGINT, signal.SIGTERM):
        proxy, path = master(t)
        equal(stat.S_IMODE(os.stat(path).st_mode), 0o600, "mode")
        equal(os.listdir(os.path.dirname(path)).count(os.path.basename(path)),
              1, "names")
        equal([name for name in os.listdir(t.tmp())
               if name.startswith(os.path.basename(path) + ".")], [],
              "temporary names")
        proxy.signal(number_)
        equal(proxy.wait(5), 0, "exit status")
        check(not os.path.exists(path), "the socket is still there")


def test_a_second_master_leaves_the_first_alone(t):
    """It says so and runs without one, as ssh; its end removes nothing."""
    first, path = master(t)
    second = t.socks("-M", "-S", path)
    second.wait_line(f"ControlSocket {path} already exists, disabling "
                     "multiplexing")
    check_alive(t, "ssh", path, first.pid)
    check_echo(through(t, second, t.server(Echo)))
    second.stop()
    check_alive(t, "ssh", path, first.pid)


def test_ssh_s_own_socket_is_left_alone(t):
    """Whoever listens there."""
    path = t.tmp("control")
    listener = socket.socket(socket.AF_UNIX)
    t.defer(listener.close)
    listener.bind(path)
    listener.listen(1)
    inode = os.stat(path).st_ino
    proxy = t.socks("-M", "-S", path)
    proxy.wait_line("already exists, disabling multiplexing")
    proxy.stop()
    equal(os.stat(path).st_ino, inode, "inode")


def test_a_stale_socket_is_replaced(t):
    proxy, path = master(t)
    proxy.process.kill()
    proxy.process.wait()
    proxy.stopped = True
    check(os.path.exists(path), "there is none left to replace")
    again = t.socks("-M", "-S", path)
    wait_until(lambda: not refuses(t, path), "the control socket")
    check_alive(t, "ssh", path, again.pid)
    again.stop()
    check(not os.path.exists(path), "the socket is still there")


def test_what_is_no_socket_stays(t):
    path = t.file("precious", "data")
    proxy = t.socks("-M", "-S", path)
    proxy.wait_line("already exists, disabling multiplexing")
    proxy.stop()
    with open(path) as file:
        equal(file.read(), "data", "the file")


def test_many_masters_at_once(t):
    """However they meet, one of them has it, and it works."""
    path = t.tmp("control")
    stale = socket.socket(socket.AF_UNIX)
    stale.bind(path)
    stale.close()
    masters = []
    threads = [threading.Thread(
        target=lambda: masters.append(t.socks("-M", "-S", path)))
        for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    equal(len(masters), 8, "masters")
    asked = done(ask(t, "ssh", "check", path))
    pid = int(matches(r"pid=(\d+)", asked.err)[1])
    check(pid in [each.pid for each in masters], f"pid {pid}")
    for each in masters:
        if each.pid != pid:
            each.wait_line("already exists, disabling multiplexing")


def test_a_path_that_cannot_be(t):
    long = "/tmp/" + "x" * 120
    for args in (("-M", "-D", "127.0.0.1:0"), ("-O", "check")):
        status, text = t.fails("-S", long, *args)
        equal(status, 2, "exit status")
        matches("a socket's path has at most 107 bytes", text)
    status, text = t.fails("-M", "-S", "/nowhere/at/all", "-D", "127.0.0.1:0")
    equal(status, 255, "exit status")
    matches("control socket /nowhere/at/all: no such file", text)


def test_the_longest_path(t):
    folder = t.tmp()
    path = folder + "/" + "x" * (106 - len(folder))
    equal(len(path), 107, "length")
    proxy = t.socks("-M", "-S", path)
    wait_until(lambda: os.path.exists(path), "the control socket")
    check_alive(t, "ssh", path, proxy.pid)
    equal(os.listdir(folder), [os.path.basename(path)], "names")


def test_another_user_is_refused(t):
    """By the mode of the socket, and where that is opened, by who he is."""
    check(os.getuid() == 0, "this test becomes another user: run it as root")
    proxy, path = master(t)
    code = ("import socket, sys\n"
            "s = socket.socket(socket.AF_UNIX)\n"
            "s.settimeout(10)\n"
            "s.connect(sys.argv[1])\n"
            "print(len(s.recv(100)))\n")

    def nobody():
        return t.run([PYTHON, "-c", code, path], user="nobody",
                     group="nogroup", extra_groups=[])
    asked = nobody()
    matches("PermissionError", asked.stderr.decode())
    os.chmod(path, 0o666)
    asked = nobody()
    equal(asked.stdout, b"0\n", asked.stderr.decode())
    proxy.wait_line(r"control socket: user \d+ is not ours")
    check_alive(t, "ssh", path, proxy.pid)
