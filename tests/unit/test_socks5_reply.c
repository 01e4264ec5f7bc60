#include "transport/wire/socks5.h"

#include <criterion/criterion.h>
#include <string.h>

#include "tests/unit/split.h"

/* A message as a string literal, without its NUL. */
#define BYTES(text) (text), sizeof(text) - 1

static enum wire_status
probe_reply(const void *bytes, size_t len, size_t *used)
{
    struct socks5_reply out;

    return socks5_parse_reply(bytes, len, &out, used);
}

static enum wire_status
probe_method(const void *bytes, size_t len, size_t *used)
{
    uint8_t method;

    return socks5_parse_method(bytes, len, &method, used);
}

static const struct split_parser method_parser = {probe_method};
static const struct split_parser reply_parser = {probe_reply};

static void
assert_target(const struct target *target, const char *text)
{
    char buf[TARGET_TEXT_MAX];

    cr_assert_str_eq(target_format(target, buf), text);
}

Test(socks5, s5_1_no_acceptable_method_is_answered_05_ff)
{
    uint8_t out[2];

    cr_assert_eq(socks5_write_method(out, SOCKS5_NO_METHOD), 2);
    cr_assert_arr_eq(out, "\x05\xff", 2);
}

Test(socks5, s5_1_chosen_method_is_answered)
{
    uint8_t out[2];

    cr_assert_eq(socks5_write_method(out, SOCKS5_PASSWORD), 2);
    cr_assert_arr_eq(out, "\x05\x02", 2);
}

Test(socks5, s5_5_refused_command_is_answered_07)
{
    cr_assert_eq(socks5_rep_from_err(ERR_BAD_COMMAND), 7);
}

Test(socks5, s5_7_every_reply_is_complete)
{
    for (unsigned rep = 0; rep < 256; rep++) {
        uint8_t out[SOCKS5_REPLY_MAX];

        cr_assert_eq(socks5_write_reply(out, (enum socks5_rep)rep, NULL), 10);
        cr_assert_eq(out[1], rep);
        cr_assert_arr_eq(out + 2, "\0\x01\0\0\0\0\0\0", 8);
    }
}

Test(socks5, s5_8_reply_carries_the_local_ipv4_address)
{
    uint8_t out[SOCKS5_REPLY_MAX];
    union addr bound;

    addr_parse(&bound, "192.0.2.7", 9, 0x1234);
    cr_assert_eq(socks5_write_reply(out, SOCKS5_SUCCEEDED, &bound), 10);
    cr_assert_arr_eq(out, "\x05\x00\x00\x01\xc0\x00\x02\x07\x12\x34", 10);
}

Test(socks5, s5_8_reply_carries_the_local_ipv6_address)
{
    uint8_t out[SOCKS5_REPLY_MAX];
    union addr bound;

    addr_parse(&bound, "2001:db8::7", 11, 0x1234);
    cr_assert_eq(socks5_write_reply(out, SOCKS5_SUCCEEDED, &bound), 22);
    cr_assert_arr_eq(out,
                     "\x05\x00\x00\x04\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0"
                     "\0\x07\x12\x34",
                     22);
}

Test(socks5, s5_8_no_bound_address_is_written_as_zeros)
{
    uint8_t out[SOCKS5_REPLY_MAX];
    union addr none;

    memset(&none, 0, sizeof(none));
    cr_assert_eq(socks5_write_reply(out, SOCKS5_SUCCEEDED, &none), 10);
    cr_assert_arr_eq(out, "\x05\x00\x00\x01\0\0\0\0\0\0", 10);
}

Test(socks5, s5_12_split_after_every_byte_on_the_clients_side)
{
    split_check(method_parser, BYTES("\x05\xff"));
    split_check(reply_parser, BYTES("\x05\x00\x00\x01\0\0\0\0\0\0"));
    split_check(reply_parser, BYTES("\x05\x00\x00\x04\0\0\0\0\0\0\0\0\0\0\0\0"
                                    "\0\0\0\x01\x00\x50"));
    split_check(reply_parser, BYTES("\x05\x00\x00\x03\x04gate\x00\x50"));
}

Test(socks5, reply_that_is_written_is_read_back)
{
    static const char *const hosts[] = {"192.0.2.1", "2001:db8::1"};

    for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++) {
        uint8_t bytes[SOCKS5_REPLY_MAX];
        union addr bound;
        struct socks5_reply out;
        size_t used = 0;
        size_t len;

        addr_parse(&bound, hosts[i], strlen(hosts[i]), 4711);
        len = socks5_write_reply(bytes, SOCKS5_REFUSED, &bound);
        split_check(reply_parser, bytes, len);
        cr_assert_eq(socks5_parse_reply(bytes, len, &out, &used), WIRE_DONE);
        cr_assert_eq(out.rep, SOCKS5_REFUSED);
        cr_assert(addr_same_host(&out.bound.addr, &bound));
        cr_assert_eq(out.bound.port, 4711);
    }
}

Test(socks5, reply_with_a_name_is_accepted)
{
    struct socks5_reply out;
    size_t used;

    cr_assert_eq(socks5_parse_reply(BYTES("\x05\x00\x00\x03\x04gate\x00\x50"),
                                    &out, &used),
                 WIRE_DONE);
    assert_target(&out.bound, "gate:80");
}

Test(socks5, reply_with_a_name_that_cannot_be_has_no_bound_address)
{
    struct socks5_reply out;
    size_t used;

    cr_assert_eq(
        socks5_parse_reply(BYTES("\x05\x00\x00\x03\x00\x00\x50"), &out, &used),
        WIRE_DONE);
    cr_assert_eq(used, 7);
    assert_target(&out.bound, "-");
}

Test(socks5, failure_reply_with_an_unknown_address_type_is_a_failure)
{
    struct socks5_reply out;
    size_t used;

    cr_assert_eq(socks5_parse_reply(BYTES("\x05\x05\x00\x00"), &out, &used),
                 WIRE_DONE);
    cr_assert_eq(out.rep, SOCKS5_REFUSED);
    assert_target(&out.bound, "-");
}

Test(socks5, success_reply_with_an_unknown_address_type_is_bad)
{
    size_t used;

    cr_assert_eq(probe_reply(BYTES("\x05\x00\x00\x00"), &used), WIRE_BAD);
}

Test(socks5, empty_answer_asks_for_more)
{
    size_t used;

    cr_assert_eq(probe_method("", 0, &used), WIRE_MORE);
    cr_assert_eq(probe_reply("", 0, &used), WIRE_MORE);
}

Test(socks5, answers_of_another_version_are_bad)
{
    size_t used;

    cr_assert_eq(probe_method(BYTES("\x04"), &used), WIRE_BAD);
    cr_assert_eq(probe_reply(BYTES("\x00"), &used), WIRE_BAD);
    cr_assert_eq(probe_reply(BYTES("HTTP/1.1 400 Bad"), &used), WIRE_BAD);
}

Test(socks5, table_6_codes)
{
    static const struct {
        enum err err;
        uint8_t rep;
    } rows[] = {
        {ERR_OK, 0},
        {ERR_DENIED, 2},
        {ERR_LIMIT, 2},
        {ERR_NAME_NOT_FOUND, 4},
        {ERR_NAME_FAILED, 4},
        {ERR_NAME_TIMED_OUT, 4},
        {ERR_REFUSED, 5},
        {ERR_HOST_UNREACHABLE, 4},
        {ERR_NET_UNREACHABLE, 3},
        {ERR_TIMED_OUT, 6},
        {ERR_ADDR_NOT_AVAILABLE, 1},
        {ERR_NO_DESCRIPTORS, 1},
        {ERR_NO_MEMORY, 1},
        {ERR_TRANSPORT_DOWN, 1},
        {ERR_PROHIBITED, 2},
        {ERR_REMOTE_FAILED, 4},
        {ERR_UNKNOWN_CHANNEL, 7},
        {ERR_NO_RESOURCES, 1},
        {ERR_BAD_COMMAND, 7},
        {ERR_BAD_ADDRESS_TYPE, 8},
        {ERR_MALFORMED, 1},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        cr_assert_eq(socks5_rep_from_err(rows[i].err), rows[i].rep, "%s",
                     err_word(rows[i].err));
}

Test(socks5, table_6_has_a_code_for_every_error_and_none_is_success)
{
    for (int e = 0; e < ERR_COUNT_ + 3; e++) {
        enum socks5_rep rep = socks5_rep_from_err((enum err)e);

        cr_assert_eq(rep == SOCKS5_SUCCEEDED, e == ERR_OK, "%d", e);
        cr_assert_leq(rep, SOCKS5_BAD_ADDRESS_TYPE);
    }
}

Test(socks5, table_6_back_and_forth_keeps_the_code)
{
    for (unsigned rep = 0; rep < 256; rep++) {
        enum err err = socks5_err_from_rep((uint8_t)rep);

        cr_assert_eq(err == ERR_OK, rep == 0);
        /* General failure says nothing more than the unassigned ones. */
        if (rep == SOCKS5_GENERAL_FAILURE || rep > SOCKS5_BAD_ADDRESS_TYPE)
            cr_assert_eq(err, ERR_REMOTE_FAILED);
        else
            cr_assert_eq(socks5_rep_from_err(err), rep);
    }
}
