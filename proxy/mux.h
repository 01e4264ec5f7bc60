/* The protocol of the control socket: OpenSSH's multiplexing protocol, version
 * 4 (PROTOCOL.mux of OpenSSH), as far as it controls a master, and messages of
 * our own beside it. Pure: bytes to structs and back, both sides.
 *
 * A message is a length (uint32), a type (uint32) and what belongs to the
 * type; in all but the hello that begins with the number of the request. */
#ifndef CULVERT_PROXY_MUX_H
#define CULVERT_PROXY_MUX_H

#include <stddef.h>
#include <stdint.h>

#include "transport/base/err.h"

#define MUX_VERSION 4

/* The longest message taken, without its length. A request for a session has
 * the client's environment in it. */
#define MUX_MESSAGE_MAX (64u * 1024)

/* A path or a name, as the longest of either that is of use. */
#define MUX_HOST_MAX 255

/* In the place of a port: the host is the path of a Unix socket. */
#define MUX_PORT_UNIX 0xfffffffeu

/* X(enumerator, its number on the wire). Ours are far from OpenSSH's. */
#define MUX_TYPES(X)                               \
    X(MUX_HELLO, 0x00000001u)                      \
    X(MUX_C_NEW_SESSION, 0x10000002u)              \
    X(MUX_C_ALIVE_CHECK, 0x10000004u)              \
    X(MUX_C_TERMINATE, 0x10000005u)                \
    X(MUX_C_OPEN_FORWARD, 0x10000006u)             \
    X(MUX_C_CLOSE_FORWARD, 0x10000007u)            \
    X(MUX_C_NEW_STDIO_FORWARD, 0x10000008u)        \
    X(MUX_C_STOP_LISTENING, 0x10000009u)           \
    X(MUX_C_PROXY, 0x1000000fu)                    \
    X(MUX_C_STATUS, 0x63750001u)      /* ours */   \
    X(MUX_C_RECONNECT, 0x63750002u)   /* ours */   \
    X(MUX_C_STATUS_JSON, 0x63750003u) /* ours */   \
    X(MUX_C_KICK, 0x63750004u)        /* ours */   \
    X(MUX_S_OK, 0x80000001u)                       \
    X(MUX_S_PERMISSION_DENIED, 0x80000002u)        \
    X(MUX_S_FAILURE, 0x80000003u)                  \
    X(MUX_S_ALIVE, 0x80000005u)                    \
    X(MUX_S_PORT, 0x80000007u)   /* remote port */ \
    X(MUX_S_TEXT, 0xe3750001u)   /* ours */        \
    X(MUX_S_KICKED, 0xe3750002u) /* ours */

enum mux_type {
#define MUX_ENUM(type, number) type,
    MUX_TYPES(MUX_ENUM)
#undef MUX_ENUM
        MUX_OTHER /* none of these */
};

enum mux_forward_kind {
    MUX_FORWARD_LOCAL = 1,
    MUX_FORWARD_REMOTE = 2,
    MUX_FORWARD_DYNAMIC = 3,
};

struct mux_forward {
    uint32_t kind;                      /* enum mux_forward_kind, or anything */
    char listen_host[MUX_HOST_MAX + 1]; /* "": none given; "*": every address */
    uint32_t listen_port;               /* at most 65535, or MUX_PORT_UNIX */
    char connect_host[MUX_HOST_MAX + 1]; /* "socks" where the client says */
    uint32_t connect_port;               /* 0 with that */
};

struct mux_message {
    enum mux_type type;
    uint32_t request; /* 0 in a hello */
    uint32_t number;  /* MUX_HELLO: the version; MUX_S_ALIVE: the process's id;
                       * MUX_S_PORT: the port; MUX_S_KICKED: how many sessions
                       * of an agent are ended */
    struct mux_forward forward; /* MUX_C_OPEN_FORWARD, _CLOSE_FORWARD */
    /* MUX_S_FAILURE, _PERMISSION_DENIED, _TEXT; of MUX_C_KICK the agent's name.
     * No NUL at the end. Lent by whoever made the message: a decoded one points
     * into its bytes. */
    const char *text;
    size_t text_len;
};

/* Finds the first message in what has come. Returns ERR_OK and *whole, its
 * length with the four bytes before it; ERR_AGAIN when there is more to come,
 * with *whole when that much is known, else 0; ERR_LIMIT for one that is longer
 * than MUX_MESSAGE_MAX, or too short to have a type. */
enum err mux_frame(const uint8_t *bytes, size_t len, size_t *whole);

/* Reads a whole message, its length in front. What we don't act on is not
 * looked at beyond its number. Returns ERR_OK, or ERR_MALFORMED with message
 * undefined. */
enum err mux_decode(const uint8_t *bytes, size_t len,
                    struct mux_message *message);

/* Room for any message but one with a text; for that, and the text. */
#define MUX_ENCODED_MAX 640

/* Writes a message, its length in front. Returns its length, or 0 when it does
 * not fit into size. Types whose body is not in the struct are written with
 * none. */
size_t mux_encode(const struct mux_message *message, uint8_t *buf, size_t size);

#endif
