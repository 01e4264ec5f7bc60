#include "transport/wire/http.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "tests/unit/split.h"

/* A head around one request line, or one header line. */
#define LINE(line)   line "\r\nHost: ignored:1\r\n\r\n"
#define FIELD(field) "CONNECT h:1 HTTP/1.1\r\n" field "\r\n\r\n"

static enum wire_status
probe_request(const void *bytes, size_t len, size_t *used)
{
    struct http_request out;

    return http_parse_request(bytes, len, &out, used);
}

static enum wire_status
status_of(const char *text)
{
    size_t used;

    return probe_request(text, strlen(text), &used);
}

/* Parses a request that must be whole. */
static struct http_request
request_of(const char *text)
{
    struct http_request out;
    size_t used = 0;

    cr_assert_eq(http_parse_request(text, strlen(text), &out, &used), WIRE_DONE,
                 "%s", text);
    cr_assert_eq(used, strlen(text));
    return out;
}

static enum err
err_of(const char *text)
{
    return request_of(text).err;
}

/* Asserts that a CONNECT for an authority is taken as a target. */
static void
assert_goes_to(const char *authority, const char *target)
{
    char text[1024];
    char buf[TARGET_TEXT_MAX];
    struct http_request out;

    snprintf(text, sizeof(text), "CONNECT %s HTTP/1.1\r\n\r\n", authority);
    out = request_of(text);
    cr_assert_eq(out.err, ERR_OK, "%s", authority);
    cr_assert_str_eq(target_format(&out.target, buf), target);
}

static void
assert_refused(const char *authority)
{
    char text[1024];

    snprintf(text, sizeof(text), "CONNECT %s HTTP/1.1\r\n\r\n", authority);
    cr_assert_eq(err_of(text), ERR_MALFORMED, "%s", authority);
}

/* Fills out with a head of exactly len bytes. */
static void
long_head(char *out, size_t len)
{
    static const char start[] = "CONNECT h:1 HTTP/1.1\r\nX: ";

    memset(out, 'x', len);
    memcpy(out, start, sizeof(start) - 1);
    memcpy(out + len - 4, "\r\n\r\n", 4);
}

Test(http, starts_with_a_capital_letter_and_nothing_else)
{
    for (unsigned c = 0; c < 256; c++)
        cr_assert_eq(http_starts_with((uint8_t)c), c >= 'A' && c <= 'Z');
}

Test(http, connect_goes_to_a_name)
{
    assert_goes_to("example.org:443", "example.org:443");
    cr_assert_eq(request_of(LINE("CONNECT a.b:1 HTTP/1.1")).target.kind,
                 TARGET_NAME);
}

Test(http, connect_goes_to_an_address)
{
    assert_goes_to("192.0.2.1:65535", "192.0.2.1:65535");
    assert_goes_to("[2001:db8::1]:80", "[2001:db8::1]:80");
    assert_goes_to("[::ffff:192.0.2.1]:80", "192.0.2.1:80");
}

Test(http, version_1_0_is_accepted)
{
    cr_assert_eq(err_of(LINE("CONNECT h:1 HTTP/1.0")), ERR_OK);
}

Test(http, head_may_have_no_fields)
{
    cr_assert_eq(err_of("CONNECT h:1 HTTP/1.0\r\n\r\n"), ERR_OK);
}

Test(http, lines_may_end_with_lf_alone)
{
    cr_assert_eq(err_of("CONNECT h:1 HTTP/1.1\nHost: x\n\n"), ERR_OK);
    cr_assert_eq(err_of("CONNECT h:1 HTTP/1.1\r\nHost: x\n\r\n"), ERR_OK);
}

Test(http, host_field_is_not_read)
{
    char buf[TARGET_TEXT_MAX];
    struct http_request out =
        request_of("CONNECT a:1 HTTP/1.1\r\nHost: b:2\r\nHost: c\r\n\r\n");

    cr_assert_str_eq(target_format(&out.target, buf), "a:1");
}

Test(http, port_must_be_1_to_65535)
{
    assert_refused("h");
    assert_refused("h:");
    assert_refused("h:0");
    assert_refused("h:00000");
    assert_refused("h:65536");
    assert_refused("h:99999");
    assert_refused("h:100000");
    assert_refused("h:000080");
    assert_refused("h:4294967376");
    assert_refused("h:+80");
    assert_refused("h:80x");
    assert_refused("h:http");
    assert_refused("[::1]");
    assert_refused("[::1]:");
    assert_refused("[::1]:0");
    assert_refused("[::1]80");
}

Test(http, authority_must_be_a_host_and_a_port)
{
    assert_refused(":80");
    assert_refused("[]:80");
    assert_refused("[::1:80");
    assert_refused("[192.0.2.1]:80");
    assert_refused("[name]:80");
    assert_refused("::1:80");
    assert_refused("2001:db8::1:80");
    assert_refused("[fe80::1%25eth0]:80");
    assert_refused("user@h:80");
    assert_refused("http://h:80/");
    assert_refused("h/x:80");
    assert_refused("h?:80");
    assert_refused("h#:80");
    assert_refused("*");
}

Test(http, name_over_255_bytes_is_malformed)
{
    char authority[300];

    memset(authority, 'n', sizeof(authority));
    memcpy(authority + 255, ":80", 4);
    assert_goes_to(authority, authority);
    memcpy(authority + 255, "n:80", 5);
    assert_refused(authority);
}

Test(http, other_methods_are_bad_commands)
{
    cr_assert_eq(err_of(LINE("GET http://example.org/ HTTP/1.1")),
                 ERR_BAD_COMMAND);
    cr_assert_eq(err_of(LINE("GET / HTTP/1.0")), ERR_BAD_COMMAND);
    cr_assert_eq(err_of(LINE("POST http://h/ HTTP/1.1")), ERR_BAD_COMMAND);
    cr_assert_eq(err_of(LINE("OPTIONS * HTTP/1.1")), ERR_BAD_COMMAND);
    cr_assert_eq(err_of(LINE("PRI * HTTP/2.0")), ERR_BAD_COMMAND);
    cr_assert_eq(err_of(LINE("Connect h:1 HTTP/1.1")), ERR_BAD_COMMAND);
    cr_assert_eq(err_of(LINE("CONNECTS h:1 HTTP/1.1")), ERR_BAD_COMMAND);
}

Test(http, connect_of_another_major_version_is_malformed)
{
    cr_assert_eq(err_of(LINE("CONNECT h:1 HTTP/2.0")), ERR_MALFORMED);
    cr_assert_eq(err_of(LINE("CONNECT h:1 HTTP/0.9")), ERR_MALFORMED);
}

Test(http, line_that_is_no_request_line_is_bad_at_its_end)
{
    static const char *const lines[] = {
        "HELLO\r\n",
        "\r\n",
        "\n",
        "CONNECT h:1\r\n",
        "CONNECT  h:1 HTTP/1.1\r\n",
        "CONNECT h:1  HTTP/1.1\r\n",
        "CONNECT h:1 HTTP/1.1 \r\n",
        "CONNECT h:1 http/1.1\r\n",
        "CONNECT h:1 HTTP/1\r\n",
        "CONNECT h:1 HTTP/1.10\r\n",
        "CONNECT\th:1 HTTP/1.1\r\n",
        "CONNECT h\r:1 HTTP/1.1\r\n",
        "CONNECT h:1 HTTP/1.1\r\r\n",
        "CONN(ECT h:1 HTTP/1.1\r\n",
        " CONNECT h:1 HTTP/1.1\r\n",
        "CONNECT \x7f HTTP/1.1\r\n",
    };

    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        size_t len = strlen(lines[i]);
        size_t used;

        cr_assert_eq(probe_request(lines[i], len - 1, &used), WIRE_MORE);
        cr_assert_eq(status_of(lines[i]), WIRE_BAD, "%s", lines[i]);
    }
}

Test(http, folded_line_is_malformed)
{
    cr_assert_eq(err_of(FIELD("A: b\r\n c")), ERR_MALFORMED);
    cr_assert_eq(err_of(FIELD("A: b\r\n\tc: d")), ERR_MALFORMED);
    cr_assert_eq(err_of(FIELD(" A: b")), ERR_MALFORMED);
}

Test(http, space_before_the_colon_is_malformed)
{
    cr_assert_eq(err_of(FIELD("Host : x")), ERR_MALFORMED);
    cr_assert_eq(err_of(FIELD("Host\t: x")), ERR_MALFORMED);
}

Test(http, field_without_a_name_or_colon_is_malformed)
{
    cr_assert_eq(err_of(FIELD("Host")), ERR_MALFORMED);
    cr_assert_eq(err_of(FIELD(": x")), ERR_MALFORMED);
    cr_assert_eq(err_of(FIELD("Ho(st: x")), ERR_MALFORMED);
}

Test(http, carriage_return_inside_a_field_is_malformed)
{
    cr_assert_eq(err_of(FIELD("A: b\rC: d")), ERR_MALFORMED);
    cr_assert_eq(err_of(FIELD("A: b\r")), ERR_MALFORMED);
}

Test(http, field_may_be_empty_or_hold_any_text)
{
    cr_assert_eq(err_of(FIELD("A:")), ERR_OK);
    cr_assert_eq(err_of(FIELD("A: \t ")), ERR_OK);
    cr_assert_eq(err_of(FIELD("A: b : \xff; \"c\"")), ERR_OK);
}

Test(http, bad_command_is_told_before_a_malformed_field)
{
    cr_assert_eq(err_of("GET / HTTP/1.1\r\nA : b\r\n\r\n"), ERR_BAD_COMMAND);
}

Test(http, nul_in_the_head_is_bad)
{
    static const char text[] = "CONNECT h:1 HTTP/1.1\r\nA: \0b\r\n\r\n";
    size_t used;

    for (size_t n = 0; n < sizeof(text); n++)
        cr_assert_eq(probe_request(text, n, &used),
                     n <= 25 ? WIRE_MORE : WIRE_BAD, "%zu", n);
}

Test(http, nul_behind_the_head_is_the_tunnels)
{
    static const char text[] = "CONNECT h:1 HTTP/1.1\r\n\r\n\0\0";
    size_t used;

    cr_assert_eq(probe_request(text, sizeof(text), &used), WIRE_DONE);
    cr_assert_eq(used, 24);
}

Test(http, head_at_the_limit_is_taken)
{
    static char head[HTTP_HEAD_MAX + 1];
    size_t used = 0;

    long_head(head, HTTP_HEAD_MAX);
    cr_assert_eq(probe_request(head, HTTP_HEAD_MAX - 1, &used), WIRE_MORE);
    cr_assert_eq(probe_request(head, HTTP_HEAD_MAX, &used), WIRE_DONE);
    cr_assert_eq(used, HTTP_HEAD_MAX);
    cr_assert_eq(probe_request(head, HTTP_HEAD_MAX + 1, &used), WIRE_DONE);
    cr_assert_eq(used, HTTP_HEAD_MAX);
}

Test(http, head_over_the_limit_is_bad)
{
    static char head[HTTP_HEAD_MAX + 1];
    size_t used;

    long_head(head, HTTP_HEAD_MAX + 1);
    cr_assert_eq(probe_request(head, HTTP_HEAD_MAX - 1, &used), WIRE_MORE);
    cr_assert_eq(probe_request(head, HTTP_HEAD_MAX, &used), WIRE_BAD);
    cr_assert_eq(probe_request(head, HTTP_HEAD_MAX + 1, &used), WIRE_BAD);
}

Test(http, split_after_every_byte)
{
    static const char *const heads[] = {
        "CONNECT h:1 HTTP/1.1\r\n\r\n",
        "CONNECT h:1 HTTP/1.1\n\n",
        LINE("CONNECT [::1]:443 HTTP/1.1"),
        LINE("GET http://example.org/ HTTP/1.1"),
        FIELD("Proxy-Authorization: Basic dXNlcjpwYXNz"),
        FIELD("A : b"),
        FIELD("User-Agent: curl/8\r\nProxy-Connection: Keep-Alive"),
    };
    const struct split_parser parser = {probe_request};

    for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++)
        split_check(parser, heads[i], strlen(heads[i]));
}

Test(http, early_bytes_stay_behind_the_head)
{
    static const char text[] =
        "CONNECT h:1 HTTP/1.1\r\n\r\nCONNECT i:2 HTTP/1.1\r\n\r\n";
    struct http_request out;
    size_t used;

    cr_assert_eq(http_parse_request(text, sizeof(text) - 1, &out, &used),
                 WIRE_DONE);
    cr_assert_str_eq(text + used, "CONNECT i:2 HTTP/1.1\r\n\r\n");
    cr_assert_str_eq(out.target.name, "h");
}

Test(http, failed_parse_leaves_its_output_alone)
{
    struct http_request out;
    struct http_request before;
    size_t used = 77;

    memset(&out, 0xa5, sizeof(out));
    before = out;
    cr_assert_eq(http_parse_request("CONNECT h:1 ", 12, &out, &used),
                 WIRE_MORE);
    cr_assert_eq(http_parse_request("HELLO\r\n", 7, &out, &used), WIRE_BAD);
    cr_assert_eq(memcmp(&out, &before, sizeof(out)), 0);
    cr_assert_eq(used, 77);
}

Test(http, basic_credentials_are_read)
{
    struct http_request out =
        request_of(FIELD("Proxy-Authorization: Basic dXNlcjpwYXNz"));

    cr_assert(out.has_credentials);
    cr_assert_eq(out.credentials.user_len, 4);
    cr_assert_arr_eq(out.credentials.user, "user", 4);
    cr_assert_eq(out.credentials.password_len, 4);
    cr_assert_arr_eq(out.credentials.password, "pass", 4);
}

Test(http, field_name_and_scheme_are_read_in_any_case)
{
    cr_assert(request_of(FIELD("PROXY-authorization:bAsIc  dXNlcjpwYXNz \t"))
                  .has_credentials);
}

Test(http, credentials_that_cannot_be_decoded_are_none)
{
    static const char *const heads[] = {
        FIELD("Proxy-Authorization: Basic dXNlcjpwYXN"),
        FIELD("Proxy-Authorization: Basic dXNlcjpwYXNz=AAA"),
        FIELD("Proxy-Authorization: Basic dXNl cjpwYXNz"),
        FIELD("Proxy-Authorization: Basic"),
        FIELD("Proxy-Authorization: Basic "),
        FIELD("Proxy-Authorization:"),
        FIELD("Proxy-Authorization: Bearer dXNlcjpwYXNz"),
        FIELD("Proxy-Authorization: Basicx dXNlcjpwYXNz"),
        FIELD("Authorization: Basic dXNlcjpwYXNz"),
    };

    for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
        struct http_request out = request_of(heads[i]);

        cr_assert_eq(out.err, ERR_OK);
        cr_assert_not(out.has_credentials, "%s", heads[i]);
    }
}

Test(http, two_credentials_are_none_and_leave_nothing_behind)
{
    static const struct wire_credentials none;
    struct http_request out =
        request_of(FIELD("Proxy-Authorization: Basic dXNlcjpwYXNz\r\n"
                         "Proxy-Authorization: Basic dXNlcjpwYXNz"));

    cr_assert_not(out.has_credentials);
    cr_assert_eq(memcmp(&out.credentials, &none, sizeof(none)), 0);
}

Test(http, empty_input_asks_for_more)
{
    size_t used;

    cr_assert_eq(probe_request("", 0, &used), WIRE_MORE);
}
