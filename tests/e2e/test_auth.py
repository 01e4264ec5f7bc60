"""Users with passwords: SOCKS5 and HTTP Basic, what is logged of it, and what
is not."""
import os
import signal
import socket
import threading
import time

from harness import WRAP, check, equal, matches, scaled
from origins import Echo, Refused
from wire import (GREETING, WITH_PASSWORD, check_echo, connect, gone,
                  open_socks5, password, refusal, socks4, socks5, take,
                  take_all, take_head)

# As mkpasswd and `openssl passwd` print them, all of the password "secret".
HASHES = {
    "md5": "$1$saltsalt$9xy1btjgzLYfb7hivXtC//",
    "sha256": "$5$saltsalt$0IyaXrmV7.sGNS6tirgqHLqX/G.FBvgkYA.lpPdS5sA",
    "sha512": "$6$saltsalt$TVLlQcbpFVof5W3Yz4DTP6gRstiNuHwwTt6GLc1E5n0U0aDeh"
              "y0S5knV8wiOQSpT0Y77vwPZN.Pq.H91p5hVO1",
    "rounds": "$6$rounds=1000$saltsalt$LAV5VE5Y7w1d73x1mFNspYWUpazfmwv2SoepN"
              "XNKJ/otop/Zok96Hr8Q13LEv0DRY/x8v0/crpIjl8NJSAqXV/",
    "bcrypt": "$2b$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a",
}
USERS = "".join(f"{name}:{text}\n" for name, text in HASHES.items())

# Half a second's worth of hashing, on a machine of today.
SLOW = "$6$rounds=999999$saltsalt$"


def proxy_with_users(t, text=USERS, *options, **keywords):
    return t.socks("--users", t.file("users", text), *options, **keywords)


def crypt(t, secret, salt="$6$rounds=1000$salt$"):
    """By perl, which every Debian has."""
    done = t.run(["perl", "-e", "print crypt($ARGV[0], $ARGV[1])", secret,
                  salt])
    return done.stdout.decode()


def try_password(t, proxy, user, secret):
    """The answer to a user name and password: 0 is yes."""
    sock = t.socket(proxy.address)
    sock.sendall(WITH_PASSWORD + password(user, secret))
    equal(take(sock, 2), b"\x05\x02", "method")
    version, status = take(sock, 2)
    equal(version, 1, "version of the answer")
    if status != 0:
        gone(sock)
    sock.close()
    return status


def test_every_kind_of_hash(t):
    server = t.server(Echo)
    proxy = proxy_with_users(t)
    for name in HASHES:
        sock = open_socks5(t, proxy, "localhost", server.port, name, "secret")
        check_echo(sock)
        sock.close()
        check(try_password(t, proxy, name, "Secret") != 0, f"{name}: wrong")
    users = {session["user"] for session in proxy.sessions(2 * len(HASHES))}
    equal(users, set(HASHES), "users in the log")


def test_wrong_ones(t):
    """UP-2: 01 and not 00, then the end; a line in the log for each."""
    proxy = proxy_with_users(t)
    wrong = (("md5", "wrong"), ("md5", ""), ("nobody", "secret"),
             ("", "secret"), ("", ""), ("md5", "secret\0"), ("md5\0", "secret"),
             ("MD5", "secret"), ("md5", "secret "), ("u" * 255, "p" * 255),
             ("md5", "p" * 255))
    for user, secret in wrong:
        check(try_password(t, proxy, user, secret) != 0,
              f"{user!r} with {secret!r} came in")
    lines = proxy.wait_line("^culvert: auth-failed ", count=len(wrong))
    equal(len(lines), len(wrong), "lines")
    matches(r"client=127\.0\.0\.1 user=md5 proto=socks5$", lines[0], "line")


def test_methods_where_users_are_required(t):
    """00 alone gets FF; with 02 among them that is taken."""
    proxy = proxy_with_users(t)
    for offer, wanted in ((b"\x05\x01\x00", b"\x05\xff"),
                          (b"\x05\x02\x00\x01", b"\x05\xff"),
                          (b"\x05\x02\x00\x02", b"\x05\x02"),
                          (b"\x05\x03\x02\x01\x00", b"\x05\x02")):
        sock = t.socket(proxy.address)
        sock.sendall(offer)
        equal(take(sock, 2), wanted, f"answer to {offer!r}")
        sock.close()


def test_nothing_before_the_password(t):
    """A request in the place of the password, or behind a wrong one, reaches
    nobody."""
    server = t.server(Echo)
    proxy = proxy_with_users(t)
    request = socks5("127.0.0.1", server.port)
    for message in (GREETING + request, WITH_PASSWORD + request,
                    WITH_PASSWORD + password("md5", "no") + request,
                    socks4("127.0.0.1", server.port, "md5"),
                    connect("127.0.0.1", server.port)):
        sock = t.socket(proxy.address)
        sock.sendall(message)
        try:
            take_all(sock)
        except ConnectionError:
            pass
        sock.close()
    equal(server.accepted, 0, "connections made")


def test_sub_negotiation_version(t):
    proxy = proxy_with_users(t)
    sock = t.socket(proxy.address)
    sock.sendall(WITH_PASSWORD)
    equal(take(sock, 2), b"\x05\x02", "method")
    sock.sendall(b"\x05" + password("md5", "secret")[1:])
    answer = take_all(sock)
    check(answer == b"" or (len(answer) == 2 and answer[1] != 0),
          f"answer {answer!r}")


def test_longest_user_and_password(t):
    """9.12."""
    secret = "p" * 255
    server = t.server(Echo)
    proxy = proxy_with_users(t, "u" * 255 + ":" + crypt(t, secret) + "\n")
    check_echo(open_socks5(t, proxy, "localhost", server.port, "u" * 255,
                           secret))
    check(try_password(t, proxy, "u" * 255, secret[:-1]) != 0, "254 bytes")
    check(try_password(t, proxy, "u" * 254, secret) != 0, "254 bytes")


def test_empty_password_is_judged(t):
    """UP-1: of no bytes, and right."""
    server = t.server(Echo)
    proxy = proxy_with_users(t, "guest:" + crypt(t, ""))
    check_echo(open_socks5(t, proxy, "localhost", server.port, "guest", ""))
    check(try_password(t, proxy, "guest", "x") != 0, "a wrong one")


def test_split_at_every_byte(t):
    server = t.server(Echo)
    proxy = proxy_with_users(t)
    sock = t.socket(proxy.address)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for part in (WITH_PASSWORD + password("md5", "secret") +
                 socks5("localhost", server.port)):
        sock.send(bytes((part,)))
        time.sleep(0.001)
    equal(take(sock, 4), b"\x05\x02\x01\x00", "method and answer")
    equal(take(sock, 2), b"\x05\x00", "start of the reply")
    take(sock, 8)
    check_echo(sock)


def test_all_in_one_write(t):
    """9.2: greeting, password, request and payload."""
    server = t.server(Echo)
    sock = t.socket(proxy_with_users(t).address)
    sock.sendall(WITH_PASSWORD + password("sha512", "secret") +
                 socks5("localhost", server.port) + b"payload")
    equal(take(sock, 4), b"\x05\x02\x01\x00", "method and answer")
    take(sock, 10)
    equal(take(sock, 7), b"payload", "echo")


def test_http_basic(t):
    server = t.server(Echo)
    proxy = proxy_with_users(t)
    sock = t.socket(proxy.address)
    sock.sendall(connect("localhost", server.port, "md5", "secret"))
    equal(take_head(sock)[0], 200, "status")
    check_echo(sock)
    sock.close()
    equal(proxy.session()["user"], "md5", "user in the log")
    for user, secret in ((None, ""), ("md5", "wrong"), ("nobody", "secret"),
                         ("md5", "")):
        sock = t.socket(proxy.address)
        sock.sendall(connect("localhost", server.port, user, secret))
        status, head = take_head(sock)
        equal(status, 407, f"status for {user}:{secret}")
        matches("(?i)^proxy-authenticate: basic realm=", head.decode(), "head")
        sock.close()
    for bad in ("Basic ?", "Basic bWQ1", "Bearer bWQ1OnNlY3JldA==", "Basic",
                "Basic bWQ1OnNlY3JldA== x"):
        sock = t.socket(proxy.address)
        sock.sendall(connect("localhost", server.port, headers=(
            f"Proxy-Authorization: {bad}",)))
        check(take_head(sock)[0] in (400, 407), f"status for {bad}")
        sock.close()
    equal(server.accepted, 1, "connections made")


def test_http_answers_407_and_takes_the_next_try(t):
    """curl --proxy-anyauth asks first without, on one connection or two."""
    server = t.server(Echo)
    proxy = proxy_with_users(t)
    sock = t.socket(proxy.address)
    sock.sendall(connect("localhost", server.port))
    status, head = take_head(sock)
    equal(status, 407, "status")
    text = head.decode().lower()
    if "connection: close" in text:
        return
    length = int(matches(r"content-length: (\d+)", text, "head")[1])
    take(sock, length)
    sock.sendall(connect("localhost", server.port, "md5", "secret"))
    equal(take_head(sock)[0], 200, "status of the second try")
    check_echo(sock)


def test_log_holds_no_secret(t):
    """At the highest level, for right and wrong ones, by every protocol."""
    secret = "tr0ub4dor-and-3"
    text = crypt(t, secret)
    server = t.server(Echo)
    for options in ((), ("--log-format", "json")):
        proxy = proxy_with_users(t, f"me:{text}\n", "-vvv", *options,
                                 listeners=0)
        line = proxy.wait_line("listening on 127")
        proxy.where = matches(r"listening on (\S+)", line)[1]
        for given in (secret, secret + "x"):
            try_password(t, proxy, "me", given)
            sock = t.socket(proxy.address)
            sock.sendall(connect("localhost", server.port, "me", given))
            take_head(sock)
            sock.close()
        proxy.signal(signal.SIGUSR1)
        proxy.wait_line("auth-failed", count=2)
        proxy.stop()
        said = proxy.text()
        for word in (secret, text, text[10:40], "bWU6"):
            check(word not in said, f"{word} in the log")
    with open(f"/proc/{os.getpid()}/cmdline") as file:
        check(secret not in file.read(), "a secret in argv")


def test_slow_hash_holds_nobody_up(t):
    """One client's hash takes its time, the others do not wait; a good answer
    is remembered."""
    if WRAP:
        t.skip("valgrind runs one thread at a time")
    text = f"slow:{crypt(t, 'secret', SLOW)}\nfast:{crypt(t, 'secret')}\n"
    proxy = proxy_with_users(t, text, "--workers", "1")
    server = t.server(Echo)
    live = open_socks5(t, proxy, "localhost", server.port, "fast", "secret")
    took = []

    def wrong():
        began = time.monotonic()
        try_password(t, proxy, "slow", "wrong")
        took.append(time.monotonic() - began)
    thread = threading.Thread(target=wrong)
    thread.start()
    longest = 0
    while thread.is_alive():
        began = time.monotonic()
        check_echo(live)
        longest = max(longest, time.monotonic() - began)
    thread.join()
    check(longest < max(0.1, took[0] / 2),
          f"{longest:.3f} s for an echo, {took[0]:.3f} s for the hash")
    equal(try_password(t, proxy, "slow", "secret"), 0, "answer")
    began = time.monotonic()
    for _ in range(20):
        equal(try_password(t, proxy, "slow", "secret"), 0, "answer")
    check(time.monotonic() - began < scaled(took[0] * 5 + 0.5),
          "20 more took as long as the first")


def test_unknown_user_costs_as_much(t):
    """UP-3: nobody learns by the time who there is."""
    text = crypt(t, "secret", "$6$rounds=100000$salt$")
    proxy = proxy_with_users(t, f"me:{text}\n")

    def middle(user):
        times = []
        for number in range(9):
            began = time.monotonic()
            check(try_password(t, proxy, user, f"wrong{number}") != 0, "in")
            times.append(time.monotonic() - began)
        return sorted(times)[4]
    known, unknown = middle("me"), middle("nobody")
    check(0.5 < unknown / known < 2,
          f"{unknown:.4f} s for an unknown, {known:.4f} s for a known user")


def test_users_are_read_again(t):
    """SIGHUP takes up a changed file; a broken one leaves the old in force."""
    proxy = proxy_with_users(t, f"old:{HASHES['md5']}\n")
    equal(try_password(t, proxy, "old", "secret"), 0, "answer")
    path = t.file("users", f"new:{HASHES['md5']}\n")
    proxy.signal(signal.SIGHUP)
    limit = time.monotonic() + scaled(10)
    while try_password(t, proxy, "new", "secret") != 0:
        check(time.monotonic() < limit, "the new user never came in")
    check(try_password(t, proxy, "old", "secret") != 0,
          "an old user's remembered password is still good")
    with open(path, "w") as file:
        file.write("broken\n")
    proxy.signal(signal.SIGHUP)
    proxy.wait_line("users:1")
    equal(try_password(t, proxy, "new", "secret"), 0, "answer")


def test_client_leaves_while_its_password_is_checked(t):
    proxy = proxy_with_users(t, f"me:{crypt(t, 'x', SLOW)}\n"
                                f"md5:{HASHES['md5']}\n")
    for _ in range(5):
        sock = t.socket(proxy.address)
        sock.sendall(WITH_PASSWORD + password("me", "wrong"))
        take(sock, 2)
        sock.close()
    port = t.server(Refused).port
    equal(refusal(t, proxy, "127.0.0.1", port, "md5", "secret"), 5, "code")
