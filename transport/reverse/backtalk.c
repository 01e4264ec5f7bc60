#include "transport/reverse/backtalk.h"

/* Of a reply: version, code, reserved, kind of address, and its first byte. */
#define HEAD_BYTES 5

/* Where the kind of address is in it, and the first byte of that. */
#define KIND_AT  3
#define FIRST_AT 4

size_t
backtalk_begin(struct backtalk *talk, const struct target *target,
               uint8_t out[BACKTALK_OUT_MAX])
{
    const struct socks5_greeting greeting = {
        .count = 2,
        .methods = {SOCKS5_NO_AUTH, SOCKS5_CULVERT},
    };
    size_t len = socks5_write_greeting(out, &greeting);

    talk->stage = BACKTALK_METHOD;
    talk->is_socks = talk->is_culvert = false;
    talk->err = ERR_OK;
    talk->in_len = 0;
    return len + socks5_write_request(out + len, SOCKS5_CONNECT, target);
}

/* How long the message is, as far as it is known. 0: it is none. */
static size_t
length(const struct backtalk *talk)
{
    switch (talk->stage) {
    case BACKTALK_METHOD:
        return 2;
    case BACKTALK_HEAD:
        return HEAD_BYTES;
    case BACKTALK_TAIL:
        if (talk->in[KIND_AT] == 1)
            return 4 + 4 + 2;
        if (talk->in[KIND_AT] == 4)
            return 4 + 16 + 2;
        if (talk->in[KIND_AT] == 3)
            return 4 + 1 + talk->in[FIRST_AT] + 2u;
        return 0;
    case BACKTALK_OVER:
        break;
    }
    return 0;
}

uint8_t *
backtalk_room(struct backtalk *talk, size_t *size)
{
    *size = length(talk) - talk->in_len;
    return talk->in + talk->in_len;
}

static void
end(struct backtalk *talk, enum err err)
{
    talk->stage = BACKTALK_OVER;
    talk->err = err;
}

static void
take_method(struct backtalk *talk)
{
    uint8_t method = 0;
    size_t used;

    if (socks5_parse_method(talk->in, talk->in_len, &method, &used) !=
        WIRE_DONE) {
        end(talk, ERR_PROTOCOL);
        return;
    }
    talk->is_socks = method == SOCKS5_NO_AUTH || method == SOCKS5_CULVERT ||
                     method == SOCKS5_NO_METHOD;
    talk->is_culvert = method == SOCKS5_CULVERT;
    talk->stage = BACKTALK_HEAD;
    talk->in_len = 0;
    /* One that was not offered is an echo of the greeting, or the like. */
    if (!talk->is_socks)
        end(talk, ERR_PROTOCOL);
    else if (method == SOCKS5_NO_METHOD) /* it wants a password */
        end(talk, ERR_PROHIBITED);
}

static void
take_reply(struct backtalk *talk)
{
    struct socks5_reply reply;
    size_t used;

    if (socks5_parse_reply(talk->in, talk->in_len, &reply, &used) != WIRE_DONE)
        end(talk, ERR_PROTOCOL);
    else if (reply.rep == SOCKS5_SUCCEEDED)
        end(talk, ERR_OK);
    else
        end(talk, socks5_err_from_rep(reply.rep));
}

/* A failure with an address of no kind that we know is one all the same, and
 * the channel is of no more use. */
static void
take_head(struct backtalk *talk)
{
    uint8_t rep = talk->in[1];

    talk->stage = BACKTALK_TAIL;
    if (talk->in[0] != SOCKS5_VERSION)
        end(talk, ERR_PROTOCOL);
    else if (length(talk) == 0)
        end(talk,
            rep == SOCKS5_SUCCEEDED ? ERR_PROTOCOL : socks5_err_from_rep(rep));
}

bool
backtalk_fed(struct backtalk *talk, size_t count)
{
    talk->in_len += count;
    if (talk->in_len < length(talk))
        return false;
    if (talk->stage == BACKTALK_METHOD)
        take_method(talk);
    else if (talk->stage == BACKTALK_HEAD)
        take_head(talk);
    else if (talk->stage == BACKTALK_TAIL)
        take_reply(talk);
    return talk->stage == BACKTALK_OVER;
}
