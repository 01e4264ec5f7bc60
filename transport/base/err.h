/* One list of failures for the whole program.
 *
 * An error is made where it happens, from errno or from what a peer said, and
 * travels as it is; only transport/wire/ turns it into a protocol's code, and
 * only the log turns it into words. */
#ifndef CULVERT_TRANSPORT_BASE_ERR_H
#define CULVERT_TRANSPORT_BASE_ERR_H

/* X(enumerator, word for logs and counters, text for a person) */
#define ERR_LIST(X)                                                           \
    X(ERR_OK, "ok", "success")                                                \
    X(ERR_AGAIN, "again", "would block")                                      \
    X(ERR_EOF, "eof", "end of stream")                                        \
    X(ERR_NO_MEMORY, "no-memory", "out of memory")                            \
    X(ERR_NO_DESCRIPTORS, "no-descriptors", "out of file descriptors")        \
    X(ERR_REFUSED, "refused", "connection refused")                           \
    X(ERR_RESET, "reset", "connection reset by peer")                         \
    X(ERR_HOST_UNREACHABLE, "host-unreachable", "no route to host")           \
    X(ERR_NET_UNREACHABLE, "net-unreachable", "network is unreachable")       \
    X(ERR_TIMED_OUT, "timed-out", "connection timed out")                     \
    X(ERR_NAME_NOT_FOUND, "name-not-found", "name or service not known")      \
    X(ERR_NAME_TIMED_OUT, "name-timed-out", "name look-up timed out")         \
    X(ERR_NAME_FAILED, "name-failed", "name look-up failed")                  \
    X(ERR_ADDR_NOT_AVAILABLE, "addr-not-available",                           \
      "cannot assign requested address")                                      \
    X(ERR_ADDR_IN_USE, "addr-in-use", "address already in use")               \
    X(ERR_NO_SUCH_PATH, "no-such-path", "no such file or directory")          \
    X(ERR_NOT_PERMITTED, "not-permitted", "permission denied")                \
    X(ERR_DENIED, "denied", "denied by a rule")                               \
    X(ERR_LIMIT, "limit", "too many sessions")                                \
    X(ERR_NO_METHOD, "no-method", "no acceptable authentication method")      \
    X(ERR_AUTH_FAILED, "auth-failed", "authentication failed")                \
    X(ERR_HOST_KEY, "host-key", "host key verification failed")               \
    X(ERR_PROTOCOL, "protocol", "protocol error")                             \
    X(ERR_MALFORMED, "malformed", "malformed request")                        \
    X(ERR_BAD_VERSION, "bad-version", "unknown protocol version")             \
    X(ERR_BAD_COMMAND, "bad-command", "command not supported")                \
    X(ERR_BAD_ADDRESS_TYPE, "bad-address-type", "address type not supported") \
    X(ERR_PROHIBITED, "prohibited", "prohibited by the far side")             \
    X(ERR_UNKNOWN_CHANNEL, "unknown-channel", "unknown channel type")         \
    X(ERR_NO_RESOURCES, "no-resources", "the far side is out of resources")   \
    X(ERR_TRANSPORT_DOWN, "transport-down", "the way out is down")            \
    X(ERR_REMOTE_FAILED, "remote-failed", "the far side failed to connect")   \
    X(ERR_PEER_GONE, "peer-gone", "the client left")                          \
    X(ERR_HANDSHAKE_TIMEOUT, "handshake-timeout", "handshake timed out")      \
    X(ERR_IDLE_TIMEOUT, "idle-timeout", "idle for too long")                  \
    X(ERR_SHUTDOWN, "shutdown", "the program is ending")                      \
    X(ERR_IO, "io", "input/output error")

enum err {
#define ERR_ENUM(e, word, text) e,
    ERR_LIST(ERR_ENUM)
#undef ERR_ENUM
        ERR_COUNT_ /* how many there are; never a value */
};

/* The enum's value for an errno of socket, connect, accept, read or write.
 * Returns ERR_IO for a number that has no meaning of its own here. */
enum err err_from_errno(int errnum);

/* A short lower-case word, stable across versions: for logs and counters. */
const char *err_word(enum err err);

/* A phrase for a person, without a full stop. */
const char *err_text(enum err err);

#endif
