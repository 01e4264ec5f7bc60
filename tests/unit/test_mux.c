#include "proxy/mux.h"

#include <criterion/criterion.h>
#include <string.h>

#include "proxy/control_forward.h"
#include "tests/unit/options_run.h"

/* A message as a string literal, without its NUL. */
#define BYTES(text) (const uint8_t *)(text), sizeof(text) - 1

/* As ssh writes "-L 8080:db:5432", request 7. */
#define OPEN_FORWARD                   \
    "\x00\x00\x00\x1e\x10\x00\x00\x06" \
    "\x00\x00\x00\x07\x00\x00\x00\x01" \
    "\x00\x00\x00\x00\x00\x00\x1f\x90" \
    "\x00\x00\x00\x02"                 \
    "db\x00\x00\x15\x38"

/* Reads a message that must be whole and good. */
static struct mux_message
message_of(const uint8_t *bytes, size_t len)
{
    struct mux_message message;
    size_t whole;

    cr_assert_eq(mux_frame(bytes, len, &whole), ERR_OK);
    cr_assert_eq(whole, len);
    cr_assert_eq(mux_decode(bytes, whole, &message), ERR_OK);
    return message;
}

/* --- frames --------------------------------------------------------------- */

Test(mux, a_frame_is_known_from_its_length)
{
    const uint8_t bytes[] = OPEN_FORWARD;
    size_t len = sizeof(bytes) - 1;
    size_t whole = 99;

    for (size_t i = 0; i < len; i++) {
        cr_assert_eq(mux_frame(bytes, i, &whole), ERR_AGAIN, "%zu", i);
        cr_assert_eq(whole, i < 4 ? 0 : len, "%zu", i);
    }
    cr_assert_eq(mux_frame(bytes, len, &whole), ERR_OK);
    cr_assert_eq(whole, len);
}

Test(mux, a_frame_of_a_senseless_length_is_refused)
{
    size_t whole;

    cr_assert_eq(mux_frame(BYTES("\0\0\0\0"), &whole), ERR_LIMIT);
    cr_assert_eq(mux_frame(BYTES("\0\0\0\3"), &whole), ERR_LIMIT);
    cr_assert_eq(mux_frame(BYTES("\0\0\0\4"), &whole), ERR_AGAIN);
    cr_assert_eq(mux_frame(BYTES("\0\1\0\0"), &whole), ERR_AGAIN);
    cr_assert_eq(mux_frame(BYTES("\0\1\0\1"), &whole), ERR_LIMIT);
    cr_assert_eq(mux_frame(BYTES("\xff\xff\xff\xff"), &whole), ERR_LIMIT);
}

/* --- reading -------------------------------------------------------------- */

Test(mux, a_hello_has_a_version_and_unknown_extensions)
{
    struct mux_message message = message_of(BYTES("\0\0\0\x8\0\0\0\1\0\0\0\4"));

    cr_assert_eq(message.type, MUX_HELLO);
    cr_assert_eq(message.number, 4);
    message = message_of(BYTES("\0\0\0\x12\0\0\0\1\0\0\0\4"
                               "\0\0\0\1n\0\0\0\1v"));
    cr_assert_eq(message.type, MUX_HELLO);
}

Test(mux, a_hello_with_half_an_extension_is_malformed)
{
    struct mux_message message;

    cr_assert_eq(
        mux_decode(BYTES("\0\0\0\xd\0\0\0\1\0\0\0\4\0\0\0\2n"), &message),
        ERR_MALFORMED);
}

Test(mux, plain_requests_have_their_number)
{
    static const struct {
        const char *bytes;
        enum mux_type type;
    } all[] = {
        {"\0\0\0\x8\x10\0\0\2\0\0\0\x9", MUX_C_NEW_SESSION},
        {"\0\0\0\x8\x10\0\0\4\0\0\0\x9", MUX_C_ALIVE_CHECK},
        {"\0\0\0\x8\x10\0\0\5\0\0\0\x9", MUX_C_TERMINATE},
        {"\0\0\0\x8\x10\0\0\x8\0\0\0\x9", MUX_C_NEW_STDIO_FORWARD},
        {"\0\0\0\x8\x10\0\0\x9\0\0\0\x9", MUX_C_STOP_LISTENING},
        {"\0\0\0\x8\x10\0\0\xf\0\0\0\x9", MUX_C_PROXY},
        {"\0\0\0\x8\x10\0\0\x1f\0\0\0\x9", MUX_OTHER},
        {"\0\0\0\x8\x63\x75\0\1\0\0\0\x9", MUX_C_STATUS},
        {"\0\0\0\x8\x63\x75\0\2\0\0\0\x9", MUX_C_RECONNECT},
        {"\0\0\0\x8\x63\x75\0\3\0\0\0\x9", MUX_C_STATUS_JSON},
        {"\0\0\0\x8\x80\0\0\1\0\0\0\x9", MUX_S_OK},
    };

    for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) {
        struct mux_message message =
            message_of((const uint8_t *)all[i].bytes, 12);

        cr_assert_eq(message.type, all[i].type, "%zu", i);
        cr_assert_eq(message.request, 9);
    }
}

Test(mux, requests_of_our_own)
{
    struct mux_message message =
        message_of(BYTES("\0\0\0\x10\x63\x75\0\4\0\0\0\x9\0\0\0\4home"));

    cr_assert_eq(message.type, MUX_C_KICK);
    cr_assert_eq(message.request, 9);
    cr_assert_eq(message.text_len, 4);
    cr_assert_arr_eq(message.text, "home", 4);
    message = message_of(BYTES("\0\0\0\xc\xe3\x75\0\2\0\0\0\x9\0\0\0\2"));
    cr_assert_eq(message.type, MUX_S_KICKED);
    cr_assert_eq(message.number, 2);
    cr_assert_eq(mux_decode(BYTES("\0\0\0\xf\x63\x75\0\4\0\0\0\x9\0\0\0\4hom"),
                            &message),
                 ERR_MALFORMED);
    cr_assert_eq(mux_decode(BYTES("\0\0\0\x8\x63\x75\0\4\0\0\0\x9"), &message),
                 ERR_MALFORMED);
}

Test(mux, a_forward_is_read)
{
    struct mux_message message = message_of(BYTES(OPEN_FORWARD));

    cr_assert_eq(message.type, MUX_C_OPEN_FORWARD);
    cr_assert_eq(message.request, 7);
    cr_assert_eq(message.forward.kind, MUX_FORWARD_LOCAL);
    cr_assert_str_eq(message.forward.listen_host, "");
    cr_assert_eq(message.forward.listen_port, 8080);
    cr_assert_str_eq(message.forward.connect_host, "db");
    cr_assert_eq(message.forward.connect_port, 5432);
}

Test(mux, a_forward_cut_short_anywhere_is_malformed)
{
    const uint8_t bytes[] = OPEN_FORWARD;
    struct mux_message message;

    for (size_t len = 4; len < sizeof(bytes) - 1; len++)
        cr_assert_eq(mux_decode(bytes, len, &message), ERR_MALFORMED, "%zu",
                     len);
}

static void
assert_forward_malformed(size_t at, uint8_t byte)
{
    uint8_t bytes[] = OPEN_FORWARD;
    struct mux_message message;

    bytes[at] = byte;
    cr_assert_eq(mux_decode(bytes, sizeof(bytes) - 1, &message), ERR_MALFORMED,
                 "byte %zu", at);
}

Test(mux, a_forward_with_a_port_or_host_that_is_none_is_malformed)
{
    assert_forward_malformed(21, 1);   /* a port of 0x11f90 */
    assert_forward_malformed(24, 255); /* a host of 4 GB */
    assert_forward_malformed(28, 0);   /* a NUL in it */
    assert_forward_malformed(31, 1);   /* a port beyond 65535 */
}

Test(mux, a_host_longer_than_any_is_malformed)
{
    struct mux_message message = {.type = MUX_C_OPEN_FORWARD};
    uint8_t bytes[MUX_ENCODED_MAX + 1];
    size_t len;

    memset(message.forward.listen_host, 'a', MUX_HOST_MAX);
    len = mux_encode(&message, bytes, sizeof(bytes) - 1);
    cr_assert_gt(len, 0);
    cr_assert_eq(mux_decode(bytes, len, &message), ERR_OK);
    /* One more byte: its own length and the message's. */
    memmove(bytes + 21, bytes + 20, len - 20);
    bytes[3]++;
    bytes[18] = 1;
    bytes[19] = 0;
    cr_assert_eq(mux_decode(bytes, len + 1, &message), ERR_MALFORMED);
}

/* --- writing -------------------------------------------------------------- */

static void
assert_round_trip(const struct mux_message *message)
{
    uint8_t bytes[MUX_ENCODED_MAX + 64];
    uint8_t again[sizeof(bytes)];
    size_t len = mux_encode(message, bytes, sizeof(bytes));
    struct mux_message read;

    cr_assert_gt(len, 0);
    read = message_of(bytes, len);
    cr_assert_eq(read.type, message->type);
    cr_assert_eq(read.request, message->request);
    cr_assert_eq(mux_encode(&read, again, sizeof(again)), len);
    cr_assert_arr_eq(again, bytes, len);
    for (size_t size = 0; size < len; size++)
        cr_assert_eq(mux_encode(message, again, size), 0, "%zu", size);
}

Test(mux, what_is_written_is_read_the_same)
{
    for (int type = 0; type < MUX_OTHER; type++) {
        struct mux_message message = {
            .type = (enum mux_type)type,
            .request = type == MUX_HELLO ? 0 : 0x01020304,
            .number = 0xfedcba98,
            .forward = {.kind = MUX_FORWARD_DYNAMIC,
                        .listen_host = "::1",
                        .listen_port = 65535,
                        .connect_host = "/a/path",
                        .connect_port = MUX_PORT_UNIX},
            .text = "why not",
            .text_len = 7,
        };

        assert_round_trip(&message);
    }
}

Test(mux, a_forward_is_written_as_ssh_writes_it)
{
    const struct mux_message message = {
        .type = MUX_C_OPEN_FORWARD,
        .request = 7,
        .forward = {.kind = MUX_FORWARD_LOCAL,
                    .listen_port = 8080,
                    .connect_host = "db",
                    .connect_port = 5432},
    };
    uint8_t bytes[MUX_ENCODED_MAX];

    cr_assert_eq(mux_encode(&message, bytes, sizeof(bytes)),
                 sizeof(OPEN_FORWARD) - 1);
    cr_assert_arr_eq(bytes, OPEN_FORWARD, sizeof(OPEN_FORWARD) - 1);
}

Test(mux, what_is_no_message_or_too_long_is_not_written)
{
    static char text[MUX_MESSAGE_MAX];
    static uint8_t bytes[2 * MUX_MESSAGE_MAX];
    struct mux_message message = {.type = MUX_OTHER};

    cr_assert_eq(mux_encode(&message, bytes, sizeof(bytes)), 0);
    message = (struct mux_message){
        .type = MUX_S_TEXT, .text = text, .text_len = sizeof(text)};
    cr_assert_eq(mux_encode(&message, bytes, sizeof(bytes)), 0);
    message.text_len = sizeof(text) - 12;
    cr_assert_eq(mux_encode(&message, bytes, sizeof(bytes)),
                 4 + MUX_MESSAGE_MAX);
}

/* --- forwards ------------------------------------------------------------- */

/* What the command line's spec becomes as a request; for -R too no
 * destination is needed to ask. */
static struct mux_forward
request_of(const char *option, const char *spec)
{
    const char *const args[] = {"culvert", "-O",   "forward", "-S",
                                "/x",      option, spec,      NULL};
    struct settings *settings = options_accept(args);
    struct mux_forward request;

    control_forward_write(settings->forwards, &request);
    settings_destroy(settings);
    return request;
}

static void
assert_request(const char *option, const char *spec, const char *listen_host,
               uint32_t listen_port, const char *connect_host,
               uint32_t connect_port)
{
    struct mux_forward request = request_of(option, spec);

    cr_assert_str_eq(request.listen_host, listen_host, "%s", spec);
    cr_assert_eq(request.listen_port, listen_port, "%s", spec);
    cr_assert_str_eq(request.connect_host, connect_host, "%s", spec);
    cr_assert_eq(request.connect_port, connect_port, "%s", spec);
}

Test(mux, forwards_are_requested_in_ssh_s_words)
{
    assert_request("-D", "1080", "", 1080, "socks", 0);
    assert_request("-D", "*:1080", "*", 1080, "socks", 0);
    assert_request("-D", ":1080", "*", 1080, "socks", 0);
    assert_request("-D", "localhost:1080", "localhost", 1080, "socks", 0);
    assert_request("-D", "[::1]:1080", "::1", 1080, "socks", 0);
    assert_request("-L", "1:a.example:2", "", 1, "a.example", 2);
    assert_request("-L", "1:[2001:db8::1]:2", "", 1, "2001:db8::1", 2);
    assert_request("-L", "1:/to/here", "", 1, "/to/here", MUX_PORT_UNIX);
    assert_request("-L", "/from:b:2", "/from", MUX_PORT_UNIX, "b", 2);
}

/* As stock ssh -O forward -R sends them. */
Test(mux, remote_forwards_are_requested_in_ssh_s_words)
{
    assert_request("-R", "8080:h:80", "", 8080, "h", 80);
    assert_request("-R", "*:8080:h:80", "*", 8080, "h", 80);
    assert_request("-R", ":8080:h:80", "*", 8080, "h", 80);
    assert_request("-R", "0:h:80", "", 0, "h", 80);
    assert_request("-R", "localhost:1:h:80", "localhost", 1, "h", 80);
    assert_request("-R", "gw:1:[::1]:2", "gw", 1, "::1", 2);
    assert_request("-R", "8080:/to/here", "", 8080, "/to/here", MUX_PORT_UNIX);
    assert_request("-R", "1080", "", 1080, "socks", 0);
    assert_request("-R", ":1080", "*", 1080, "socks", 0);
    assert_request("-R", "[::1]:1080", "::1", 1080, "socks", 0);
    cr_assert_eq(request_of("-R", "1080").kind, MUX_FORWARD_REMOTE);
    cr_assert_eq(request_of("-R", "1:h:2").kind, MUX_FORWARD_REMOTE);
}

static struct forward
forward_of(const struct mux_forward *request, bool gateway_ports)
{
    struct forward forward;

    cr_assert_null(control_forward_read(request, gateway_ports, &forward));
    return forward;
}

Test(mux, a_forward_comes_out_as_it_went_in)
{
    static const char *const specs[][2] = {
        {"-D", "1080"},        {"-D", "*:0"},
        {"-D", "10.1.2.3:1"},  {"-D", "/a/socket"},
        {"-L", "1:b:2"},       {"-L", "h:1:[::1]:2"},
        {"-L", "/from:/to"},   {"-L", "1:/to"},
        {"-L", "/from:b:2"},   {"-L", "localhost:1:b:2"},
        {"-R", "1080"},        {"-R", "*:0"},
        {"-R", "localhost:1"}, {"-R", "0:b:2"},
        {"-R", "*:1:b:2"},     {"-R", "[::1]:1:[::1]:2"},
        {"-R", "h:1:/to"}};

    for (size_t i = 0; i < sizeof(specs) / sizeof(*specs); i++) {
        struct mux_forward request = request_of(specs[i][0], specs[i][1]);
        struct forward forward = forward_of(&request, false);
        struct mux_forward again;

        control_forward_write(&forward, &again);
        cr_assert_eq(memcmp(&again, &request, sizeof(again)), 0, "%s",
                     specs[i][1]);
    }
}

Test(mux, gateway_ports_is_the_masters)
{
    struct mux_forward request = request_of("-D", "1080");

    cr_assert_eq(forward_of(&request, false).where, LISTEN_LOOPBACK);
    cr_assert_eq(forward_of(&request, true).where, LISTEN_ANY);
    request = request_of("-D", "localhost:1080");
    cr_assert_eq(forward_of(&request, true).where, LISTEN_LOOPBACK);
}

Test(mux, gateway_ports_are_not_the_masters_at_a_server)
{
    struct mux_forward request = request_of("-R", "1080");

    cr_assert_eq(forward_of(&request, true).where, LISTEN_LOOPBACK);
    cr_assert(forward_of(&request, true).is_remote);
    request = request_of("-R", "1:b:2");
    cr_assert_eq(forward_of(&request, true).where, LISTEN_LOOPBACK);
}

static void
assert_no_forward(struct mux_forward request)
{
    struct forward forward;

    cr_assert(control_forward_read(&request, false, &forward));
}

Test(mux, what_is_no_forward_is_refused)
{
    const struct mux_forward good = request_of("-L", "1:b:2");
    struct mux_forward bad = good;

    bad.kind = 4;
    assert_no_forward(bad);
    bad = good;
    bad.connect_port = 0;
    assert_no_forward(bad);
    bad = good;
    bad.connect_host[0] = 0;
    assert_no_forward(bad);
    bad = good;
    strcpy(bad.connect_host, "a b");
    assert_no_forward(bad);
    bad = good;
    strcpy(bad.listen_host, "a\nb");
    assert_no_forward(bad);
    bad = good;
    bad.listen_port = MUX_PORT_UNIX;
    assert_no_forward(bad);
    memset(bad.listen_host, 'p', 108);
    assert_no_forward(bad);
}

Test(mux, what_is_no_remote_forward_is_refused)
{
    const struct mux_forward good = request_of("-R", "1:b:2");
    struct mux_forward bad = good;
    struct forward forward;

    bad.connect_port = 0;
    assert_no_forward(bad);
    bad.connect_host[0] = 0;
    assert_no_forward(bad);
    bad = good;
    strcpy(bad.listen_host, "a b");
    assert_no_forward(bad);
    bad = good;
    bad.connect_port = MUX_PORT_UNIX;
    bad.connect_host[0] = 0;
    assert_no_forward(bad);
    bad = good;
    strcpy(bad.listen_host, "/run/s");
    bad.listen_port = MUX_PORT_UNIX;
    cr_assert(strstr(control_forward_read(&bad, false, &forward),
                     "not for a Unix socket"));
}
