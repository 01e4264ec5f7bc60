#include "proxy/session.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/loop_help.h"
#include "tests/unit/session_bed.h"

#define BYTES(text) (text), sizeof(text) - 1

/* A time-out that is to be waited for. */
#define SOON 0.15

/* How long something that must not happen is given to happen. */
#define A_WHILE_MS 150

/* --- dial and reply ------------------------------------------------------- */

Test(session, bytes_go_through_and_are_counted)
{
    struct session_bed bed;
    struct counters counters;
    int client;
    int target;

    session_bed_init(&bed);
    session_bed_start(&bed, 0);
    client = session_bed_connect(&bed, &target);
    sockets_write(client, BYTES("hello"));
    shutdown(client, SHUT_WR);
    session_bed_assert_rest(target, BYTES("hello"));
    sockets_write(target, BYTES("good bye"));
    close(target);
    session_bed_assert_rest(client, BYTES("good bye"));
    close(client);
    session_bed_await_gone(&bed, 1);
    session_bed_stop(&bed, &counters);
    cr_assert_eq(counters.accepted, 1);
    cr_assert_eq(counters.ended[ERR_OK], 1);
    cr_assert_eq(counters.bytes_up, 5);
    cr_assert_eq(counters.bytes_down, 8);
    session_bed_end(&bed);
}

Test(session, the_reply_waits_for_the_dials_outcome)
{
    struct session_bed bed;
    char bytes[16];
    int client;

    session_bed_init(&bed);
    session_bed_plug(&bed);
    session_bed_start(&bed, 0);
    client = session_bed_client(&bed, &bed.socks);
    session_bed_ask(client, &bed.target);
    sockets_read(client, bytes, 2);
    cr_assert_not(session_bed_has_news(client, A_WHILE_MS),
                  "nothing is known yet");
    session_bed_unplug(&bed);
    while (!session_bed_has_news(client, 10)) /* takes up those in front */
        if (session_bed_has_news(bed.listening, 0))
            close(session_bed_accept(&bed));
    sockets_read(client, bytes, 4);
    cr_assert_arr_eq(bytes, "\x05\x00\x00\x01", 4);
    close(client);
    session_bed_await_gone(&bed, 1);
    session_bed_stop(&bed, NULL);
    session_bed_end(&bed);
}

Test(session, a_dial_that_is_refused_is_answered_05)
{
    struct session_bed bed;
    union addr nobody = session_bed_closed_port();
    int client;

    session_bed_init(&bed);
    session_bed_start(&bed, 0);
    client = session_bed_client(&bed, &bed.socks);
    session_bed_ask(client, &nobody);
    session_bed_assert_rest(client, BYTES(SESSION_FAILURE("\x05")));
    close(client);
    session_bed_await_gone(&bed, 1);
    session_bed_finish(&bed, ERR_REFUSED, 1);
}

Test(session, a_dial_that_takes_too_long_is_answered_06)
{
    struct session_bed bed;
    int client;

    session_bed_init(&bed);
    session_bed_plug(&bed);
    bed.settings->connect_timeout = SOON;
    session_bed_start(&bed, 0);
    client = session_bed_client(&bed, &bed.socks);
    session_bed_ask(client, &bed.target);
    session_bed_assert_rest(client, BYTES(SESSION_FAILURE("\x06")));
    close(client);
    session_bed_await_gone(&bed, 1);
    session_bed_finish(&bed, ERR_TIMED_OUT, 1);
}

Test(session, a_client_that_leaves_during_the_dial_frees_everything)
{
    for (int how = 0; how < 2; how++) {
        struct session_bed bed;
        unsigned before;
        char bytes[2];
        int client;

        session_bed_init(&bed);
        session_bed_plug(&bed);
        session_bed_start(&bed, 0);
        before = sockets_open_count();
        client = session_bed_client(&bed, &bed.socks);
        session_bed_ask(client, &bed.target);
        sockets_read(client, bytes, 2);
        if (how == 1) {
            const struct linger none = {.l_onoff = 1};

            setsockopt(client, SOL_SOCKET, SO_LINGER, &none, sizeof(none));
        }
        close(client);
        session_bed_await_gone(&bed, 1);
        cr_assert_eq(sockets_open_count(), before);
        session_bed_finish(&bed, ERR_PEER_GONE, 1);
    }
}

/* Case 2 of 9, and what Tor's clients do. */
Test(session, early_bytes_reach_the_target_once)
{
    struct session_bed bed;
    char bytes[64];
    size_t len;
    int client;
    int target;

    session_bed_init(&bed);
    session_bed_start(&bed, 0);
    client = session_bed_client(&bed, &bed.socks);
    len = session_bed_request(bytes, &bed.target);
    memcpy(bytes + len, "early", 5);
    sockets_write(client, bytes, len + 5);
    target = session_bed_accept(&bed);
    sockets_write(client, BYTES(" and late"));
    shutdown(client, SHUT_WR);
    session_bed_assert_rest(target, BYTES("early and late"));
    close(target);
    close(client);
    session_bed_await_gone(&bed, 1);
    session_bed_finish(&bed, ERR_OK, 1);
}

/* More than is kept before the relay: the rest waits in the socket. */
static void
many_early_bytes(bool need_password, bool ends)
{
    static char early[200 * 1024];
    static char came[sizeof(early) + 1];
    struct session_bed bed;
    char start[] = "\x05\x01\x02\x01\x04"
                   "fred\x06secret";
    char bytes[64];
    size_t len;
    bool reset;
    int client;
    int target;

    for (size_t i = 0; i < sizeof(early); i++)
        early[i] = (char)(i * 7 + (i >> 9));
    session_bed_init(&bed);
    if (need_password)
        session_bed_need_password(&bed);
    session_bed_start(&bed, 0);
    client = session_bed_client(&bed, &bed.socks);
    len = session_bed_request(bytes, &bed.target);
    if (need_password) {
        sockets_write(client, start, sizeof(start) - 1);
        sockets_write(client, bytes + 3, len - 3);
    } else {
        sockets_write(client, bytes, len);
    }
    sockets_write(client, early, ends ? 1000 : sizeof(early));
    if (ends)
        shutdown(client, SHUT_WR);
    target = session_bed_accept(&bed);
    if (!ends)
        shutdown(client, SHUT_WR);
    len = sockets_read_end(target, came, sizeof(came), &reset);
    cr_assert_eq(len, ends ? 1000 : sizeof(early));
    cr_assert_arr_eq(came, early, len);
    close(target);
    close(client);
    session_bed_await_gone(&bed, 1);
    session_bed_finish(&bed, ERR_OK, 1);
}

Test(session, many_early_bytes_reach_the_target)
{
    many_early_bytes(false, false);
}

Test(session, many_early_bytes_wait_while_a_password_is_verified)
{
    many_early_bytes(true, false);
}

Test(session, a_client_may_half_close_behind_early_bytes)
{
    many_early_bytes(false, true);
}

Test(session, a_client_may_half_close_while_its_password_is_verified)
{
    many_early_bytes(true, true);
}

/* --- fixed forwards ------------------------------------------------------- */

Test(session, a_fixed_forward_lets_the_server_speak_first)
{
    struct session_bed bed;
    int client;
    int target;

    session_bed_init(&bed);
    session_bed_start(&bed, 0);
    client = session_bed_client(&bed, &bed.fixed);
    target = session_bed_accept(&bed);
    sockets_write(target, BYTES("220 ready"));
    close(target);
    session_bed_assert_rest(client, BYTES("220 ready"));
    close(client);
    session_bed_await_gone(&bed, 1);
    session_bed_finish(&bed, ERR_OK, 1);
}

Test(session, a_fixed_forward_that_fails_is_a_reset)
{
    struct session_bed bed;
    union addr nobody = session_bed_closed_port();
    int client;

    session_bed_init(&bed);
    target_set_addr(&bed.fixed.target, &nobody);
    session_bed_start(&bed, 0);
    client = session_bed_client(&bed, &bed.fixed);
    session_bed_assert_reset(client);
    close(client);
    session_bed_await_gone(&bed, 1);
    session_bed_finish(&bed, ERR_REFUSED, 1);
}

/* --- time-outs ------------------------------------------------------------ */

/* Case 17 of 9: a byte now and then does not help. */
Test(session, a_slow_handshake_ends)
{
    static const char *const starts[] = {"", "\x05", "\x05\x01", "CONNECT x"};

    for (size_t i = 0; i < sizeof(starts) / sizeof(*starts); i++) {
        struct session_bed bed;
        bool reset;
        char byte;
        int client;

        session_bed_init(&bed);
        bed.settings->handshake_timeout = SOON;
        session_bed_start(&bed, 0);
        client = session_bed_client(&bed, &bed.socks);
        for (const char *at = starts[i]; *at; at++) {
            usleep(30000);
            send(client, at, 1, MSG_NOSIGNAL); /* it may be over already */
        }
        sockets_read_end(client, &byte, 1, &reset);
        close(client);
        session_bed_await_gone(&bed, 1);
        session_bed_finish(&bed, ERR_HANDSHAKE_TIMEOUT, 1);
    }
}

Test(session, an_idle_one_ends_for_both)
{
    struct session_bed bed;
    int client;
    int target;

    session_bed_init(&bed);
    bed.settings->idle_timeout = SOON;
    session_bed_start(&bed, 0);
    client = session_bed_connect(&bed, &target);
    for (int i = 0; i < 5; i++) { /* twice as long as it may be idle */
        usleep((useconds_t)(SOON * 400000));
        sockets_write(client, "x", 1);
    }
    session_bed_await_gone(&bed, 1);
    session_bed_assert_reset(client);
    session_bed_assert_reset(target);
    close(client);
    close(target);
    session_bed_finish(&bed, ERR_IDLE_TIMEOUT, 1);
}

Test(session, a_half_closed_one_ends_when_the_other_says_nothing)
{
    for (int who = 0; who < 2; who++) {
        struct session_bed bed;
        int ends[2];

        session_bed_init(&bed);
        bed.settings->half_closed_timeout = SOON;
        session_bed_start(&bed, 0);
        ends[0] = session_bed_connect(&bed, &ends[1]);
        cr_assert_not(session_bed_has_news(ends[1], A_WHILE_MS * 2),
                      "idle is no matter");
        shutdown(ends[who], SHUT_WR);
        session_bed_await_gone(&bed, 1);
        close(ends[0]);
        close(ends[1]);
        session_bed_finish(&bed, ERR_IDLE_TIMEOUT, 1);
    }
}

/* --- the end -------------------------------------------------------------- */

Test(session, a_reset_goes_through)
{
    for (int who = 0; who < 2; who++) {
        const struct linger none = {.l_onoff = 1};
        struct session_bed bed;
        int ends[2];

        session_bed_init(&bed);
        session_bed_start(&bed, 0);
        ends[0] = session_bed_connect(&bed, &ends[1]);
        setsockopt(ends[who], SOL_SOCKET, SO_LINGER, &none, sizeof(none));
        close(ends[who]);
        session_bed_assert_reset(ends[1 - who]);
        close(ends[1 - who]);
        session_bed_await_gone(&bed, 1);
        session_bed_finish(&bed, ERR_RESET, 1);
    }
}

Test(session, shutdown_ends_sessions_of_every_state)
{
    struct session_bed bed;
    int clients[5];
    int target;
    char bytes[64];

    session_bed_init(&bed);
    session_bed_need_password(&bed);
    session_bed_start(&bed, 0);
    clients[0] = session_bed_client(&bed, &bed.socks); /* hello */
    clients[1] = session_bed_client(&bed, &bed.fixed); /* relay */
    target = session_bed_accept(&bed);
    clients[2] = session_bed_client(&bed, &bed.socks); /* linger */
    sockets_write(clients[2], BYTES("\x05\x01\x00"));
    session_bed_assert_rest(clients[2], BYTES("\x05\xff"));
    session_bed_plug(&bed);
    clients[3] = session_bed_client(&bed, &bed.fixed); /* dial */
    clients[4] = session_bed_client(&bed, &bed.socks); /* being verified */
    sockets_write(clients[4], BYTES("\x05\x01\x02\x01\x04"
                                    "fred\x05wrong"));
    sockets_read(clients[4], bytes, 2);
    session_bed_stop(&bed, NULL);
    for (int i = 0; i < 5; i++)
        close(clients[i]);
    close(target);
    session_bed_end(&bed);
}

/* Reads the ids of the sessions that a log tells of. */
static unsigned
read_ids(const char *path, unsigned long ids[64])
{
    FILE *file = fopen(path, "r");
    char line[2000];
    unsigned count = 0;

    cr_assert(file);
    while (fgets(line, sizeof(line), file)) {
        char *at = strstr(line, " id=");

        cr_assert(at);
        cr_assert_lt(count, 64);
        ids[count++] = strtoul(at + 4, NULL, 10);
    }
    fclose(file);
    return count;
}

Test(session, ids_are_the_programs_only_ones)
{
    char path[] = "/tmp/culvert-ids-XXXXXX";
    const struct log_options options = {.level = LOG_INFO, .path = path};
    struct session_bed beds[2];
    unsigned long ids[64];
    unsigned count;

    close(mkstemp(path));
    for (unsigned i = 0; i < 2; i++) {
        session_bed_init(&beds[i]);
        beds[i].settings->workers = 2;
    }
    for (unsigned i = 0; i < 2; i++)
        session_bed_start(&beds[i], i);
    cr_assert_eq(log_open(&options), ERR_OK);
    for (int i = 0; i < 20; i++) {
        close(session_bed_client(&beds[i % 2], &beds[i % 2].socks));
        session_bed_await_gone(&beds[i % 2], 1);
    }
    session_bed_stop(&beds[0], NULL);
    session_bed_stop(&beds[1], NULL);
    log_close();
    count = read_ids(path, ids);
    unlink(path);
    session_bed_end(&beds[1]);
    session_bed_end(&beds[0]);
    cr_assert_eq(count, 20);
    for (unsigned i = 0; i < count; i++) {
        cr_assert_gt(ids[i], 0);
        for (unsigned k = 0; k < i; k++)
            cr_assert_neq(ids[i], ids[k]);
    }
}
