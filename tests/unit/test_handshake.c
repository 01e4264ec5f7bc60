#include "proxy/handshake.h"

#include <criterion/criterion.h>
#include <string.h>

#include "tests/unit/handshake_talk.h"

/* A message as a string literal, without its NUL. */
#define BYTES(text) (text), sizeof(text) - 1

/* One talk and what is to come of it. */
struct exchange {
    const char *name;
    bool need_password;
    const char *in; /* up to the request */
    size_t in_len;
    enum handshake_step step;
    enum err err;       /* HANDSHAKE_FAILED */
    const char *target; /* HANDSHAKE_REQUEST */
    enum handshake_protocol protocol;
    const char *out; /* what is answered up to there; HTTP: its beginning */
    size_t out_len;
    unsigned verified;
};

#define REQUESTS(in, target, protocol, out) \
    in, sizeof(in) - 1, HANDSHAKE_REQUEST, ERR_OK, target, protocol, BYTES(out)
#define FAILS(in, err, protocol, out) \
    in, sizeof(in) - 1, HANDSHAKE_FAILED, err, NULL, protocol, BYTES(out)

#define NO_AUTH  "\x05\x01\x00"
#define PASSWORD "\x05\x01\x02"
#define BOTH     "\x05\x02\x00\x02"
#define GOOD     "\x01\x04" TALK_USER "\x06" TALK_PASSWORD
#define WRONG                   \
    "\x01\x04" TALK_USER "\x06" \
    "SECRET"
#define TO_V4 "\x05\x01\x00\x01\x7f\x00\x00\x01\x00\x50"
#define TO_NAME            \
    "\x05\x01\x00\x03\x0b" \
    "example.org\x01\xbb"
#define TO_V6                                                          \
    "\x05\x01\x00\x04\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00" \
    "\x00\x00\x00\x01\x00\x50"
#define FAILURE_5(rep)  "\x05" rep "\x00\x01\x00\x00\x00\x00\x00\x00"
#define FAILURE_4(code) "\x00" code "\x00\x00\x00\x00\x00\x00"
#define SOCKS4_V4       "\x04\x01\x00\x50\x7f\x00\x00\x01me\x00"
#define SOCKS4A_NAME                         \
    "\x04\x01\x01\xbb\x00\x00\x00\x01me\x00" \
    "example.org\x00"
/* fred:secret, fred:wrong */
#define BASIC_GOOD  "Proxy-Authorization: Basic ZnJlZDpzZWNyZXQ=\r\n"
#define BASIC_WRONG "Proxy-Authorization: Basic ZnJlZDp3cm9uZw==\r\n"
#define CONNECT     "CONNECT example.org:443 HTTP/1.1\r\n"

static const struct exchange exchanges[] = {
    {"socks5 v4", false,
     REQUESTS(NO_AUTH TO_V4, "127.0.0.1:80", HANDSHAKE_SOCKS5, "\x05\x00"), 0},
    {"socks5 v6", false,
     REQUESTS(NO_AUTH TO_V6, "[2001:db8::1]:80", HANDSHAKE_SOCKS5, "\x05\x00"),
     0},
    {"socks5 name", false,
     REQUESTS(NO_AUTH TO_NAME, "example.org:443", HANDSHAKE_SOCKS5, "\x05\x00"),
     0},
    {"S5-13 literal as a name", false,
     REQUESTS(NO_AUTH "\x05\x01\x00\x03\x05[::1]\x00\x50", "[::1]:80",
              HANDSHAKE_SOCKS5, "\x05\x00"),
     0},
    {"S5-3 RSV is not looked at", false,
     REQUESTS(NO_AUTH "\x05\x01\x77\x01\x7f\x00\x00\x01\x00\x50",
              "127.0.0.1:80", HANDSHAKE_SOCKS5, "\x05\x00"),
     0},

    {"both offered, none needed", false,
     REQUESTS(BOTH TO_V4, "127.0.0.1:80", HANDSHAKE_SOCKS5, "\x05\x00"), 0},
    {"UP-5 only a password offered, none needed", false,
     REQUESTS(PASSWORD GOOD TO_V4, "127.0.0.1:80", HANDSHAKE_SOCKS5,
              "\x05\x02\x01\x00"),
     0},
    {"UP-4 any password will do where none is needed", false,
     REQUESTS(PASSWORD WRONG TO_V4, "127.0.0.1:80", HANDSHAKE_SOCKS5,
              "\x05\x02\x01\x00"),
     0},
    {"UP-1 nor one of no bytes", false,
     REQUESTS(PASSWORD "\x01\x01x\x00" TO_V4, "127.0.0.1:80", HANDSHAKE_SOCKS5,
              "\x05\x02\x01\x00"),
     0},
    {"both offered, password needed", true,
     REQUESTS(BOTH GOOD TO_V4, "127.0.0.1:80", HANDSHAKE_SOCKS5,
              "\x05\x02\x01\x00"),
     1},
    {"password needed and good", true,
     REQUESTS(PASSWORD GOOD TO_NAME, "example.org:443", HANDSHAKE_SOCKS5,
              "\x05\x02\x01\x00"),
     1},
    {"UP-2 password needed and wrong", true,
     FAILS(PASSWORD WRONG, ERR_AUTH_FAILED, HANDSHAKE_SOCKS5,
           "\x05\x02\x01\x01"),
     1},
    {"UP-1 password of no bytes", true,
     FAILS(PASSWORD "\x01\x04" TALK_USER "\x00", ERR_AUTH_FAILED,
           HANDSHAKE_SOCKS5, "\x05\x02\x01\x01"),
     1},
    {"UP-2 bad version of the sub-negotiation", true,
     FAILS(PASSWORD "\x05", ERR_MALFORMED, HANDSHAKE_SOCKS5,
           "\x05\x02\x01\x01"),
     0},
    {"S5-1 no method in common", true,
     FAILS(NO_AUTH, ERR_NO_METHOD, HANDSHAKE_SOCKS5, "\x05\xff"), 0},
    {"S5-1 no method at all", false,
     FAILS("\x05\x00", ERR_NO_METHOD, HANDSHAKE_SOCKS5, "\x05\xff"), 0},
    {"S5-1 GSSAPI alone", false,
     FAILS("\x05\x01\x01", ERR_NO_METHOD, HANDSHAKE_SOCKS5, "\x05\xff"), 0},

    {"S5-5 BIND", false,
     FAILS(NO_AUTH "\x05\x02\x00\x01\x7f\x00\x00\x01\x00\x50", ERR_BAD_COMMAND,
           HANDSHAKE_SOCKS5, "\x05\x00" FAILURE_5("\x07")),
     0},
    {"S5-5 UDP ASSOCIATE", false,
     FAILS(NO_AUTH "\x05\x03\x00\x01\x00\x00\x00\x00\x00\x00", ERR_BAD_COMMAND,
           HANDSHAKE_SOCKS5, "\x05\x00" FAILURE_5("\x07")),
     0},
    {"Tor's RESOLVE", false,
     FAILS(NO_AUTH "\x05\xf0\x00\x03\x01x\x00\x00", ERR_BAD_COMMAND,
           HANDSHAKE_SOCKS5, "\x05\x00" FAILURE_5("\x07")),
     0},
    {"S5-4 bad address type", false,
     FAILS(NO_AUTH "\x05\x01\x00\x02", ERR_BAD_ADDRESS_TYPE, HANDSHAKE_SOCKS5,
           "\x05\x00" FAILURE_5("\x08")),
     0},
    {"S5-4 name of no bytes", false,
     FAILS(NO_AUTH "\x05\x01\x00\x03\x00\x00\x50", ERR_MALFORMED,
           HANDSHAKE_SOCKS5, "\x05\x00" FAILURE_5("\x01")),
     0},
    {"S5-14 port 0", false,
     FAILS(NO_AUTH "\x05\x01\x00\x01\x7f\x00\x00\x01\x00\x00", ERR_MALFORMED,
           HANDSHAKE_SOCKS5, "\x05\x00" FAILURE_5("\x01")),
     0},
    {"S5-2 bad version of the request", false,
     FAILS(NO_AUTH "\x04", ERR_MALFORMED, HANDSHAKE_SOCKS5,
           "\x05\x00" FAILURE_5("\x01")),
     0},

    {"socks4", false, REQUESTS(SOCKS4_V4, "127.0.0.1:80", HANDSHAKE_SOCKS4, ""),
     0},
    {"socks4a", false,
     REQUESTS(SOCKS4A_NAME, "example.org:443", HANDSHAKE_SOCKS4A, ""), 0},
    {"S4-6 socks4 where a password is needed", true,
     FAILS(SOCKS4_V4, ERR_AUTH_FAILED, HANDSHAKE_SOCKS4, FAILURE_4("\x5d")), 0},
    {"S4-6 socks4a where a password is needed", true,
     FAILS(SOCKS4A_NAME, ERR_AUTH_FAILED, HANDSHAKE_SOCKS4A, FAILURE_4("\x5d")),
     0},
    {"S4-5 BIND", false,
     FAILS("\x04\x02\x00\x50\x7f\x00\x00\x01\x00", ERR_BAD_COMMAND,
           HANDSHAKE_SOCKS4, FAILURE_4("\x5b")),
     0},
    {"socks4 port 0", false,
     FAILS("\x04\x01\x00\x00\x7f\x00\x00\x01\x00", ERR_MALFORMED,
           HANDSHAKE_SOCKS4, FAILURE_4("\x5b")),
     0},

    {"http", false,
     REQUESTS(CONNECT "Host: x\r\n\r\n", "example.org:443", HANDSHAKE_HTTP, ""),
     0},
    {"http v6", false,
     REQUESTS("CONNECT [::1]:80 HTTP/1.0\r\n\r\n", "[::1]:80", HANDSHAKE_HTTP,
              ""),
     0},
    {"http with a password that is not needed", false,
     REQUESTS(CONNECT BASIC_WRONG "\r\n", "example.org:443", HANDSHAKE_HTTP,
              ""),
     0},
    {"http with a good password", true,
     REQUESTS(CONNECT BASIC_GOOD "\r\n", "example.org:443", HANDSHAKE_HTTP, ""),
     1},
    {"http with a wrong password", true,
     FAILS(CONNECT BASIC_WRONG "\r\n", ERR_AUTH_FAILED, HANDSHAKE_HTTP,
           "HTTP/1.1 407 "),
     1},
    {"http without a password", true,
     FAILS(CONNECT "\r\n", ERR_NO_METHOD, HANDSHAKE_HTTP, "HTTP/1.1 407 "), 0},
    {"http of another kind", false,
     FAILS("GET http://example.org/ HTTP/1.1\r\nHost: example.org\r\n\r\n",
           ERR_BAD_COMMAND, HANDSHAKE_HTTP, "HTTP/1.1 501 "),
     0},
    {"http with a bad target", false,
     FAILS("CONNECT example.org HTTP/1.1\r\n\r\n", ERR_MALFORMED,
           HANDSHAKE_HTTP, "HTTP/1.1 400 "),
     0},
    {"http with a bad line", false,
     FAILS("CONNECT\r\n", ERR_MALFORMED, HANDSHAKE_HTTP, "HTTP/1.1 400 "), 0},

    {"S5-2 no protocol", false,
     FAILS("\x16", ERR_BAD_VERSION, HANDSHAKE_UNKNOWN, ""), 0},
    {"version 0", false, FAILS("\0", ERR_BAD_VERSION, HANDSHAKE_UNKNOWN, ""),
     0},
};

#define EXCHANGES (sizeof(exchanges) / sizeof(*exchanges))

static void
check(const struct exchange *each, const struct talk *talk, size_t piece)
{
    const struct handshake *hs = talk->hs;
    char text[TARGET_TEXT_MAX];

    cr_assert_eq(talk->step, each->step, "%s, pieces of %zu: step %d",
                 each->name, piece, talk->step);
    cr_assert_eq(hs->protocol, each->protocol, "%s", each->name);
    cr_assert_eq(talk->verified, each->verified, "%s", each->name);
    cr_assert_eq(hs->err, each->err, "%s: %s", each->name, err_word(hs->err));
    if (each->protocol == HANDSHAKE_HTTP)
        cr_assert_geq(hs->out_len, each->out_len, "%s", each->name);
    else
        cr_assert_eq(hs->out_len, each->out_len, "%s: %zu", each->name,
                     hs->out_len);
    cr_assert_arr_eq(hs->out, each->out, each->out_len, "%s", each->name);
    if (each->target)
        cr_assert_str_eq(target_format(&hs->target, text), each->target);
}

/* S5-12 and S4-7, and HTTP as well. */
Test(handshake, every_size_of_pieces_gives_the_same)
{
    for (size_t i = 0; i < EXCHANGES; i++) {
        const struct exchange *each = &exchanges[i];

        for (size_t piece = 1; piece <= each->in_len; piece++) {
            struct talk talk = talk_create(each->need_password);

            talk_feed(&talk, each->in, each->in_len, piece);
            check(each, &talk, piece);
            talk_destroy(&talk);
        }
    }
}

Test(handshake, a_split_at_every_byte_gives_the_same)
{
    for (size_t i = 0; i < EXCHANGES; i++) {
        const struct exchange *each = &exchanges[i];

        for (size_t split = 0; split <= each->in_len; split++) {
            struct talk talk = talk_create(each->need_password);

            talk_feed(&talk, each->in, split, split);
            if (split < each->in_len)
                cr_assert_eq(talk.step, HANDSHAKE_MORE,
                             "%s is over after %zu bytes", each->name, split);
            talk_feed(&talk, each->in + split, each->in_len - split, 1000);
            check(each, &talk, split);
            talk_destroy(&talk);
        }
    }
}

Test(handshake, what_is_behind_the_request_is_kept_for_the_target)
{
    static const char payload[] = "\x05\x01\x00\x04\x01GET / HTTP/1.1\r\n\r\n";
    char both[400];

    for (size_t i = 0; i < EXCHANGES; i++) {
        const struct exchange *each = &exchanges[i];
        size_t len = each->in_len + sizeof(payload);

        memcpy(both, each->in, each->in_len);
        memcpy(both + each->in_len, payload, sizeof(payload));
        for (size_t piece = 1; piece <= len; piece++) {
            struct talk talk = talk_create(each->need_password);
            const uint8_t *early;
            size_t early_len;

            talk_feed(&talk, both, len, piece);
            check(each, &talk, piece);
            early = talk_early(&talk, &early_len);
            if (each->step == HANDSHAKE_REQUEST) {
                cr_assert_eq(early_len, sizeof(payload), "%s", each->name);
                cr_assert_arr_eq(early, payload, sizeof(payload));
            }
            talk_destroy(&talk);
        }
    }
}

Test(handshake, stepping_without_news_changes_nothing)
{
    for (size_t i = 0; i < EXCHANGES; i++) {
        const struct exchange *each = &exchanges[i];
        struct talk talk = talk_create(each->need_password);

        cr_assert_eq(handshake_step(talk.hs), HANDSHAKE_MORE);
        for (size_t at = 0; at < each->in_len; at++) {
            talk_feed(&talk, each->in + at, 1, 1);
            if (talk.step == HANDSHAKE_MORE)
                cr_assert_eq(handshake_step(talk.hs), HANDSHAKE_MORE);
        }
        check(each, &talk, 1);
        talk_destroy(&talk);
    }
}

/* --- answers -------------------------------------------------------------- */

static const struct exchange *
exchange_of(const char *name)
{
    for (size_t i = 0; i < EXCHANGES; i++)
        if (strcmp(exchanges[i].name, name) == 0)
            return &exchanges[i];
    cr_assert_fail("no exchange %s", name);
    return NULL;
}

/* What is answered to the request of an exchange, behind what was before. */
static void
assert_answer(const char *name, enum err err, const union addr *bound,
              const char *out, size_t out_len)
{
    const struct exchange *each = exchange_of(name);
    struct talk talk = talk_create(each->need_password);
    size_t before;

    talk_feed(&talk, each->in, each->in_len, each->in_len);
    cr_assert_eq(talk.step, HANDSHAKE_REQUEST);
    before = talk.hs->out_len;
    handshake_answer(talk.hs, err, bound);
    cr_assert_eq(talk.hs->phase, HANDSHAKE_OVER);
    if (each->protocol != HANDSHAKE_HTTP)
        cr_assert_eq(talk.hs->out_len - before, out_len);
    cr_assert_arr_eq(talk.hs->out + before, out, out_len);
    talk_destroy(&talk);
}

Test(handshake, success_says_where_the_connection_starts)
{
    union addr v4;
    union addr v6;

    cr_assert(addr_parse(&v4, "192.0.2.1", 9, 0x1234));
    cr_assert(addr_parse(&v6, "2001:db8::1", 11, 0x1234));
    assert_answer("socks5 v4", ERR_OK, &v4,
                  BYTES("\x05\0\0\x01\xc0\0\x02\x01\x12\x34"));
    assert_answer("socks5 v6", ERR_OK, &v6,
                  BYTES("\x05\0\0\x04\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0"
                        "\x01\x12\x34"));
    assert_answer("socks5 v4", ERR_OK, NULL, BYTES("\x05\0\0\x01\0\0\0\0\0\0"));
    assert_answer("socks4", ERR_OK, &v4, BYTES("\0\x5a\x12\x34\xc0\0\x02\x01"));
    assert_answer("socks4a", ERR_OK, &v6, BYTES("\0\x5a\0\0\0\0\0\0"));
    assert_answer("http", ERR_OK, &v4, BYTES("HTTP/1.1 200 "));
    assert_answer("http with a good password", ERR_OK, NULL,
                  BYTES("HTTP/1.1 200 "));
}

Test(handshake, failure_says_why)
{
    assert_answer("socks5 v4", ERR_REFUSED, NULL, BYTES(FAILURE_5("\x05")));
    assert_answer("socks5 v4", ERR_TIMED_OUT, NULL, BYTES(FAILURE_5("\x06")));
    assert_answer("socks5 v4", ERR_DENIED, NULL, BYTES(FAILURE_5("\x02")));
    assert_answer("socks5 v4", ERR_LIMIT, NULL, BYTES(FAILURE_5("\x02")));
    assert_answer("socks5 name", ERR_NAME_NOT_FOUND, NULL,
                  BYTES(FAILURE_5("\x04")));
    assert_answer("password needed and good", ERR_NET_UNREACHABLE, NULL,
                  BYTES(FAILURE_5("\x03")));
    assert_answer("socks4", ERR_REFUSED, NULL, BYTES(FAILURE_4("\x5b")));
    assert_answer("http", ERR_REFUSED, NULL, BYTES("HTTP/1.1 502 "));
    assert_answer("http", ERR_DENIED, NULL, BYTES("HTTP/1.1 403 "));
    assert_answer("http", ERR_TIMED_OUT, NULL, BYTES("HTTP/1.1 504 "));
}

Test(handshake, every_error_has_an_answer_that_fits)
{
    static const char *const names[] = {"password needed and good", "socks4a",
                                        "http with a good password"};

    for (int err = ERR_OK; err < ERR_COUNT_; err++)
        for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
            const struct exchange *each = exchange_of(names[i]);
            struct talk talk = talk_create(each->need_password);

            talk_feed(&talk, each->in, each->in_len, 1);
            handshake_answer(talk.hs, (enum err)err, NULL);
            cr_assert_gt(talk.hs->out_len, 0);
            cr_assert_leq(talk.hs->out_len, HANDSHAKE_OUT_MAX);
            talk_destroy(&talk);
        }
}

Test(handshake, a_plain_request_is_told_what_the_port_speaks)
{
    const struct exchange *each = exchange_of("http of another kind");
    struct talk talk = talk_create(true);
    char text[HANDSHAKE_OUT_MAX + 1] = "";

    talk_feed(&talk, each->in, each->in_len, each->in_len);
    memcpy(text, talk.hs->out, talk.hs->out_len);
    cr_assert(strstr(text, "SOCKS5"));
    cr_assert(strstr(text, "CONNECT"));
    talk_destroy(&talk);
}

Test(handshake, a_missing_password_is_asked_for)
{
    const struct exchange *each = exchange_of("http without a password");
    struct talk talk = talk_create(true);
    char text[HANDSHAKE_OUT_MAX + 1] = "";

    talk_feed(&talk, each->in, each->in_len, each->in_len);
    memcpy(text, talk.hs->out, talk.hs->out_len);
    cr_assert(strstr(text, "Proxy-Authenticate: Basic "));
    talk_destroy(&talk);
}

/* --- a fixed forward ------------------------------------------------------ */

Test(handshake, a_fixed_forward_says_nothing_and_keeps_all)
{
    struct talk talk = talk_create(false);
    const uint8_t *early;
    size_t len;

    handshake_skip(talk.hs);
    talk_feed(&talk, BYTES(NO_AUTH TO_V4), 3);
    cr_assert_eq(talk.step, HANDSHAKE_REQUEST);
    early = talk_early(&talk, &len);
    cr_assert_eq(len, sizeof(NO_AUTH TO_V4) - 1);
    cr_assert_arr_eq(early, NO_AUTH TO_V4, len);
    handshake_answer(talk.hs, ERR_OK, NULL);
    cr_assert_eq(talk.hs->out_len, 0);
    cr_assert_eq(talk.hs->protocol, HANDSHAKE_NONE);
    talk_destroy(&talk);
}

Test(handshake, destroy_of_none_does_nothing)
{
    handshake_destroy(NULL);
}

Test(handshake, protocols_have_words)
{
    cr_assert_str_eq(handshake_protocol_word(HANDSHAKE_UNKNOWN), "-");
    cr_assert_str_eq(handshake_protocol_word(HANDSHAKE_SOCKS4), "socks4");
    cr_assert_str_eq(handshake_protocol_word(HANDSHAKE_SOCKS4A), "socks4a");
    cr_assert_str_eq(handshake_protocol_word(HANDSHAKE_SOCKS5), "socks5");
    cr_assert_str_eq(handshake_protocol_word(HANDSHAKE_HTTP), "http");
    cr_assert_str_eq(handshake_protocol_word(HANDSHAKE_NONE), "forward");
}
