#include "proxy/mux.h"

#include <string.h>

#include "transport/base/reader.h"

#define LENGTH_BYTES 4
#define TYPE_BYTES   4

static const uint32_t numbers[] = {
#define MUX_NUMBER(type, number) [type] = number,
    MUX_TYPES(MUX_NUMBER)
#undef MUX_NUMBER
};

static enum mux_type
type_of(uint32_t number)
{
    for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++)
        if (numbers[i] == number)
            return (enum mux_type)i;
    return MUX_OTHER;
}

enum err
mux_frame(const uint8_t *bytes, size_t len, size_t *whole)
{
    struct reader r = reader_over(bytes, len);
    uint32_t length = reader_u32(&r);

    *whole = 0;
    if (r.failed)
        return ERR_AGAIN;
    if (length > MUX_MESSAGE_MAX || length < TYPE_BYTES)
        return ERR_LIMIT;
    *whole = LENGTH_BYTES + length;
    return len < *whole ? ERR_AGAIN : ERR_OK;
}

/* --- reading -------------------------------------------------------------- */

static void
read_string(struct reader *r, const char **text, size_t *len)
{
    uint32_t length = reader_u32(r);

    *text = (const char *)reader_bytes(r, length);
    *len = *text ? length : 0;
}

/* A string that fits and has no NUL within: what it names is not to be another
 * thing for those who stop there. */
static void
read_host(struct reader *r, char host[MUX_HOST_MAX + 1])
{
    const char *text;
    size_t len;

    read_string(r, &text, &len);
    if (!text || len > MUX_HOST_MAX || memchr(text, 0, len)) {
        r->failed = true;
        return;
    }
    memcpy(host, text, len);
    host[len] = 0;
}

static uint32_t
read_port(struct reader *r)
{
    uint32_t port = reader_u32(r);

    if (port > 65535 && port != MUX_PORT_UNIX)
        r->failed = true;
    return port;
}

static void
read_forward(struct reader *r, struct mux_forward *forward)
{
    forward->kind = reader_u32(r);
    read_host(r, forward->listen_host);
    forward->listen_port = read_port(r);
    read_host(r, forward->connect_host);
    forward->connect_port = read_port(r);
}

/* Extensions: pairs of strings, none of which is known. */
static void
skip_extensions(struct reader *r)
{
    const char *text;
    size_t len;

    while (!r->failed && r->at < r->end)
        read_string(r, &text, &len);
}

enum err
mux_decode(const uint8_t *bytes, size_t len, struct mux_message *message)
{
    struct reader r = reader_over(bytes, len);

    reader_u32(&r);
    memset(message, 0, sizeof(*message));
    message->type = type_of(reader_u32(&r));
    if (message->type != MUX_HELLO)
        message->request = reader_u32(&r);
    switch (message->type) {
    case MUX_HELLO:
        message->number = reader_u32(&r);
        skip_extensions(&r);
        break;
    case MUX_C_OPEN_FORWARD:
    case MUX_C_CLOSE_FORWARD:
        read_forward(&r, &message->forward);
        break;
    case MUX_S_ALIVE:
    case MUX_S_PORT:
    case MUX_S_KICKED:
        message->number = reader_u32(&r);
        break;
    case MUX_C_KICK:
    case MUX_S_PERMISSION_DENIED:
    case MUX_S_FAILURE:
    case MUX_S_TEXT:
        read_string(&r, &message->text, &message->text_len);
        break;
    case MUX_C_NEW_SESSION:
    case MUX_C_ALIVE_CHECK:
    case MUX_C_TERMINATE:
    case MUX_C_NEW_STDIO_FORWARD:
    case MUX_C_STOP_LISTENING:
    case MUX_C_PROXY:
    case MUX_C_STATUS:
    case MUX_C_RECONNECT:
    case MUX_C_STATUS_JSON:
    case MUX_S_OK:
    case MUX_OTHER:
        break;
    }
    return r.failed ? ERR_MALFORMED : ERR_OK;
}

/* --- writing -------------------------------------------------------------- */

struct writer {
    uint8_t *buf;
    size_t size;
    size_t len; /* may be beyond size: it did not fit */
};

static void
put_bytes(struct writer *w, const void *bytes, size_t len)
{
    if (len > 0 && w->len <= w->size && len <= w->size - w->len)
        memcpy(w->buf + w->len, bytes, len);
    w->len += len;
}

static void
put_u32(struct writer *w, uint32_t number)
{
    const uint8_t bytes[4] = {(uint8_t)(number >> 24), (uint8_t)(number >> 16),
                              (uint8_t)(number >> 8), (uint8_t)number};

    put_bytes(w, bytes, sizeof(bytes));
}

static void
put_string(struct writer *w, const char *text, size_t len)
{
    put_u32(w, (uint32_t)len);
    put_bytes(w, text, len);
}

static void
put_body(struct writer *w, const struct mux_message *message)
{
    const struct mux_forward *forward = &message->forward;

    switch (message->type) {
    case MUX_HELLO:
    case MUX_S_ALIVE:
    case MUX_S_PORT:
    case MUX_S_KICKED:
        put_u32(w, message->number);
        return;
    case MUX_C_OPEN_FORWARD:
    case MUX_C_CLOSE_FORWARD:
        put_u32(w, forward->kind);
        put_string(w, forward->listen_host, strlen(forward->listen_host));
        put_u32(w, forward->listen_port);
        put_string(w, forward->connect_host, strlen(forward->connect_host));
        put_u32(w, forward->connect_port);
        return;
    case MUX_C_KICK:
    case MUX_S_PERMISSION_DENIED:
    case MUX_S_FAILURE:
    case MUX_S_TEXT:
        put_string(w, message->text, message->text_len);
        return;
    case MUX_C_NEW_SESSION:
    case MUX_C_ALIVE_CHECK:
    case MUX_C_TERMINATE:
    case MUX_C_NEW_STDIO_FORWARD:
    case MUX_C_STOP_LISTENING:
    case MUX_C_PROXY:
    case MUX_C_STATUS:
    case MUX_C_RECONNECT:
    case MUX_C_STATUS_JSON:
    case MUX_S_OK:
    case MUX_OTHER:
        return;
    }
}

size_t
mux_encode(const struct mux_message *message, uint8_t *buf, size_t size)
{
    struct writer w = {.buf = buf, .size = size};
    size_t len;

    if (message->type == MUX_OTHER)
        return 0;
    put_u32(&w, 0);
    put_u32(&w, numbers[message->type]);
    if (message->type != MUX_HELLO)
        put_u32(&w, message->request);
    put_body(&w, message);
    len = w.len;
    if (len > size || len - LENGTH_BYTES > MUX_MESSAGE_MAX)
        return 0;
    w.len = 0;
    put_u32(&w, (uint32_t)(len - LENGTH_BYTES));
    return len;
}
