#include <criterion/criterion.h>
#include <string.h>

#include "tests/unit/handshake_talk.h"

#define TO_V4 "\x05\x01\x00\x01\x7f\x00\x00\x01\x00\x50"

/* What comes of bytes where agents may be named. */
static struct talk
talk_of(const char *bytes, size_t len, bool need_password)
{
    struct talk talk = talk_create(need_password);

    talk.hs->wants_agent = true;
    talk_feed(&talk, bytes, len, 1);
    return talk;
}

#define TALK_OF(bytes, need) talk_of(bytes, sizeof(bytes) - 1, need)

Test(handshake_agent, socks5_user_names_one_without_required_users)
{
    struct talk talk = TALK_OF("\x05\x02\x00\x02\x01\x0a"
                               "fred@place\x01x" TO_V4,
                               false);

    cr_assert_eq(talk.step, HANDSHAKE_REQUEST);
    cr_assert_arr_eq(talk.hs->out, "\x05\x02\x01\x00", 4);
    cr_assert_str_eq(talk.hs->agent, "place");
    cr_assert_eq(talk.verified, 0);
    talk_destroy(&talk);
}

Test(handshake_agent, socks5_user_is_verified_without_it)
{
    struct talk talk = TALK_OF("\x05\x01\x02\x01\x0a"
                               "fred@place\x06secret" TO_V4,
                               true);

    cr_assert_eq(talk.step, HANDSHAKE_REQUEST);
    cr_assert_eq(talk.verified, 1);
    cr_assert_str_eq(talk.hs->agent, "place");
    talk_destroy(&talk);
}

Test(handshake_agent, no_method_but_none_is_as_good)
{
    struct talk talk = TALK_OF("\x05\x01\x00" TO_V4, false);

    cr_assert_eq(talk.step, HANDSHAKE_REQUEST);
    cr_assert_str_eq(talk.hs->agent, "");
    talk_destroy(&talk);
}

Test(handshake_agent, socks4_user_id_names_one)
{
    struct talk talk = TALK_OF("\x04\x01\x00\x50\x7f\x00\x00\x01"
                               "me@place\x00",
                               false);

    cr_assert_eq(talk.step, HANDSHAKE_REQUEST);
    cr_assert_str_eq(talk.hs->agent, "place");
    talk_destroy(&talk);
}

Test(handshake_agent, http_user_names_one)
{
    /* me@place:x */
    struct talk talk = TALK_OF("CONNECT a.example:80 HTTP/1.1\r\n"
                               "Proxy-Authorization: Basic "
                               "bWVAcGxhY2U6eA==\r\n\r\n",
                               false);

    cr_assert_eq(talk.step, HANDSHAKE_REQUEST);
    cr_assert_str_eq(talk.hs->agent, "place");
    talk_destroy(&talk);
}

Test(handshake_agent, without_a_gateway_none_is_looked_for)
{
    struct talk talk = talk_create(false);
    const char bytes[] = "\x05\x02\x00\x02" TO_V4;

    talk_feed(&talk, bytes, sizeof(bytes) - 1, sizeof(bytes));
    cr_assert_eq(talk.step, HANDSHAKE_REQUEST);
    cr_assert_arr_eq(talk.hs->out, "\x05\x00", 2);
    cr_assert_str_eq(talk.hs->agent, "");
    talk_destroy(&talk);
}

Test(handshake_agent, a_gateway_of_ours_is_told_who_answers)
{
    struct talk talk = talk_create(false);
    const char bytes[] = "\x05\x02\x00\xc1" TO_V4;

    talk_feed(&talk, bytes, sizeof(bytes) - 1, sizeof(bytes));
    cr_assert_eq(talk.step, HANDSHAKE_REQUEST);
    cr_assert_arr_eq(talk.hs->out, "\x05\xc1", 2);
    talk_destroy(&talk);
}
