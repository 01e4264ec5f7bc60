#include "proxy/handshake.h"

#include <stdlib.h>
#include <string.h>

#include "proxy/agentname.h"
#include "transport/wire/http.h"
#include "transport/wire/socks4.h"
#include "transport/wire/socks5.h"

/* A whole SOCKS5 handshake with a name of usual length fits at once. */
#define IN_FIRST_BYTES 512

struct handshake *
handshake_create(bool need_password)
{
    struct handshake *hs = malloc(sizeof(*hs));

    if (!hs)
        return NULL;
    /* Not calloc: clearing the buffers costs more than all the rest. */
    hs->need_password = need_password;
    hs->wants_agent = false;
    *hs->agent = 0;
    hs->protocol = HANDSHAKE_UNKNOWN;
    hs->phase = HANDSHAKE_HELLO;
    hs->in = NULL;
    hs->in_at = hs->in_len = hs->in_size = 0;
    hs->out_at = hs->out_len = 0;
    hs->err = ERR_OK;
    return hs;
}

void
handshake_destroy(struct handshake *hs)
{
    if (!hs)
        return;
    /* A password may be left in the read buffer, asked for or not: some
     * clients send one all the same. */
    if (hs->in)
        explicit_bzero(hs->in, hs->in_size);
    if (hs->need_password)
        wire_credentials_wipe(&hs->credentials);
    free(hs->in);
    free(hs);
}

void
handshake_skip(struct handshake *hs)
{
    hs->protocol = HANDSHAKE_NONE;
    hs->phase = HANDSHAKE_ASKED;
}

uint8_t *
handshake_room(struct handshake *hs, size_t *size, enum err *err)
{
    if (hs->in_at == hs->in_len)
        hs->in_at = hs->in_len = 0;
    if (hs->in_len == hs->in_size) {
        size_t grown = hs->in_size ? hs->in_size * 2 : IN_FIRST_BYTES;
        uint8_t *in;

        if (hs->in_size >= HANDSHAKE_IN_MAX) {
            *err = ERR_LIMIT;
            return NULL;
        }
        /* Not realloc, which could leave a copy of a password behind. */
        in = malloc(grown);
        if (!in) {
            *err = ERR_NO_MEMORY;
            return NULL;
        }
        if (hs->in) {
            memcpy(in, hs->in, hs->in_len);
            explicit_bzero(hs->in, hs->in_size);
        }
        free(hs->in);
        hs->in = in;
        hs->in_size = grown;
    }
    *size = hs->in_size - hs->in_len;
    return hs->in + hs->in_len;
}

void
handshake_fed(struct handshake *hs, size_t count)
{
    hs->in_len += count;
}

static uint8_t *
out_room(struct handshake *hs)
{
    return hs->out + hs->out_len;
}

static enum handshake_step
fail(struct handshake *hs, enum err err)
{
    hs->phase = HANDSHAKE_OVER;
    hs->err = err;
    return HANDSHAKE_FAILED;
}

/* A request that cannot be: the answer says why, and that is all. */
static enum handshake_step
refuse(struct handshake *hs, enum err err)
{
    handshake_answer(hs, err, NULL);
    return fail(hs, err);
}

/* Takes "@AGENT" off the end of a user name, if it is there. */
static void
take_agent(struct handshake *hs, const uint8_t *user, uint8_t *user_len)
{
    if (hs->wants_agent)
        *user_len = (uint8_t)agentname_cut_user(user, *user_len, hs->agent);
}

static enum handshake_step
asked(struct handshake *hs, const struct target *target)
{
    hs->target = *target;
    hs->phase = HANDSHAKE_ASKED;
    return HANDSHAKE_REQUEST;
}

static enum handshake_step
verify(struct handshake *hs)
{
    hs->phase = HANDSHAKE_VERIFYING;
    return HANDSHAKE_VERIFY;
}

static enum handshake_step
step_socks4(struct handshake *hs)
{
    struct socks4_request request;
    size_t used = 0;

    switch (socks4_parse_request(hs->in + hs->in_at, hs->in_len - hs->in_at,
                                 &request, &used)) {
    case WIRE_MORE:
        return HANDSHAKE_MORE;
    case WIRE_BAD:
        return refuse(hs, ERR_MALFORMED);
    case WIRE_DONE:
        break;
    }
    hs->in_at += used;
    if (request.is_4a)
        hs->protocol = HANDSHAKE_SOCKS4A;
    /* A user id is a claim, not an identity. */
    if (hs->need_password)
        return refuse(hs, ERR_AUTH_FAILED);
    take_agent(hs, request.user, &request.user_len);
    if (request.command != SOCKS4_CONNECT)
        return refuse(hs, ERR_BAD_COMMAND);
    if (request.err)
        return refuse(hs, request.err);
    return asked(hs, &request.target);
}

static enum handshake_step
step_http(struct handshake *hs)
{
    struct http_request request;
    size_t used = 0;
    enum handshake_step step;

    switch (http_parse_request(hs->in + hs->in_at, hs->in_len - hs->in_at,
                               &request, &used)) {
    case WIRE_MORE:
        return HANDSHAKE_MORE;
    case WIRE_BAD:
        return refuse(hs, ERR_MALFORMED);
    case WIRE_DONE:
        break;
    }
    hs->in_at += used;
    if (request.has_credentials)
        take_agent(hs, request.credentials.user, &request.credentials.user_len);
    if (request.err == ERR_BAD_COMMAND) {
        hs->out_len += http_write_not_proxy((char *)out_room(hs));
        step = fail(hs, request.err);
    } else if (request.err) {
        step = refuse(hs, request.err);
    } else if (!hs->need_password) {
        step = asked(hs, &request.target);
    } else if (!request.has_credentials) {
        step = refuse(hs, ERR_NO_METHOD);
    } else {
        hs->credentials = request.credentials;
        hs->target = request.target;
        step = verify(hs);
    }
    if (request.has_credentials)
        wire_credentials_wipe(&request.credentials);
    return step;
}

/* Without a need for a password, one is accepted where a client offers
 * nothing else: Firefox with a user name set, or Tor's clients, which keep
 * flows apart by it. */
static enum socks5_method
choose_method(const struct handshake *hs,
              const struct socks5_greeting *greeting)
{
    /* As our own gateway asks an agent, and not some client that offers all
     * there are. */
    if (!hs->need_password && greeting->count == 2 &&
        socks5_offers(greeting, SOCKS5_NO_AUTH) &&
        socks5_offers(greeting, SOCKS5_CULVERT))
        return SOCKS5_CULVERT;
    if (!hs->need_password && socks5_offers(greeting, SOCKS5_NO_AUTH) &&
        !(hs->wants_agent && socks5_offers(greeting, SOCKS5_PASSWORD)))
        return SOCKS5_NO_AUTH;
    if (socks5_offers(greeting, SOCKS5_PASSWORD))
        return SOCKS5_PASSWORD;
    return SOCKS5_NO_METHOD;
}

static enum handshake_step
step_socks5_greeting(struct handshake *hs)
{
    struct socks5_greeting greeting;
    enum socks5_method method;
    size_t used = 0;

    switch (socks5_parse_greeting(hs->in + hs->in_at, hs->in_len - hs->in_at,
                                  &greeting, &used)) {
    case WIRE_MORE:
        return HANDSHAKE_MORE;
    case WIRE_BAD:
        return fail(hs, ERR_MALFORMED);
    case WIRE_DONE:
        break;
    }
    hs->in_at += used;
    method = choose_method(hs, &greeting);
    hs->out_len += socks5_write_method(out_room(hs), method);
    if (method == SOCKS5_NO_METHOD)
        return fail(hs, ERR_NO_METHOD);
    hs->phase =
        method == SOCKS5_PASSWORD ? HANDSHAKE_AUTH : HANDSHAKE_WAIT_REQUEST;
    return HANDSHAKE_MORE;
}

static enum handshake_step
step_socks5_password(struct handshake *hs)
{
    size_t used = 0;

    switch (socks5_parse_password(hs->in + hs->in_at, hs->in_len - hs->in_at,
                                  &hs->credentials, &used)) {
    case WIRE_MORE:
        return HANDSHAKE_MORE;
    case WIRE_BAD:
        hs->out_len += socks5_write_password_result(out_room(hs), false);
        return fail(hs, ERR_MALFORMED);
    case WIRE_DONE:
        break;
    }
    hs->in_at += used;
    take_agent(hs, hs->credentials.user, &hs->credentials.user_len);
    if (hs->need_password)
        return verify(hs);
    hs->phase = HANDSHAKE_VERIFYING;
    handshake_verified(hs, true);
    return HANDSHAKE_MORE;
}

static enum handshake_step
step_socks5_request(struct handshake *hs)
{
    struct socks5_request request;
    size_t used = 0;

    switch (socks5_parse_request(hs->in + hs->in_at, hs->in_len - hs->in_at,
                                 &request, &used)) {
    case WIRE_MORE:
        return HANDSHAKE_MORE;
    case WIRE_BAD:
        return refuse(hs, ERR_MALFORMED);
    case WIRE_DONE:
        break;
    }
    hs->in_at += used;
    if (request.command != SOCKS5_CONNECT)
        return refuse(hs, ERR_BAD_COMMAND);
    if (request.err)
        return refuse(hs, request.err);
    return asked(hs, &request.target);
}

static enum handshake_step
step_hello(struct handshake *hs)
{
    uint8_t first = hs->in[hs->in_at];

    if (hs->protocol == HANDSHAKE_UNKNOWN) {
        if (first == SOCKS5_VERSION)
            hs->protocol = HANDSHAKE_SOCKS5;
        else if (first == SOCKS4_VERSION)
            hs->protocol = HANDSHAKE_SOCKS4;
        else if (http_starts_with(first))
            hs->protocol = HANDSHAKE_HTTP;
        else
            return fail(hs, ERR_BAD_VERSION);
    }
    if (hs->protocol == HANDSHAKE_SOCKS5)
        return step_socks5_greeting(hs);
    if (hs->protocol == HANDSHAKE_HTTP)
        return step_http(hs);
    return step_socks4(hs);
}

enum handshake_step
handshake_step(struct handshake *hs)
{
    enum handshake_step step = HANDSHAKE_MORE;
    enum handshake_phase before;

    /* As long as messages are there in full: a client may send them all in
     * one segment. */
    do {
        before = hs->phase;
        if (hs->phase == HANDSHAKE_ASKED)
            return HANDSHAKE_REQUEST;
        if (hs->in_at == hs->in_len)
            break;
        if (hs->phase == HANDSHAKE_HELLO)
            step = step_hello(hs);
        else if (hs->phase == HANDSHAKE_AUTH)
            step = step_socks5_password(hs);
        else if (hs->phase == HANDSHAKE_WAIT_REQUEST)
            step = step_socks5_request(hs);
    } while (step == HANDSHAKE_MORE && hs->phase != before);
    return step;
}

void
handshake_verified(struct handshake *hs, bool good)
{
    wire_credentials_wipe(&hs->credentials);
    if (hs->protocol == HANDSHAKE_HTTP) {
        if (good)
            hs->phase = HANDSHAKE_ASKED;
        else
            refuse(hs, ERR_AUTH_FAILED);
        return;
    }
    hs->out_len += socks5_write_password_result(out_room(hs), good);
    if (good)
        hs->phase = HANDSHAKE_WAIT_REQUEST;
    else
        fail(hs, ERR_AUTH_FAILED);
}

void
handshake_answer(struct handshake *hs, enum err err, const union addr *bound)
{
    hs->phase = HANDSHAKE_OVER;
    switch (hs->protocol) {
    case HANDSHAKE_SOCKS4:
    case HANDSHAKE_SOCKS4A:
        hs->out_len +=
            socks4_write_reply(out_room(hs), socks4_code_from_err(err), bound);
        return;
    case HANDSHAKE_SOCKS5:
        hs->out_len +=
            socks5_write_reply(out_room(hs), socks5_rep_from_err(err), bound);
        return;
    case HANDSHAKE_HTTP:
        hs->out_len += http_write_reply((char *)out_room(hs), err);
        return;
    case HANDSHAKE_UNKNOWN:
    case HANDSHAKE_NONE:
        return;
    }
}

const char *
handshake_protocol_word(enum handshake_protocol protocol)
{
    switch (protocol) {
    case HANDSHAKE_SOCKS4:
        return "socks4";
    case HANDSHAKE_SOCKS4A:
        return "socks4a";
    case HANDSHAKE_SOCKS5:
        return "socks5";
    case HANDSHAKE_HTTP:
        return "http";
    case HANDSHAKE_NONE:
        return "forward";
    case HANDSHAKE_UNKNOWN:
        break;
    }
    return "-";
}
