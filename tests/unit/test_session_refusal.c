/* Clients that get no connection, and are told why. */
#include "proxy/session.h"

#include <criterion/criterion.h>
#include <unistd.h>

#include "tests/unit/loop_help.h"
#include "tests/unit/session_bed.h"

#define BYTES(text) (text), sizeof(text) - 1

/* With bytes of the client unread, closing at once would be a reset, which
 * destroys what is on its way. */
Test(session, a_refusal_arrives_though_bytes_are_unread)
{
    static char more[100 * 1024];
    struct session_bed bed;
    union addr nobody = session_bed_closed_port();
    char bytes[16];
    int client;

    session_bed_init(&bed);
    session_bed_start(&bed, 0);
    for (int i = 0; i < 20; i++) {
        client = session_bed_client(&bed, &bed.socks);
        session_bed_ask(client, &nobody);
        sockets_write(client, more, sizeof(more));
        sockets_read(client, bytes, 12);
        cr_assert_arr_eq(bytes, SESSION_FAILURE("\x05"), 12);
        session_bed_assert_rest(client, "", 0);
        close(client);
    }
    session_bed_await_gone(&bed, 20);
    session_bed_finish(&bed, ERR_REFUSED, 20);
}

Test(session, a_client_that_does_not_close_after_its_refusal_is_closed)
{
    struct session_bed bed;
    union addr nobody = session_bed_closed_port();
    int client;

    session_bed_init(&bed);
    session_bed_start(&bed, 0);
    client = session_bed_client(&bed, &bed.socks);
    session_bed_ask(client, &nobody);
    session_bed_assert_rest(client, BYTES(SESSION_FAILURE("\x05")));
    session_bed_await_gone(&bed, 1);
    close(client);
    session_bed_finish(&bed, ERR_REFUSED, 1);
}

Test(session, what_is_denied_by_rule_is_answered_02)
{
    struct session_bed bed;
    const char *why;
    int client;

    session_bed_init(&bed);
    cr_assert_eq(rules_add(bed.settings->rules, RULE_DENY, "127.0.0.0/8", &why),
                 ERR_OK);
    session_bed_start(&bed, 0);
    client = session_bed_client(&bed, &bed.socks);
    session_bed_ask(client, &bed.target);
    session_bed_assert_rest(client, BYTES(SESSION_FAILURE("\x02")));
    cr_assert_not(session_bed_has_news(bed.listening, 0), "nobody connected");
    close(client);
    session_bed_finish(&bed, ERR_DENIED, 1);
}

Test(session, a_source_that_may_not_come_is_answered_02)
{
    struct session_bed bed;
    const char *why;
    int client;

    session_bed_init(&bed);
    session_bed_need_password(&bed); /* of no use to this one */
    cr_assert_eq(sources_add(bed.settings->sources, "192.0.2.0/24", &why),
                 ERR_OK);
    session_bed_start(&bed, 0);
    client = session_bed_client(&bed, &bed.socks);
    session_bed_ask(client, &bed.target);
    session_bed_assert_rest(client, BYTES(SESSION_FAILURE("\x02")));
    close(client);
    session_bed_finish(&bed, ERR_DENIED, 1);
}

Test(session, one_too_many_is_answered_02_until_another_has_gone)
{
    struct session_bed bed;
    int first;
    int second;
    int target;

    session_bed_init(&bed);
    bed.settings->max_per_source = 1;
    session_bed_start(&bed, 0);
    first = session_bed_connect(&bed, &target);
    second = session_bed_client(&bed, &bed.socks);
    session_bed_ask(second, &bed.target);
    session_bed_assert_rest(second, BYTES(SESSION_FAILURE("\x02")));
    close(second);
    close(first);
    close(target);
    session_bed_await_gone(&bed, 2);
    first = session_bed_connect(&bed, &target);
    close(first);
    close(target);
    session_bed_await_gone(&bed, 1);
    session_bed_finish(&bed, ERR_LIMIT, 1);
}

Test(session, a_wrong_password_is_answered_and_ends)
{
    struct session_bed bed;
    int client;

    session_bed_init(&bed);
    session_bed_need_password(&bed);
    session_bed_start(&bed, 0);
    client = session_bed_client(&bed, &bed.socks);
    sockets_write(client, BYTES("\x05\x01\x02\x01\x04"
                                "fred\x05wrong"));
    session_bed_assert_rest(client, BYTES("\x05\x02\x01\x01"));
    close(client);
    session_bed_await_gone(&bed, 1);
    session_bed_finish(&bed, ERR_AUTH_FAILED, 1);
}

Test(session, no_protocol_is_closed_without_a_word)
{
    struct session_bed bed;
    int client;

    session_bed_init(&bed);
    session_bed_start(&bed, 0);
    client = session_bed_client(&bed, &bed.socks);
    sockets_write(client, BYTES("\x16"));
    session_bed_assert_rest(client, "", 0);
    close(client);
    session_bed_await_gone(&bed, 1);
    session_bed_finish(&bed, ERR_BAD_VERSION, 1);
}
