"""Dials by agents whose ports lead elsewhere than to SOCKS, whose targets
refuse, or that stand still."""
import signal
import time

from gateway import Gateway, agent, start
from harness import check, free_port, scaled, wait_until
from origins import Echo, Hold, Refused
from remote import free_ports, listeners
from test_ssh_basic import in_threads
from wire import check_echo, refusal, through

NAMESPACE = True


# --- dials whose agent's port leads elsewhere ---------------------------------

def dial(t, gateway, echo):
    """Seconds until an echo came back by the agent; and the client."""
    began = time.monotonic()
    sock = through(t, gateway.socks, echo)
    check_echo(sock)
    return time.monotonic() - began, sock


def check_dials(t, gateway, echo, count=8):
    """All are served; but the one that finds out, at once. They stay, so that
    another of its connections is the less busy one each time."""
    took = []
    for _ in range(count):
        seconds, _ = dial(t, gateway, echo)
        took.append(seconds)
    told = " ".join(f"{seconds:.2f}" for seconds in took)
    took.sort()
    check(took[-1] < scaled(4) and took[-2] < scaled(1), f"seconds: {told}")


def check_fixed_port_first(t, program, kind):
    """A port that leads to one server is asked for before the SOCKS port."""
    echo, behind = t.server(Echo), t.server(kind)
    gateway = Gateway(t)
    fixed, socks = free_ports(2)
    start(t, gateway, program, "-R", f"{fixed}:127.0.0.1:{behind.port}", "-R",
          socks)
    if program == "ssh":
        gateway.wait_agents(ports=2)
        seconds, _ = dial(t, gateway, echo)
        check(seconds < scaled(4), f"the first took {seconds:.2f} s")
        for _ in range(5):
            seconds, _ = dial(t, gateway, echo)
            check(seconds < scaled(1), f"one more took {seconds:.2f} s")
    else:
        wait_until(lambda: listeners(t, fixed) and listeners(t, socks),
                   "both ports")
        check_dials(t, gateway, echo)
    before = behind.accepted
    sock = t.socket(("127.0.0.1", fixed))
    if kind is Echo:
        check_echo(sock)
    behind.wait_accepted(before + 1)


def test_silent_server_behind_stock_ssh(t):
    check_fixed_port_first(t, "ssh", Hold)


def test_echo_server_behind_stock_ssh(t):
    check_fixed_port_first(t, "ssh", Echo)


def test_silent_server_behind_culvert(t):
    check_fixed_port_first(t, "culvert", Hold)


def test_echo_server_behind_culvert(t):
    check_fixed_port_first(t, "culvert", Echo)


def test_two_agents_of_which_one_is_fixed(t):
    """The newer one, and of the same name."""
    echo = t.server(Echo)
    for kind in (Hold, Echo):
        gateway = Gateway(t)
        agent(t, gateway)
        agent(t, gateway, "ssh",
              f"{free_port()}:127.0.0.1:{t.server(kind).port}", count=2)
        check_dials(t, gateway, echo)


def refused_soon(t, gateway, codes, seconds, port=80):
    began = time.monotonic()
    code = refusal(t, gateway.socks, "127.0.0.1", port)
    took = time.monotonic() - began
    check(code in codes, f"code {code}, wanted one of {codes}")
    check(took < scaled(seconds), f"code {code} took {took:.2f} s")


def test_only_a_fixed_port(t):
    """There is no use in waiting: code 01, and soon. A silent one may be slow:
    it has the whole time."""
    gateway = Gateway(t)
    one = agent(t, gateway, "ssh",
                f"{free_port()}:127.0.0.1:{t.server(Echo).port}")
    for _ in range(3):
        refused_soon(t, gateway, (1,), 2)
    one.kill()
    gateway.wait_agents(count=0)
    gateway = Gateway(t, "--connect-timeout", "3")
    agent(t, gateway, "ssh",
          f"{free_port()}:127.0.0.1:{t.server(Hold).port}")
    for _ in range(2):
        refused_soon(t, gateway, (6,), 5)
    # One that comes later is asked.
    agent(t, gateway, count=2)
    seconds, _ = dial(t, gateway, t.server(Echo))
    check(seconds < scaled(1), f"the first by another took {seconds:.2f} s")


def test_first_dial_is_refused(t):
    """Stock ssh says SOCKS, and then nothing: that is the target's fault, and
    its port is no worse for it."""
    echo, closed = t.server(Echo), t.server(Refused)
    gateway = Gateway(t)
    agent(t, gateway, "ssh")
    for _ in range(3):
        refused_soon(t, gateway, (1, 4, 5), 2, closed.port)
        seconds, _ = dial(t, gateway, echo)
        check(seconds < scaled(1), f"the next took {seconds:.2f} s")


# --- one that stands still ----------------------------------------------------

def check_frozen(t, program, which):
    """Dials that run meet it too: the other is asked instead."""
    echo = t.server(Echo)
    gateway = Gateway(t)
    both = [agent(t, gateway, program, 1080, count=count)
            for count in (1, 2)]
    for _ in range(4):
        dial(t, gateway, echo)
    both[which].signal(signal.SIGSTOP)
    took = []

    def work(_):
        for _ in range(3):
            took.append(dial(t, gateway, echo)[0])
    in_threads(4, work)
    check(max(took) < scaled(3), f"one dial took {max(took):.2f} s")
    both[which].signal(signal.SIGCONT)
    both[1 - which].kill()
    gateway.wait_agents()
    seconds, _ = dial(t, gateway, echo)
    check(seconds < scaled(3), f"by the one that woke: {seconds:.2f} s")


def test_newer_stock_ssh_that_is_frozen(t):
    check_frozen(t, "ssh", 1)


def test_older_stock_ssh_that_is_frozen(t):
    check_frozen(t, "ssh", 0)


def test_culvert_that_is_frozen(t):
    check_frozen(t, "culvert", 1)
