/* SOCKS4 and 4a: the input is tried as a request and as a reply. */
#include "tests/fuzz/fuzz.h"

#include "transport/wire/socks4.h"

static void
parse_request(const void *bytes, size_t len, struct fuzz_outcome *out)
{
    struct socks4_request request;

    out->status = socks4_parse_request(bytes, len, &request, &out->used);
    if (out->status != WIRE_DONE)
        return;
    fuzz_put_number(out, request.command);
    fuzz_put_number(out, request.err);
    fuzz_put_number(out, request.user_len);
    fuzz_put(out, request.user, request.user_len);
    /* Not is_4a: a literal sent as a name is written as an address. */
    if (request.err == ERR_OK)
        fuzz_put_target(out, &request.target);
}

static void
parse_reply(const void *bytes, size_t len, struct fuzz_outcome *out)
{
    uint8_t code;
    union addr bound;
    char text[ADDR_TEXT_MAX];

    out->status = socks4_parse_reply(bytes, len, &code, &bound, &out->used);
    if (out->status != WIRE_DONE)
        return;
    fuzz_put_number(out, code);
    addr_format(&bound, text);
    fuzz_put(out, text, strlen(text));
}

static void
check_request(const uint8_t *bytes, size_t len)
{
    const struct fuzz_parser parser = {parse_request};
    uint8_t written[SOCKS4_REQUEST_MAX];
    char user[WIRE_USER_MAX + 1];
    struct socks4_request request;
    struct fuzz_outcome out;
    size_t used;

    fuzz_check_prefixes(parser, bytes, len, &out);
    if (out.status != WIRE_DONE)
        return;
    FUZZ_CHECK(out.used <= SOCKS4_REQUEST_MAX);
    socks4_parse_request(bytes, len, &request, &used);
    FUZZ_CHECK(request.err == ERR_OK || request.err == ERR_MALFORMED);
    if (request.err != ERR_OK)
        return;
    memcpy(user, request.user, request.user_len);
    user[request.user_len] = 0;
    used = socks4_write_request(written, (enum socks4_command)request.command,
                                &request.target, user);
    fuzz_check_written(parser, written, used, &out);
}

static void
check_reply(const uint8_t *bytes, size_t len)
{
    const struct fuzz_parser parser = {parse_reply};
    uint8_t written[SOCKS4_REPLY_BYTES];
    struct fuzz_outcome out;
    union addr bound;
    uint8_t code;
    size_t used;

    fuzz_check_prefixes(parser, bytes, len, &out);
    if (out.status != WIRE_DONE)
        return;
    socks4_parse_reply(bytes, len, &code, &bound, &used);
    used = socks4_write_reply(written, (enum socks4_code)code, &bound);
    fuzz_check_written(parser, written, used, &out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    check_request(bytes, len);
    check_reply(bytes, len);
    return 0;
}
