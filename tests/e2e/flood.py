"""A server that sends without end to everyone, a little to each in turn: a
process of its own, as threads of one interpreter do not share evenly. Prints
its port."""
import selectors
import socket

BLOCK = b"\xa5" * (1 << 16)


def main():
    listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
    print(listener.getsockname()[1], flush=True)
    poll = selectors.DefaultSelector()
    poll.register(listener, selectors.EVENT_READ)
    while True:
        for key, _ in poll.select():
            if key.fileobj is listener:
                sock = listener.accept()[0]
                sock.setblocking(False)
                poll.register(sock, selectors.EVENT_WRITE)
                continue
            try:
                key.fileobj.send(BLOCK)
            except BlockingIOError:
                pass
            except OSError:
                poll.unregister(key.fileobj)
                key.fileobj.close()


if __name__ == "__main__":
    main()
