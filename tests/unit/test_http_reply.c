#include "transport/wire/http.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/split.h"

static enum wire_status
probe_reply(const void *bytes, size_t len, size_t *used)
{
    int status;

    return http_parse_reply(bytes, len, &status, used);
}

static enum wire_status
probe_request(const void *bytes, size_t len, size_t *used)
{
    struct http_request out;

    return http_parse_request(bytes, len, &out, used);
}

static const struct split_parser reply_parser = {probe_reply};
static const struct split_parser request_parser = {probe_request};

/* Returns the status of a reply that must be whole. */
static int
status_of(const char *text)
{
    int status = 0;
    size_t used = 0;

    cr_assert_eq(http_parse_reply(text, strlen(text), &status, &used),
                 WIRE_DONE, "%s", text);
    return status;
}

/* Asserts the form that all failures have. */
static void
assert_failure(const char *reply, size_t len, int status)
{
    char line[32];
    const char *body = strstr(reply, "\r\n\r\n");
    const char *length = strstr(reply, "\r\nContent-Length: ");

    cr_assert_eq(strlen(reply), len);
    cr_assert_lt(len, HTTP_REPLY_MAX);
    snprintf(line, sizeof(line), "HTTP/1.1 %d ", status);
    cr_assert_eq(strncmp(reply, line, strlen(line)), 0, "%s", reply);
    cr_assert_not_null(strstr(reply, "\r\nConnection: close\r\n"));
    cr_assert_not_null(strstr(reply, "\r\nContent-Type: text/plain\r\n"));
    cr_assert_not_null(body);
    cr_assert_not_null(length);
    cr_assert_lt(length, body);
    body += 4;
    cr_assert_eq(strtoul(length + 18, NULL, 10), strlen(body));
    cr_assert_gt(strlen(body), 1);
    cr_assert_eq(strchr(body, '\n'), body + strlen(body) - 1);
}

Test(http, success_is_200_without_a_length)
{
    char out[HTTP_REPLY_MAX];
    size_t len = http_write_reply(out, ERR_OK);

    cr_assert_str_eq(out, "HTTP/1.1 200 Connection established\r\n\r\n");
    cr_assert_eq(len, strlen(out));
}

Test(http, every_failure_closes_with_a_line_of_text)
{
    for (int e = 0; e < ERR_COUNT_; e++) {
        char out[HTTP_REPLY_MAX];
        size_t len = http_write_reply(out, (enum err)e);

        if (e != ERR_OK)
            assert_failure(out, len, http_status_from_err((enum err)e));
    }
}

Test(http, failure_says_what_failed)
{
    char out[HTTP_REPLY_MAX];

    http_write_reply(out, ERR_REFUSED);
    cr_assert_not_null(strstr(out, "HTTP/1.1 502 Bad Gateway\r\n"));
    cr_assert_not_null(strstr(out, "\r\n\r\nconnection refused\n"));
}

Test(http, 407_and_no_other_asks_for_basic_credentials)
{
    for (int e = 0; e < ERR_COUNT_; e++) {
        char out[HTTP_REPLY_MAX];
        bool asks;

        http_write_reply(out, (enum err)e);
        asks =
            strstr(out, "\r\nProxy-Authenticate: Basic realm=\"culvert\"\r\n");
        cr_assert_eq(asks, e == ERR_NO_METHOD || e == ERR_AUTH_FAILED);
    }
}

Test(http, every_status_that_is_written_has_a_reason)
{
    for (int e = 0; e < ERR_COUNT_; e++) {
        char out[HTTP_REPLY_MAX];

        http_write_reply(out, (enum err)e);
        cr_assert_null(strstr(out, " Error\r\n"), "%d", e);
    }
}

Test(http, not_proxy_is_501_and_names_what_is_spoken)
{
    char out[HTTP_REPLY_MAX];

    assert_failure(out, http_write_not_proxy(out), 501);
    cr_assert_not_null(strstr(out, "SOCKS4"));
    cr_assert_not_null(strstr(out, "SOCKS4a"));
    cr_assert_not_null(strstr(out, "SOCKS5"));
    cr_assert_not_null(strstr(out, "HTTP CONNECT"));
}

Test(http, replies_that_are_written_are_read_back)
{
    for (int e = 0; e < ERR_COUNT_; e++) {
        char out[HTTP_REPLY_MAX];

        http_write_reply(out, (enum err)e);
        split_check(reply_parser, out,
                    (size_t)(strstr(out, "\r\n\r\n") + 4 - out));
        cr_assert_eq(status_of(out), http_status_from_err((enum err)e));
    }
}

Test(http, reply_of_version_1_0_and_without_a_reason_is_understood)
{
    cr_assert_eq(status_of("HTTP/1.0 200 OK\r\n\r\n"), 200);
    cr_assert_eq(status_of("HTTP/1.1 200\r\n\r\n"), 200);
    cr_assert_eq(status_of("HTTP/1.1 200 \r\n\r\n"), 200);
    cr_assert_eq(status_of("HTTP/1.1 407 x\nA: b\n c\n\n"), 407);
}

Test(http, what_is_no_reply_is_bad_at_its_first_lines_end)
{
    static const char *const lines[] = {
        "HTTP/2.0 200 OK\r\n",  "HTTP/1.1 20 OK\r\n",   "HTTP/1.1 2000 OK\r\n",
        "HTTP/1.1  200 OK\r\n", "HTTP/1.1 099 No\r\n",  "HTTP/1.1 2x0 OK\r\n",
        "HTTP/1.1\r\n",         "ICY 200 OK\r\n",       "\r\n",
        "HTTP/1.1 200OK\r\n",   "SSH-2.0-OpenSSH_9\r\n"};

    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        size_t used;

        cr_assert_eq(probe_reply(lines[i], strlen(lines[i]), &used), WIRE_BAD,
                     "%s", lines[i]);
    }
}

Test(http, reply_head_over_the_limit_is_bad)
{
    static char head[HTTP_HEAD_MAX];
    size_t used;

    memset(head, 'x', sizeof(head));
    memcpy(head, "HTTP/1.1 200 OK\r\nX: ", 20);
    cr_assert_eq(probe_reply(head, sizeof(head) - 1, &used), WIRE_MORE);
    cr_assert_eq(probe_reply(head, sizeof(head), &used), WIRE_BAD);
}

Test(http, request_that_is_written_is_read_back)
{
    static const char *const hosts[] = {"192.0.2.1", "2001:db8::1",
                                        "example.org"};
    static const struct wire_credentials in = {4, 3, "user", "a:\0"};

    for (size_t i = 0; i < 2 * sizeof(hosts) / sizeof(hosts[0]); i++) {
        const char *host = hosts[i / 2];
        char bytes[HTTP_REQUEST_MAX];
        char want[TARGET_TEXT_MAX];
        char got[TARGET_TEXT_MAX];
        struct target target;
        struct http_request out;
        size_t used = 0;
        size_t len;

        target_set_host(&target, host, strlen(host), 8443);
        len = http_write_request(bytes, &target, i % 2 ? &in : NULL);
        split_check(request_parser, bytes, len);
        cr_assert_eq(http_parse_request(bytes, len, &out, &used), WIRE_DONE);
        cr_assert_eq(out.err, ERR_OK);
        cr_assert_str_eq(target_format(&out.target, got),
                         target_format(&target, want));
        cr_assert_eq(out.has_credentials, i % 2 == 1);
        if (i % 2 == 0)
            continue;
        cr_assert_eq(out.credentials.user_len, 4);
        cr_assert_arr_eq(out.credentials.user, "user", 4);
        cr_assert_eq(out.credentials.password_len, 3);
        cr_assert_arr_eq(out.credentials.password, "a:\0", 3);
    }
}

Test(http, request_as_written)
{
    static const struct wire_credentials in = {4, 4, "user", "pass"};
    char bytes[HTTP_REQUEST_MAX];
    struct target target;

    target_set_host(&target, "::1", 3, 80);
    http_write_request(bytes, &target, &in);
    cr_assert_str_eq(bytes, "CONNECT [::1]:80 HTTP/1.1\r\n"
                            "Host: [::1]:80\r\n"
                            "Proxy-Authorization: Basic dXNlcjpwYXNz\r\n\r\n");
}

Test(http, longest_request_fits)
{
    struct wire_credentials in;
    char bytes[HTTP_REQUEST_MAX];
    char name[TARGET_NAME_MAX];
    struct target target;
    struct http_request out;
    size_t used = 0;
    size_t len;

    memset(&in, 0xff, sizeof(in));
    memset(name, 'n', sizeof(name));
    target_set_host(&target, name, sizeof(name), 65535);
    len = http_write_request(bytes, &target, &in);
    cr_assert_lt(len, HTTP_REQUEST_MAX);
    cr_assert_eq(http_parse_request(bytes, len, &out, &used), WIRE_DONE);
    cr_assert_eq(used, len);
    cr_assert_eq(memcmp(&out.credentials, &in, sizeof(in)), 0);
}

Test(http, request_without_a_form_is_not_written)
{
    static const struct wire_credentials colon = {3, 1, "a:b", "c"};
    char bytes[HTTP_REQUEST_MAX];
    struct target target;

    target_set_host(&target, "h", 1, 80);
    cr_assert_eq(http_write_request(bytes, &target, &colon), 0);
    target_set_unix(&target, "/run/x.sock");
    cr_assert_eq(http_write_request(bytes, &target, NULL), 0);
}

Test(http, table_6_statuses)
{
    static const struct {
        enum err err;
        int status;
    } rows[] = {
        {ERR_OK, 200},
        {ERR_NO_METHOD, 407},
        {ERR_AUTH_FAILED, 407},
        {ERR_DENIED, 403},
        {ERR_LIMIT, 429},
        {ERR_NAME_NOT_FOUND, 502},
        {ERR_NAME_FAILED, 502},
        {ERR_NAME_TIMED_OUT, 504},
        {ERR_REFUSED, 502},
        {ERR_HOST_UNREACHABLE, 502},
        {ERR_NET_UNREACHABLE, 502},
        {ERR_TIMED_OUT, 504},
        {ERR_ADDR_NOT_AVAILABLE, 503},
        {ERR_NO_DESCRIPTORS, 503},
        {ERR_NO_MEMORY, 503},
        {ERR_TRANSPORT_DOWN, 503},
        {ERR_PROHIBITED, 403},
        {ERR_REMOTE_FAILED, 502},
        {ERR_UNKNOWN_CHANNEL, 502},
        {ERR_NO_RESOURCES, 503},
        {ERR_BAD_COMMAND, 501},
        {ERR_BAD_ADDRESS_TYPE, 400},
        {ERR_MALFORMED, 400},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        cr_assert_eq(http_status_from_err(rows[i].err), rows[i].status, "%s",
                     err_word(rows[i].err));
}

Test(http, table_6_has_a_status_for_every_error_and_none_is_success)
{
    for (int e = 0; e < ERR_COUNT_ + 3; e++) {
        int status = http_status_from_err((enum err)e);

        cr_assert_eq(status == 200, e == ERR_OK, "%d", e);
        cr_assert(status == 200 || (status >= 400 && status < 600));
    }
}

Test(http, table_6_back_and_forth_keeps_the_status)
{
    for (int e = 0; e < ERR_COUNT_; e++) {
        int status = http_status_from_err((enum err)e);

        cr_assert_eq(http_status_from_err(http_err_from_status(status)), status,
                     "%d", status);
    }
}

Test(http, any_2xx_is_success_and_nothing_else)
{
    for (int status = 0; status < 1000; status++)
        cr_assert_eq(http_err_from_status(status) == ERR_OK,
                     status >= 200 && status <= 299);
    cr_assert_eq(http_err_from_status(418), ERR_REMOTE_FAILED);
}
