#include "transport/wire/socks4.h"

#include <criterion/criterion.h>
#include <string.h>

#include "tests/unit/split.h"

/* A message as a string literal, without its NUL. */
#define BYTES(text) (text), sizeof(text) - 1

static enum wire_status
probe_request(const void *bytes, size_t len, size_t *used)
{
    struct socks4_request out;

    return socks4_parse_request(bytes, len, &out, used);
}

static enum wire_status
probe_reply(const void *bytes, size_t len, size_t *used)
{
    uint8_t code;
    union addr bound;

    return socks4_parse_reply(bytes, len, &code, &bound, used);
}

static const struct split_parser request_parser = {probe_request};
static const struct split_parser reply_parser = {probe_reply};

/* Parses a request that must be whole. */
static struct socks4_request
request_of(const void *bytes, size_t len)
{
    struct socks4_request out;
    size_t used = 0;

    cr_assert_eq(socks4_parse_request(bytes, len, &out, &used), WIRE_DONE);
    cr_assert_eq(used, len);
    return out;
}

static void
assert_target(const struct target *target, const char *text)
{
    char buf[TARGET_TEXT_MAX];

    cr_assert_str_eq(target_format(target, buf), text);
}

/* Writes a 4a request, the user id and name being runs of a letter; a name of
 * 0 bytes stands for none, as plain SOCKS4. */
static size_t
long_request(uint8_t *out, size_t user_len, size_t name_len)
{
    size_t len = 8;

    memcpy(out,
           name_len ? "\x04\x01\x00\x50\0\0\0\x01" : "\x04\x01\0\x50\1\2\3\4",
           8);
    memset(out + len, 'u', user_len);
    len += user_len;
    out[len++] = 0;
    if (name_len == 0)
        return len;
    memset(out + len, 'n', name_len);
    len += name_len;
    out[len++] = 0;
    return len;
}

Test(socks4, s4_1_connect_request)
{
    struct socks4_request out =
        request_of(BYTES("\x04\x01\x01\xbb\xc0\x00\x02\x01"
                         "fred\0"));

    cr_assert_eq(out.command, SOCKS4_CONNECT);
    cr_assert_not(out.is_4a);
    cr_assert_eq(out.err, ERR_OK);
    cr_assert_eq(out.user_len, 4);
    cr_assert_arr_eq(out.user, "fred", 4);
    assert_target(&out.target, "192.0.2.1:443");
}

Test(socks4, s4_1_user_id_may_be_empty)
{
    struct socks4_request out =
        request_of(BYTES("\x04\x01\x00\x50\x7f\x00\x00\x01\0"));

    cr_assert_eq(out.user_len, 0);
    assert_target(&out.target, "127.0.0.1:80");
}

Test(socks4, s4_1_any_command_is_let_through)
{
    for (unsigned command = 0; command < 256; command++) {
        uint8_t bytes[] = {4, (uint8_t)command, 0, 80, 127, 0, 0, 1, 0};

        cr_assert_eq(request_of(bytes, sizeof(bytes)).command, command);
    }
}

Test(socks4, s4_1_another_version_is_bad_at_its_first_byte)
{
    size_t used;

    for (unsigned version = 0; version < 256; version++) {
        uint8_t first = (uint8_t)version;

        cr_assert_eq(probe_request(&first, 1, &used),
                     version == 4 ? WIRE_MORE : WIRE_BAD);
    }
}

Test(socks4, s4_1_reply_has_version_0)
{
    uint8_t out[SOCKS4_REPLY_BYTES];

    cr_assert_eq(socks4_write_reply(out, SOCKS4_GRANTED, NULL), 8);
    cr_assert_arr_eq(out, "\x00\x5a\0\0\0\0\0\0", 8);
    cr_assert_eq(socks4_write_reply(out, SOCKS4_REJECTED, NULL), 8);
    cr_assert_arr_eq(out, "\x00\x5b\0\0\0\0\0\0", 8);
}

Test(socks4, s4_1_reply_carries_port_and_address)
{
    uint8_t out[SOCKS4_REPLY_BYTES];
    union addr bound;

    addr_parse(&bound, "192.0.2.7", 9, 0x1234);
    socks4_write_reply(out, SOCKS4_GRANTED, &bound);
    cr_assert_arr_eq(out, "\x00\x5a\x12\x34\xc0\x00\x02\x07", 8);
}

Test(socks4, s4_1_reply_has_no_form_for_ipv6)
{
    uint8_t out[SOCKS4_REPLY_BYTES];
    union addr bound;

    addr_parse(&bound, "2001:db8::7", 11, 0x1234);
    socks4_write_reply(out, SOCKS4_GRANTED, &bound);
    cr_assert_arr_eq(out, "\x00\x5a\0\0\0\0\0\0", 8);
}

Test(socks4, s4_2_name_follows_userid)
{
    struct socks4_request out =
        request_of(BYTES("\x04\x01\x00\x50\x00\x00\x00\x01"
                         "me\0"
                         "example.org\0"));

    cr_assert(out.is_4a);
    cr_assert_eq(out.err, ERR_OK);
    cr_assert_arr_eq(out.user, "me", 2);
    cr_assert_eq(out.target.kind, TARGET_NAME);
    assert_target(&out.target, "example.org:80");
}

Test(socks4, s4_2_every_0_0_0_x_announces_a_name)
{
    for (unsigned x = 1; x < 256; x++) {
        uint8_t bytes[] = {4, 1, 0, 80, 0, 0, 0, (uint8_t)x, 0, 'h', 0};
        struct socks4_request out = request_of(bytes, sizeof(bytes));

        cr_assert(out.is_4a);
        assert_target(&out.target, "h:80");
    }
}

Test(socks4, s4_2_name_follows_in_bind_too)
{
    struct socks4_request out =
        request_of(BYTES("\x04\x02\x00\x50\x00\x00\x00\x01\0h\0"));

    cr_assert_eq(out.command, SOCKS4_BIND);
    assert_target(&out.target, "h:80");
}

Test(socks4, s4_2_0_0_0_0_is_an_address)
{
    struct socks4_request out =
        request_of(BYTES("\x04\x01\x00\x50\x00\x00\x00\x00\0"));

    cr_assert_not(out.is_4a);
    assert_target(&out.target, "0.0.0.0:80");
}

Test(socks4, s4_2_0_0_1_1_is_an_address)
{
    struct socks4_request out =
        request_of(BYTES("\x04\x01\x00\x50\x00\x00\x01\x01\0"));

    cr_assert_not(out.is_4a);
    assert_target(&out.target, "0.0.1.1:80");
}

Test(socks4, s4_2_empty_name_is_malformed)
{
    struct socks4_request out =
        request_of(BYTES("\x04\x01\x00\x50\x00\x00\x00\x01me\0\0"));

    cr_assert(out.is_4a);
    cr_assert_eq(out.err, ERR_MALFORMED);
}

Test(socks4, s4_2_name_with_a_space_is_malformed)
{
    cr_assert_eq(
        request_of(BYTES("\x04\x01\x00\x50\x00\x00\x00\x01\0a b\0")).err,
        ERR_MALFORMED);
}

Test(socks4, s4_2_ipv4_literal_as_a_name_is_an_address)
{
    struct socks4_request out =
        request_of(BYTES("\x04\x01\x00\x50\x00\x00\x00\x01\0"
                         "192.0.2.1\0"));

    cr_assert_eq(out.target.kind, TARGET_ADDR);
    assert_target(&out.target, "192.0.2.1:80");
}

Test(socks4, s4_3_user_id_at_the_limit_is_taken_and_cut_to_255)
{
    uint8_t bytes[SOCKS4_REQUEST_MAX];
    size_t len = long_request(bytes, SOCKS4_USER_MAX, 0);
    struct socks4_request out = request_of(bytes, len);

    cr_assert_eq(out.user_len, 255);
    for (size_t i = 0; i < 255; i++)
        cr_assert_eq(out.user[i], 'u');
    split_check(request_parser, bytes, len);
}

Test(socks4, s4_3_user_id_over_the_limit_is_bad_without_its_end)
{
    uint8_t bytes[8 + SOCKS4_USER_MAX + 1];
    size_t used;

    memset(bytes, 'u', sizeof(bytes));
    memcpy(bytes, "\x04\x01\x00\x50\x01\x02\x03\x04", 8);
    cr_assert_eq(probe_request(bytes, sizeof(bytes) - 1, &used), WIRE_MORE);
    cr_assert_eq(probe_request(bytes, sizeof(bytes), &used), WIRE_BAD);
}

Test(socks4, s4_3_user_id_of_64_kilobytes_is_bad)
{
    static uint8_t bytes[65536];
    size_t used;

    memset(bytes, 'u', sizeof(bytes) - 1);
    memcpy(bytes, "\x04\x01\x00\x50\x01\x02\x03\x04", 8);
    cr_assert_eq(probe_request(bytes, sizeof(bytes), &used), WIRE_BAD);
}

Test(socks4, s4_3_name_of_255_bytes_is_taken_whole)
{
    uint8_t bytes[SOCKS4_REQUEST_MAX];
    size_t len = long_request(bytes, SOCKS4_USER_MAX, 255);
    struct socks4_request out = request_of(bytes, len);

    cr_assert_eq(len, SOCKS4_REQUEST_MAX);
    cr_assert_eq(strlen(out.target.name), 255);
    split_check(request_parser, bytes, len);
}

Test(socks4, s4_3_name_of_256_bytes_is_bad_without_its_end)
{
    uint8_t bytes[SOCKS4_REQUEST_MAX + 8];
    size_t len = long_request(bytes, 3, 256);
    size_t used;

    cr_assert_eq(probe_request(bytes, len - 2, &used), WIRE_MORE);
    cr_assert_eq(probe_request(bytes, len - 1, &used), WIRE_BAD);
    cr_assert_eq(probe_request(bytes, len, &used), WIRE_BAD);
}

Test(socks4, s4_7_split_after_every_byte)
{
    split_check(request_parser, BYTES("\x04\x01\x00\x50\x7f\x00\x00\x01\0"));
    split_check(request_parser, BYTES("\x04\x01\x00\x50\x7f\x00\x00\x01"
                                      "fred\0"));
    split_check(request_parser, BYTES("\x04\x01\x00\x50\x00\x00\x00\x01"
                                      "fred\0host\0"));
    split_check(request_parser, BYTES("\x04\x01\x00\x50\x00\x00\x00\x01\0\0"));
    split_check(reply_parser, BYTES("\x00\x5a\x00\x50\x7f\x00\x00\x01"));
}

Test(socks4, s4_7_early_bytes_stay_behind_the_request)
{
    static const char all[] = "\x04\x01\x00\x50\x00\x00\x00\x01me\0host\0early";
    struct socks4_request out;
    size_t used;

    cr_assert_eq(socks4_parse_request(BYTES(all), &out, &used), WIRE_DONE);
    cr_assert_str_eq(all + used, "early");
}

Test(socks4, s4_7_ipv6_goes_as_a_4a_literal)
{
    static const char *const bytes[] = {
        "\x04\x01\x00\x50\x00\x00\x00\x01\0"
        "2001:db8::1\0",
        "\x04\x01\x00\x50\x00\x00\x00\x01\0"
        "[2001:db8::1]\0",
    };

    for (size_t i = 0; i < 2; i++) {
        struct socks4_request out =
            request_of(bytes[i], 9 + strlen(bytes[i] + 9) + 1);

        cr_assert_eq(out.target.kind, TARGET_ADDR);
        assert_target(&out.target, "[2001:db8::1]:80");
    }
}

Test(socks4, connect_to_port_0_is_malformed)
{
    cr_assert_eq(request_of(BYTES("\x04\x01\0\0\x7f\0\0\x01\0")).err,
                 ERR_MALFORMED);
    cr_assert_eq(request_of(BYTES("\x04\x01\0\0\0\0\0\x01\0h\0")).err,
                 ERR_MALFORMED);
}

Test(socks4, bind_to_port_0_is_allowed)
{
    cr_assert_eq(request_of(BYTES("\x04\x02\0\0\x7f\0\0\x01\0")).err, ERR_OK);
}

Test(socks4, failed_parse_leaves_its_output_alone)
{
    struct socks4_request out;
    struct socks4_request before;
    size_t used = 77;

    memset(&out, 0xa5, sizeof(out));
    before = out;
    cr_assert_eq(
        socks4_parse_request(BYTES("\x04\x01\0\x50\0\0\0\1u\0h"), &out, &used),
        WIRE_MORE);
    cr_assert_eq(socks4_parse_request(BYTES("\x05\x01\x00"), &out, &used),
                 WIRE_BAD);
    cr_assert_eq(memcmp(&out, &before, sizeof(out)), 0);
    cr_assert_eq(used, 77);
}

Test(socks4, request_that_is_written_is_read_back)
{
    static const struct {
        const char *host;
        bool is_4a;
    } rows[] = {
        {"192.0.2.1", false}, {"example.org", true}, {"2001:db8::1", true},
        {"0.0.0.0", false},   {"0.0.0.5", true},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint8_t bytes[SOCKS4_REQUEST_MAX];
        char text[TARGET_TEXT_MAX];
        struct target target;
        struct socks4_request out;
        size_t len;

        cr_assert_eq(target_set_host(&target, rows[i].host,
                                     strlen(rows[i].host), 0x8001),
                     ERR_OK);
        len = socks4_write_request(bytes, SOCKS4_CONNECT, &target, "me");
        split_check(request_parser, bytes, len);
        out = request_of(bytes, len);
        cr_assert_eq(out.is_4a, rows[i].is_4a);
        cr_assert_eq(out.user_len, 2);
        cr_assert_arr_eq(out.user, "me", 2);
        assert_target(&out.target, target_format(&target, text));
    }
}

Test(socks4, longest_request_fits)
{
    static char user[SOCKS4_USER_MAX + 100];
    uint8_t bytes[SOCKS4_REQUEST_MAX];
    struct target target;
    char name[TARGET_NAME_MAX];

    memset(user, 'u', sizeof(user) - 1);
    memset(name, 'n', sizeof(name));
    target_set_host(&target, name, sizeof(name), 80);
    cr_assert_eq(socks4_write_request(bytes, SOCKS4_CONNECT, &target, user),
                 SOCKS4_REQUEST_MAX);
    cr_assert_eq(request_of(bytes, SOCKS4_REQUEST_MAX).err, ERR_OK);
}

Test(socks4, request_without_a_user_has_an_empty_one)
{
    uint8_t bytes[SOCKS4_REQUEST_MAX];
    struct target target;

    target_set_host(&target, "192.0.2.1", 9, 80);
    cr_assert_eq(socks4_write_request(bytes, SOCKS4_BIND, &target, NULL), 9);
    cr_assert_arr_eq(bytes, "\x04\x02\x00\x50\xc0\x00\x02\x01\0", 9);
}

Test(socks4, request_for_a_path_has_no_form)
{
    uint8_t bytes[SOCKS4_REQUEST_MAX];
    struct target target;

    target_set_unix(&target, "/run/x.sock");
    cr_assert_eq(socks4_write_request(bytes, SOCKS4_CONNECT, &target, NULL), 0);
}

Test(socks4, reply_that_is_written_is_read_back)
{
    uint8_t bytes[SOCKS4_REPLY_BYTES];
    union addr in;
    union addr out;
    uint8_t code = 0;
    size_t used = 0;

    addr_parse(&in, "192.0.2.7", 9, 4711);
    socks4_write_reply(bytes, SOCKS4_GRANTED, &in);
    cr_assert_eq(socks4_parse_reply(bytes, 8, &code, &out, &used), WIRE_DONE);
    cr_assert_eq(used, 8);
    cr_assert_eq(code, SOCKS4_GRANTED);
    cr_assert(addr_same_host(&in, &out));
    cr_assert_eq(addr_port(&out), 4711);
}

Test(socks4, reply_of_version_0_or_4_is_understood)
{
    size_t used;

    for (unsigned version = 0; version < 256; version++) {
        uint8_t bytes[] = {(uint8_t)version, 0x5a, 0, 0, 0, 0, 0, 0};

        cr_assert_eq(probe_reply(bytes, sizeof(bytes), &used),
                     version == 0 || version == 4 ? WIRE_DONE : WIRE_BAD);
    }
}

Test(socks4, empty_input_asks_for_more)
{
    size_t used;

    cr_assert_eq(probe_request("", 0, &used), WIRE_MORE);
    cr_assert_eq(probe_reply("", 0, &used), WIRE_MORE);
}

Test(socks4, table_6_has_a_code_for_every_error_and_one_is_success)
{
    for (int e = 0; e < ERR_COUNT_ + 3; e++) {
        enum socks4_code want = SOCKS4_REJECTED;

        if (e == ERR_OK)
            want = SOCKS4_GRANTED;
        else if (e == ERR_AUTH_FAILED)
            want = SOCKS4_USER_MISMATCH;
        cr_assert_eq(socks4_code_from_err((enum err)e), want, "%d", e);
    }
}

Test(socks4, table_6_back)
{
    for (unsigned code = 0; code < 256; code++) {
        enum err want = ERR_REMOTE_FAILED;

        if (code == SOCKS4_GRANTED)
            want = ERR_OK;
        else if (code == SOCKS4_NO_IDENTD || code == SOCKS4_USER_MISMATCH)
            want = ERR_AUTH_FAILED;
        cr_assert_eq(socks4_err_from_code((uint8_t)code), want, "%u", code);
    }
}
