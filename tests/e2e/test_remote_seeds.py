"""The commands of a guide to SSH tunnels, word for word but for the program's
name: what comes in by the server. The gateway is reached from its own loopback
and, where its GatewayPorts is yes, by a visitor from another network."""
from harness import equal, matches
from seeds import DEVICE, GATEWAY, PUBLIC, Home, check_fetch

NAMESPACE = True

SERVICES = ("127.0.0.1", "localhost", DEVICE)


def check_reached(world, port, everywhere):
    """From the gateway's loopback, and not from elsewhere or from there,
    too."""
    for host in ("127.0.0.1", "[::1]"):
        check_fetch(world, f"http://{host}:{port}/", host=world.gateway)
    for address in (PUBLIC, GATEWAY):
        who = world.visitor if address == PUBLIC else None
        if everywhere:
            check_fetch(world, f"http://{address}:{port}/", host=who)
        else:
            out, said = world.fetch(f"http://{address}:{port}/", host=who)
            equal(out, b"", "a page from elsewhere")
            matches("(?i)refused|connect", said.decode(), "what curl said")


def through_socks(world, proxy, host, targets=SERVICES):
    for target in targets:
        check_fetch(world, f"http://{target}:8000/", "-x",
                    f"socks5h://{proxy}", host=host)


def test_the_home_is_as_it_should_be(t):
    """With no tunnel nobody but the laptop has the services."""
    world = Home(t)
    check_fetch(world, "http://127.0.0.1:8000/")
    check_fetch(world, f"http://{DEVICE}:8000/")
    for host in (world.gateway, world.visitor):
        out, _ = world.fetch(f"http://{DEVICE}:8000/", "--max-time", "1",
                             host=host)
        equal(out, b"", "the device from elsewhere")


# ssh -R [remote_addr:]remote_port:local_addr:local_port [user@]gateway_addr
REMOTE = ("ssh -R 9000:127.0.0.1:8000 user@host.example.net",
          "ssh -R 9000:localhost:8000 host.example.net",
          f"ssh -R localhost:9000:127.0.0.1:8000 user@{GATEWAY}",
          f"ssh -R {PUBLIC}:9000:127.0.0.1:8000 {GATEWAY}",
          "ssh -R 0.0.0.0:9000:127.0.0.1:8000 user@host.example.net",
          "ssh -R :9000:127.0.0.1:8000 user@host.example.net",
          "ssh -R *:9000:127.0.0.1:8000 user@host.example.net")


def check_remote(t, everywhere, commands):
    world = Home(t, GatewayPorts="yes" if everywhere else "no")
    for command in commands:
        proxy = world.culvert(command)
        check_reached(world, 9000, everywhere)
        proxy.stop()


def test_remote_forward(t):
    """"By default ... only the gateway's localhost"."""
    check_remote(t, False, REMOTE)


def test_remote_forward_with_gateway_ports(t):
    """"the SSH server needs to be configured with the GatewayPorts yes
    setting\""""
    check_remote(t, True, REMOTE)


def test_remote_forward_to_the_public_address_alone(t):
    """GatewayPorts clientspecified: remote_addr is what it says."""
    world = Home(t, GatewayPorts="clientspecified")
    world.culvert(f"ssh -R {PUBLIC}:9000:127.0.0.1:8000 "
                  f"user@host.example.net")
    check_fetch(world, f"http://{PUBLIC}:9000/", host=world.visitor)
    equal(world.fetch("http://127.0.0.1:9000/", host=world.gateway)[0], b"",
          "the page on loopback")


# The same; local_addr is a device in the home network.
HOME = (f"ssh -R 9000:{DEVICE}:8000 user@host.example.net",
        f"ssh -R *:9000:{DEVICE}:8000 {GATEWAY}")


def test_remote_forward_to_a_home_network(t):
    check_remote(t, False, HOME)


def test_remote_forward_to_a_home_network_with_gateway_ports(t):
    check_remote(t, True, HOME)


# ssh -R [bind_address:]port [user@]gateway_addr
DYNAMIC = ("ssh -R 9000 user@host.example.net",
           f"ssh -R localhost:9000 {GATEWAY}",
           "ssh -R 0.0.0.0:9000 user@host.example.net",
           "ssh -R *:9000 host.example.net")


def check_dynamic(t, everywhere):
    """"an entire home network", and names as the laptop knows them."""
    world = Home(t, GatewayPorts="yes" if everywhere else "no")
    for command in DYNAMIC:
        proxy = world.culvert(command)
        through_socks(world, "127.0.0.1:9000", world.gateway)
        if everywhere:
            through_socks(world, f"{PUBLIC}:9000", world.visitor)
        else:
            out, _ = world.fetch(f"http://{DEVICE}:8000/", "-x",
                                 f"socks5h://{PUBLIC}:9000",
                                 host=world.visitor)
            equal(out, b"", "a page from elsewhere")
        proxy.stop()


def test_dynamic_remote_forward(t):
    check_dynamic(t, False)


def test_dynamic_remote_forward_with_gateway_ports(t):
    check_dynamic(t, True)


def test_nothing_else_is_exposed(t):
    """Neither while it runs, nor afterwards."""
    world = Home(t, GatewayPorts="yes")
    proxy = world.culvert("ssh -N -o ExitOnForwardFailure=yes "
                          "-R 9000:127.0.0.1:8000 user@host.example.net")
    check_reached(world, 9000, True)
    check_fetch(world, f"http://{PUBLIC}:9000/", host=world.visitor)
    equal(world.fetch(f"http://{PUBLIC}:8000/", host=world.visitor)[0], b"",
          "what was not forwarded")
    proxy.stop()
    equal(world.fetch(f"http://{PUBLIC}:9000/", host=world.visitor)[0], b"",
          "the page after the end")
