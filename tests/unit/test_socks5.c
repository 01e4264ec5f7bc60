#include "transport/wire/socks5.h"

#include <criterion/criterion.h>
#include <string.h>

#include "tests/unit/split.h"

/* A message as a string literal, without its NUL. */
#define BYTES(text) (text), sizeof(text) - 1

static enum wire_status
probe_greeting(const void *bytes, size_t len, size_t *used)
{
    struct socks5_greeting out;

    return socks5_parse_greeting(bytes, len, &out, used);
}

static enum wire_status
probe_request(const void *bytes, size_t len, size_t *used)
{
    struct socks5_request out;

    return socks5_parse_request(bytes, len, &out, used);
}

static const struct split_parser greeting_parser = {probe_greeting};
static const struct split_parser request_parser = {probe_request};

/* Parses a request that must be whole. */
static struct socks5_request
request_of(const void *bytes, size_t len)
{
    struct socks5_request out;
    size_t used = 0;

    cr_assert_eq(socks5_parse_request(bytes, len, &out, &used), WIRE_DONE);
    cr_assert_eq(used, len);
    return out;
}

static void
assert_target(const struct target *target, const char *text)
{
    char buf[TARGET_TEXT_MAX];

    cr_assert_str_eq(target_format(target, buf), text);
}

/* Writes a request with a name of any bytes. Returns its length. */
static size_t
name_request(uint8_t *out, const char *name, size_t len, uint16_t port)
{
    memcpy(out, "\x05\x01\x00\x03", 4);
    out[4] = (uint8_t)len;
    memcpy(out + 5, name, len);
    out[5 + len] = (uint8_t)(port >> 8);
    out[6 + len] = (uint8_t)port;
    return 7 + len;
}

static struct socks5_request
request_for_name(const char *name)
{
    uint8_t bytes[SOCKS5_REQUEST_MAX];

    return request_of(bytes, name_request(bytes, name, strlen(name), 80));
}

Test(socks5, s5_1_greeting_gives_the_offered_methods)
{
    struct socks5_greeting out;
    size_t used;

    cr_assert_eq(socks5_parse_greeting(BYTES("\x05\x02\x00\x02"), &out, &used),
                 WIRE_DONE);
    cr_assert_eq(out.count, 2);
    cr_assert(socks5_offers(&out, SOCKS5_NO_AUTH));
    cr_assert(socks5_offers(&out, SOCKS5_PASSWORD));
    cr_assert_not(socks5_offers(&out, SOCKS5_GSSAPI));
}

Test(socks5, s5_1_greeting_of_no_methods_is_whole_and_offers_nothing)
{
    struct socks5_greeting out;
    size_t used;

    memset(&out, 0, sizeof(out));
    cr_assert_eq(socks5_parse_greeting(BYTES("\x05\x00"), &out, &used),
                 WIRE_DONE);
    cr_assert_eq(used, 2);
    cr_assert_eq(out.count, 0);
    cr_assert_not(socks5_offers(&out, SOCKS5_NO_AUTH));
}

Test(socks5, s5_2_greeting_of_another_version_is_bad_at_its_first_byte)
{
    size_t used;

    for (unsigned version = 0; version < 256; version++) {
        uint8_t first = (uint8_t)version;

        cr_assert_eq(probe_greeting(&first, 1, &used),
                     version == 5 ? WIRE_MORE : WIRE_BAD);
    }
}

Test(socks5, s5_2_request_of_another_version_is_bad_at_its_first_byte)
{
    size_t used;

    for (unsigned version = 0; version < 256; version++) {
        uint8_t first = (uint8_t)version;

        cr_assert_eq(probe_request(&first, 1, &used),
                     version == 5 ? WIRE_MORE : WIRE_BAD);
    }
}

Test(socks5, s5_3_reserved_byte_is_not_looked_at)
{
    struct socks5_request out =
        request_of(BYTES("\x05\x01\x7f\x01\x7f\x00\x00\x01\x00\x50"));

    cr_assert_eq(out.err, ERR_OK);
    assert_target(&out.target, "127.0.0.1:80");
}

Test(socks5, s5_4_ipv4_address)
{
    struct socks5_request out =
        request_of(BYTES("\x05\x01\x00\x01\xc0\x00\x02\x01\x01\xbb"));

    cr_assert_eq(out.err, ERR_OK);
    cr_assert_eq(out.command, SOCKS5_CONNECT);
    assert_target(&out.target, "192.0.2.1:443");
}

Test(socks5, s5_4_ipv6_address)
{
    struct socks5_request out =
        request_of(BYTES("\x05\x01\x00\x04\x20\x01\x0d\xb8\x00\x00\x00\x00"
                         "\x00\x00\x00\x00\x00\x00\x00\x01\x01\xbb"));

    cr_assert_eq(out.err, ERR_OK);
    assert_target(&out.target, "[2001:db8::1]:443");
}

Test(socks5, s5_4_name)
{
    struct socks5_request out = request_for_name("www.example.org");

    cr_assert_eq(out.err, ERR_OK);
    cr_assert_eq(out.target.kind, TARGET_NAME);
    assert_target(&out.target, "www.example.org:80");
}

Test(socks5, s5_4_name_of_no_bytes_is_malformed)
{
    struct socks5_request out =
        request_of(BYTES("\x05\x01\x00\x03\x00\x00\x50"));

    cr_assert_eq(out.err, ERR_MALFORMED);
}

Test(socks5, s5_4_name_of_255_bytes_is_taken_whole)
{
    char name[256];
    struct socks5_request out;

    memset(name, 'n', 255);
    name[255] = 0;
    out = request_for_name(name);
    cr_assert_eq(out.err, ERR_OK);
    cr_assert_str_eq(out.target.name, name);
}

Test(socks5, s5_4_unknown_address_type_is_told)
{
    for (unsigned type = 0; type < 256; type++) {
        uint8_t bytes[] = {5, 1, 0, (uint8_t)type, 1, 2, 3};
        struct socks5_request out;
        size_t used;

        if (type == 1 || type == 3 || type == 4)
            continue;
        cr_assert_eq(socks5_parse_request(bytes, sizeof(bytes), &out, &used),
                     WIRE_DONE);
        cr_assert_eq(out.err, ERR_BAD_ADDRESS_TYPE);
        cr_assert_eq(used, 4);
        cr_assert_eq(socks5_rep_from_err(out.err), 8);
    }
}

Test(socks5, s5_5_any_command_is_let_through)
{
    for (unsigned command = 0; command < 256; command++) {
        uint8_t bytes[] = {5, (uint8_t)command, 0, 1, 127, 0, 0, 1, 0, 80};
        struct socks5_request out = request_of(bytes, sizeof(bytes));

        cr_assert_eq(out.command, command);
        cr_assert_eq(out.err, ERR_OK);
        assert_target(&out.target, "127.0.0.1:80");
    }
}

Test(socks5, s5_11_udp_associate_may_leave_its_source_open)
{
    struct socks5_request out =
        request_of(BYTES("\x05\x03\x00\x01\0\0\0\0\0\0"));

    cr_assert_eq(out.command, SOCKS5_UDP_ASSOCIATE);
    cr_assert_eq(out.err, ERR_OK);
    assert_target(&out.target, "0.0.0.0:0");
}

Test(socks5, s5_12_split_after_every_byte)
{
    uint8_t name[SOCKS5_REQUEST_MAX];

    split_check(greeting_parser, BYTES("\x05\x00"));
    split_check(greeting_parser, BYTES("\x05\x03\x00\x01\x02"));
    split_check(request_parser,
                BYTES("\x05\x01\x00\x01\x7f\x00\x00\x01\x00\x50"));
    split_check(request_parser, BYTES("\x05\x01\x00\x04\0\0\0\0\0\0\0\0\0\0\0\0"
                                      "\0\0\0\x01\x00\x50"));
    split_check(request_parser, BYTES("\x05\x01\x00\x03\x00\x00\x50"));
    split_check(request_parser, BYTES("\x05\x01\x00\x09"));
    split_check(request_parser, name, name_request(name, "example.org", 11, 1));
    memset(name, 'a', sizeof(name));
    split_check(request_parser, name,
                name_request(name, (const char *)name + 5, 255, 1));
}

Test(socks5, s5_12_everything_in_one_segment)
{
    static const char all[] = "\x05\x01\x02"
                              "\x01\x04user\x06secret"
                              "\x05\x01\x00\x03\x0b"
                              "example.org\x00\x50"
                              "GET / HTTP/1.0\r\n\r\n";
    const char *at = all;
    const char *end = all + sizeof(all) - 1;
    struct socks5_greeting greeting;
    struct wire_credentials credentials;
    struct socks5_request request;
    size_t used;

    cr_assert_eq(
        socks5_parse_greeting(at, (size_t)(end - at), &greeting, &used),
        WIRE_DONE);
    at += used;
    cr_assert_eq(
        socks5_parse_password(at, (size_t)(end - at), &credentials, &used),
        WIRE_DONE);
    at += used;
    cr_assert_eq(socks5_parse_request(at, (size_t)(end - at), &request, &used),
                 WIRE_DONE);
    at += used;
    cr_assert(socks5_offers(&greeting, SOCKS5_PASSWORD));
    cr_assert_eq(credentials.password_len, 6);
    assert_target(&request.target, "example.org:80");
    cr_assert_str_eq(at, "GET / HTTP/1.0\r\n\r\n");
}

Test(socks5, s5_13_nul_space_and_control_bytes_in_a_name_are_malformed)
{
    for (unsigned c = 0; c < 256; c++) {
        uint8_t bytes[SOCKS5_REQUEST_MAX];
        char name[] = {'a', (char)c, 'b'};
        bool plain = c > ' ' && c != 0x7f && !strchr(":[%", (int)c);
        struct socks5_request out =
            request_of(bytes, name_request(bytes, name, 3, 80));

        cr_assert_eq(out.err, plain ? ERR_OK : ERR_MALFORMED, "byte %u", c);
    }
}

Test(socks5, s5_13_ipv4_literal_as_a_name_is_an_address)
{
    struct socks5_request out = request_for_name("192.0.2.1");

    cr_assert_eq(out.target.kind, TARGET_ADDR);
    assert_target(&out.target, "192.0.2.1:80");
}

Test(socks5, s5_13_ipv6_literal_as_a_name_is_an_address)
{
    struct socks5_request plain = request_for_name("2001:db8::1");
    struct socks5_request bracketed = request_for_name("[2001:db8::1]");

    cr_assert_eq(plain.target.kind, TARGET_ADDR);
    assert_target(&plain.target, "[2001:db8::1]:80");
    cr_assert_eq(bracketed.target.kind, TARGET_ADDR);
    assert_target(&bracketed.target, "[2001:db8::1]:80");
}

Test(socks5, s5_13_mapped_ipv4_is_ipv4)
{
    struct socks5_request binary =
        request_of(BYTES("\x05\x01\x00\x04\0\0\0\0\0\0\0\0\0\0\xff\xff\xc0\x00"
                         "\x02\x01\x00\x50"));
    struct socks5_request text = request_for_name("::ffff:192.0.2.1");

    assert_target(&binary.target, "192.0.2.1:80");
    assert_target(&text.target, "192.0.2.1:80");
}

Test(socks5, s5_13_literal_with_a_zone_is_malformed)
{
    cr_assert_eq(request_for_name("fe80::1%eth0").err, ERR_MALFORMED);
    cr_assert_eq(request_for_name("[fe80::1%25eth0]").err, ERR_MALFORMED);
}

Test(socks5, s5_13_trailing_dot_and_case_are_kept)
{
    struct socks5_request out = request_for_name("WWW.Example.org.");

    cr_assert_eq(out.err, ERR_OK);
    cr_assert_str_eq(out.target.name, "WWW.Example.org.");
}

Test(socks5, s5_14_connect_to_port_0_is_malformed)
{
    uint8_t name[SOCKS5_REQUEST_MAX];

    cr_assert_eq(request_of(BYTES("\x05\x01\x00\x01\x7f\0\0\x01\0\0")).err,
                 ERR_MALFORMED);
    cr_assert_eq(request_of(name, name_request(name, "a.b", 3, 0)).err,
                 ERR_MALFORMED);
    cr_assert_eq(socks5_rep_from_err(ERR_MALFORMED), 1);
}

Test(socks5, s5_14_port_65535_is_a_port)
{
    struct socks5_request out =
        request_of(BYTES("\x05\x01\x00\x01\x7f\0\0\x01\xff\xff"));

    assert_target(&out.target, "127.0.0.1:65535");
}

Test(socks5, failed_parse_leaves_its_output_alone)
{
    struct socks5_request out;
    struct socks5_request before;
    size_t used = 77;

    memset(&out, 0xa5, sizeof(out));
    before = out;
    cr_assert_eq(
        socks5_parse_request(BYTES("\x05\x01\x00\x01\x7f"), &out, &used),
        WIRE_MORE);
    cr_assert_eq(
        socks5_parse_request(BYTES("\x04\x01\x00\x01\x7f"), &out, &used),
        WIRE_BAD);
    cr_assert_eq(memcmp(&out, &before, sizeof(out)), 0);
    cr_assert_eq(used, 77);
}

Test(socks5, greeting_that_is_written_is_read_back)
{
    uint8_t bytes[SOCKS5_GREETING_MAX];
    struct socks5_greeting in;
    struct socks5_greeting out;

    for (unsigned count = 0; count < 256; count++) {
        size_t used = 0;
        size_t len;

        in.count = (uint8_t)count;
        for (unsigned i = 0; i < count; i++)
            in.methods[i] = (uint8_t)(i * 7);
        len = socks5_write_greeting(bytes, &in);
        cr_assert_eq(socks5_parse_greeting(bytes, len, &out, &used), WIRE_DONE);
        cr_assert_eq(used, len);
        cr_assert_eq(out.count, count);
        cr_assert_eq(memcmp(out.methods, in.methods, count), 0);
    }
}

Test(socks5, request_that_is_written_is_read_back)
{
    static const char *const hosts[] = {"192.0.2.1", "2001:db8::1",
                                        "example.org", "0.0.0.5", "x"};

    for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++) {
        uint8_t bytes[SOCKS5_REQUEST_MAX];
        char text[TARGET_TEXT_MAX];
        struct target target;
        struct socks5_request out;

        cr_assert_eq(
            target_set_host(&target, hosts[i], strlen(hosts[i]), 0x8001),
            ERR_OK);
        out = request_of(bytes,
                         socks5_write_request(bytes, SOCKS5_BIND, &target));
        cr_assert_eq(out.command, SOCKS5_BIND);
        cr_assert_eq(out.target.kind, target.kind);
        assert_target(&out.target, target_format(&target, text));
    }
}

Test(socks5, request_for_a_path_has_no_form)
{
    uint8_t bytes[SOCKS5_REQUEST_MAX];
    struct target target;

    target_set_unix(&target, "/run/x.sock");
    cr_assert_eq(socks5_write_request(bytes, SOCKS5_CONNECT, &target), 0);
}

Test(socks5, empty_input_asks_for_more)
{
    size_t used;

    cr_assert_eq(probe_greeting("", 0, &used), WIRE_MORE);
    cr_assert_eq(probe_request("", 0, &used), WIRE_MORE);
}
