/* SOCKS5 and RFC 1929: the input is tried as each of the six messages. */
#include "tests/fuzz/fuzz.h"

#include "transport/wire/socks5.h"

static void
parse_greeting(const void *bytes, size_t len, struct fuzz_outcome *out)
{
    struct socks5_greeting greeting;

    out->status = socks5_parse_greeting(bytes, len, &greeting, &out->used);
    if (out->status != WIRE_DONE)
        return;
    fuzz_put_number(out, greeting.count);
    fuzz_put(out, greeting.methods, greeting.count);
}

static void
parse_password(const void *bytes, size_t len, struct fuzz_outcome *out)
{
    struct wire_credentials credentials;

    out->status = socks5_parse_password(bytes, len, &credentials, &out->used);
    if (out->status == WIRE_DONE)
        fuzz_put_credentials(out, &credentials);
}

static void
parse_request(const void *bytes, size_t len, struct fuzz_outcome *out)
{
    struct socks5_request request;

    out->status = socks5_parse_request(bytes, len, &request, &out->used);
    if (out->status != WIRE_DONE)
        return;
    fuzz_put_number(out, request.command);
    fuzz_put_number(out, request.err);
    if (request.err == ERR_OK)
        fuzz_put_target(out, &request.target);
}

static void
parse_method(const void *bytes, size_t len, struct fuzz_outcome *out)
{
    uint8_t method;

    out->status = socks5_parse_method(bytes, len, &method, &out->used);
    if (out->status == WIRE_DONE)
        fuzz_put_number(out, method);
}

static void
parse_result(const void *bytes, size_t len, struct fuzz_outcome *out)
{
    bool success;

    out->status =
        socks5_parse_password_result(bytes, len, &success, &out->used);
    if (out->status == WIRE_DONE)
        fuzz_put_number(out, success);
}

static void
parse_reply(const void *bytes, size_t len, struct fuzz_outcome *out)
{
    struct socks5_reply reply;

    out->status = socks5_parse_reply(bytes, len, &reply, &out->used);
    if (out->status != WIRE_DONE)
        return;
    fuzz_put_number(out, reply.rep);
    fuzz_put_target(out, &reply.bound);
}

static void
check_greeting(const uint8_t *bytes, size_t len)
{
    const struct fuzz_parser parser = {parse_greeting};
    uint8_t written[SOCKS5_GREETING_MAX];
    struct socks5_greeting greeting;
    struct fuzz_outcome out;
    size_t used;

    fuzz_check_prefixes(parser, bytes, len, &out);
    if (out.status != WIRE_DONE)
        return;
    socks5_parse_greeting(bytes, len, &greeting, &used);
    used = socks5_write_greeting(written, &greeting);
    fuzz_check_written(parser, written, used, &out);
    FUZZ_CHECK(memcmp(written, bytes, used) == 0);
}

static void
check_password(const uint8_t *bytes, size_t len)
{
    const struct fuzz_parser parser = {parse_password};
    uint8_t written[SOCKS5_PASSWORD_MAX];
    struct wire_credentials credentials;
    struct fuzz_outcome out;
    size_t used;

    fuzz_check_prefixes(parser, bytes, len, &out);
    if (out.status != WIRE_DONE)
        return;
    socks5_parse_password(bytes, len, &credentials, &used);
    used = socks5_write_password(written, &credentials);
    fuzz_check_written(parser, written, used, &out);
    FUZZ_CHECK(memcmp(written, bytes, used) == 0);
}

static void
check_request(const uint8_t *bytes, size_t len)
{
    const struct fuzz_parser parser = {parse_request};
    uint8_t written[SOCKS5_REQUEST_MAX];
    struct socks5_request request;
    struct fuzz_outcome out;
    size_t used;

    fuzz_check_prefixes(parser, bytes, len, &out);
    if (out.status != WIRE_DONE)
        return;
    FUZZ_CHECK(out.used <= SOCKS5_REQUEST_MAX);
    socks5_parse_request(bytes, len, &request, &used);
    if (request.err != ERR_OK)
        return;
    used = socks5_write_request(written, (enum socks5_command)request.command,
                                &request.target);
    FUZZ_CHECK(used <= sizeof(written));
    fuzz_check_written(parser, written, used, &out);
}

static void
check_reply(const uint8_t *bytes, size_t len)
{
    const struct fuzz_parser parser = {parse_reply};
    uint8_t written[SOCKS5_REPLY_MAX];
    struct socks5_reply reply;
    struct fuzz_outcome out;
    size_t used;

    fuzz_check_prefixes(parser, bytes, len, &out);
    if (out.status != WIRE_DONE)
        return;
    socks5_parse_reply(bytes, len, &reply, &used);
    /* We write no names, and "none" as 0.0.0.0:0. */
    if (reply.bound.kind != TARGET_ADDR ||
        reply.bound.addr.sa.sa_family == AF_UNSPEC)
        return;
    used = socks5_write_reply(written, (enum socks5_rep)reply.rep,
                              &reply.bound.addr);
    fuzz_check_written(parser, written, used, &out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    const struct fuzz_parser method = {parse_method};
    const struct fuzz_parser result = {parse_result};
    struct fuzz_outcome out;

    check_greeting(bytes, len);
    check_password(bytes, len);
    check_request(bytes, len);
    check_reply(bytes, len);
    fuzz_check_prefixes(method, bytes, len, &out);
    fuzz_check_prefixes(result, bytes, len, &out);
    return 0;
}
