#include "transport/wire/socks5.h"

#include <criterion/criterion.h>
#include <string.h>

#include "tests/unit/split.h"

/* A message as a string literal, without its NUL. */
#define BYTES(text) (text), sizeof(text) - 1

static enum wire_status
probe_password(const void *bytes, size_t len, size_t *used)
{
    struct wire_credentials out;

    return socks5_parse_password(bytes, len, &out, used);
}

static enum wire_status
probe_result(const void *bytes, size_t len, size_t *used)
{
    bool success;

    return socks5_parse_password_result(bytes, len, &success, used);
}

static const struct split_parser password_parser = {probe_password};
static const struct split_parser result_parser = {probe_result};

Test(socks5, up_1_user_and_password_are_raw_bytes)
{
    struct wire_credentials out;
    size_t used;

    cr_assert_eq(
        socks5_parse_password(BYTES("\x01\x03u\0r\x04\xffp:w"), &out, &used),
        WIRE_DONE);
    cr_assert_eq(out.user_len, 3);
    cr_assert_arr_eq(out.user, "u\0r", 3);
    cr_assert_eq(out.password_len, 4);
    cr_assert_arr_eq(out.password, "\xffp:w", 4);
}

Test(socks5, up_1_password_of_no_bytes_is_accepted)
{
    struct wire_credentials out;
    size_t used;

    cr_assert_eq(socks5_parse_password(BYTES("\x01\x01u\x00"), &out, &used),
                 WIRE_DONE);
    cr_assert_eq(out.user_len, 1);
    cr_assert_eq(out.password_len, 0);
    cr_assert_eq(used, 4);
}

Test(socks5, up_1_user_of_no_bytes_is_parsed)
{
    struct wire_credentials out;
    size_t used;

    cr_assert_eq(socks5_parse_password(BYTES("\x01\x00\x00"), &out, &used),
                 WIRE_DONE);
    cr_assert_eq(out.user_len, 0);
    cr_assert_eq(out.password_len, 0);
}

Test(socks5, up_1_255_bytes_each_at_every_split)
{
    uint8_t bytes[SOCKS5_PASSWORD_MAX];
    struct wire_credentials in;
    struct wire_credentials out;
    size_t used;

    memset(&in, 'u', sizeof(in));
    in.user_len = 255;
    in.password_len = 255;
    cr_assert_eq(socks5_write_password(bytes, &in), sizeof(bytes));
    split_check(password_parser, bytes, sizeof(bytes));
    cr_assert_eq(socks5_parse_password(bytes, sizeof(bytes), &out, &used),
                 WIRE_DONE);
    cr_assert_arr_eq(out.user, in.user, 255);
    cr_assert_arr_eq(out.password, in.password, 255);
}

Test(socks5, up_1_split_after_every_byte)
{
    split_check(password_parser, BYTES("\x01\x00\x00"));
    split_check(password_parser, BYTES("\x01\x01u\x00"));
    split_check(password_parser, BYTES("\x01\x04user\x06secret"));
    split_check(result_parser, BYTES("\x01\x00"));
    split_check(result_parser, BYTES("\x05\x01"));
}

Test(socks5, up_2_results_are_of_version_1)
{
    uint8_t out[2];

    cr_assert_eq(socks5_write_password_result(out, true), 2);
    cr_assert_arr_eq(out, "\x01\x00", 2);
    cr_assert_eq(socks5_write_password_result(out, false), 2);
    cr_assert_arr_eq(out, "\x01\x01", 2);
}

Test(socks5, up_2_request_of_another_version_is_bad)
{
    size_t used;

    for (unsigned version = 0; version < 256; version++) {
        uint8_t first = (uint8_t)version;

        cr_assert_eq(probe_password(&first, 1, &used),
                     version == 1 ? WIRE_MORE : WIRE_BAD);
    }
}

Test(socks5, up_2_result_of_version_1_or_5_is_understood)
{
    bool success = false;
    size_t used;

    cr_assert_eq(
        socks5_parse_password_result(BYTES("\x01\x00"), &success, &used),
        WIRE_DONE);
    cr_assert(success);
    cr_assert_eq(
        socks5_parse_password_result(BYTES("\x05\x00"), &success, &used),
        WIRE_DONE);
    cr_assert(success);
    cr_assert_eq(
        socks5_parse_password_result(BYTES("\x01\x7f"), &success, &used),
        WIRE_DONE);
    cr_assert_not(success);
    cr_assert_eq(
        socks5_parse_password_result(BYTES("\x00\x00"), &success, &used),
        WIRE_BAD);
}

Test(socks5, up_5_greeting_of_password_alone)
{
    struct socks5_greeting out;
    size_t used;

    cr_assert_eq(socks5_parse_greeting(BYTES("\x05\x01\x02"), &out, &used),
                 WIRE_DONE);
    cr_assert_not(socks5_offers(&out, SOCKS5_NO_AUTH));
    cr_assert(socks5_offers(&out, SOCKS5_PASSWORD));
}
