/* HTTP CONNECT: the input is tried as a request's head, as a reply's, and as
 * Basic credentials. */
#include "tests/fuzz/fuzz.h"

#include "transport/wire/basic.h"
#include "transport/wire/http.h"

static void
parse_request(const void *bytes, size_t len, struct fuzz_outcome *out)
{
    struct http_request request;

    out->status = http_parse_request(bytes, len, &request, &out->used);
    if (out->status != WIRE_DONE)
        return;
    fuzz_put_number(out, request.err);
    fuzz_put_number(out, request.has_credentials);
    if (request.has_credentials)
        fuzz_put_credentials(out, &request.credentials);
    if (request.err == ERR_OK)
        fuzz_put_target(out, &request.target);
}

static void
parse_reply(const void *bytes, size_t len, struct fuzz_outcome *out)
{
    int status;

    out->status = http_parse_reply(bytes, len, &status, &out->used);
    if (out->status == WIRE_DONE)
        fuzz_put_number(out, (unsigned)status);
}

static void
check_request(const uint8_t *bytes, size_t len)
{
    const struct fuzz_parser parser = {parse_request};
    char written[HTTP_REQUEST_MAX];
    struct http_request request;
    struct fuzz_outcome out;
    size_t used;

    fuzz_check_prefixes(parser, bytes, len, &out);
    if (out.status != WIRE_DONE)
        return;
    FUZZ_CHECK(out.used <= HTTP_HEAD_MAX);
    http_parse_request(bytes, len, &request, &used);
    FUZZ_CHECK(request.err == ERR_OK || request.err == ERR_MALFORMED ||
               request.err == ERR_BAD_COMMAND);
    if (request.err != ERR_OK)
        return;
    used = http_write_request(written, &request.target,
                              request.has_credentials ? &request.credentials
                                                      : NULL);
    FUZZ_CHECK(used < sizeof(written));
    fuzz_check_written(parser, written, used, &out);
}

static void
check_reply(const uint8_t *bytes, size_t len)
{
    const struct fuzz_parser parser = {parse_reply};
    struct fuzz_outcome out;
    int status = 0;
    size_t used;

    fuzz_check_prefixes(parser, bytes, len, &out);
    if (out.status != WIRE_DONE)
        return;
    http_parse_reply(bytes, len, &status, &used);
    FUZZ_CHECK(status >= 100 && status <= 999);
}

/* What can be read is the one way to write it. */
static void
check_basic(const uint8_t *bytes, size_t len)
{
    struct wire_credentials credentials;
    char written[BASIC_SIZE];
    size_t used;

    if (!basic_decode((const char *)bytes, len, &credentials))
        return;
    used = basic_encode(&credentials, written);
    FUZZ_CHECK(used == len);
    FUZZ_CHECK(memcmp(written, bytes, len) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    check_request(bytes, len);
    check_reply(bytes, len);
    check_basic(bytes, len);
    return 0;
}
