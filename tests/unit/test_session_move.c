/* Sessions that move between two workers, by a transport that says where it is
 * at home. */
#include <criterion/criterion.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/loop_help.h"
#include "tests/unit/two_bed.h"
#include "transport/base/clock.h"

#define BYTES(text) (text), sizeof(text) - 1

/* A time-out that is to be waited for. */
#define SOON 0.2

Test(session_move, a_session_dials_where_the_way_out_is_at_home)
{
    struct two two;
    struct counters there;
    int client;
    int target;

    two_init(&two);
    two_start(&two);
    client = session_bed_connect(&two.bed, &target);
    sockets_write(client, BYTES("hello"));
    shutdown(client, SHUT_WR);
    session_bed_assert_rest(target, BYTES("hello"));
    sockets_write(target, BYTES("good bye"));
    close(target);
    session_bed_assert_rest(client, BYTES("good bye"));
    close(client);
    session_bed_await_gone(&two.bed, 1);
    there = two_stop_second(&two);
    cr_assert_eq(there.ended[ERR_OK], 1);
    cr_assert_eq(there.bytes_up, 5);
    two_destroy_second(&two);
    session_bed_finish(&two.bed, ERR_OK, 0);
}

Test(session_move, early_bytes_come_along)
{
    struct two two;
    char bytes[200];
    size_t len;
    int client;
    int target;

    two_init(&two);
    two_start(&two);
    client = session_bed_client(&two.bed, &two.bed.socks);
    len = session_bed_request(bytes, &two.bed.target);
    memcpy(bytes + len, "early", 5);
    sockets_write(client, bytes, len + 5);
    target = session_bed_accept(&two.bed);
    sockets_read(target, bytes, 5);
    cr_assert_arr_eq(bytes, "early", 5);
    close(target);
    close(client);
    session_bed_await_gone(&two.bed, 1);
    two_stop_second(&two);
    two_destroy_second(&two);
    session_bed_finish(&two.bed, ERR_OK, 0);
}

Test(session_move, a_dial_that_is_sent_away_is_made_at_the_new_home)
{
    struct two two;
    struct counters there;
    int client;
    int target;

    two_init(&two);
    atomic_store(&two.again, 3); /* there, back, there, and back again */
    two_start(&two);
    client = session_bed_connect(&two.bed, &target);
    cr_assert_eq(atomic_load(&two.dials), 4);
    close(client);
    close(target);
    session_bed_await_gone(&two.bed, 1);
    there = two_stop_second(&two);
    cr_assert_eq(there.ended[ERR_OK], 0);
    two_destroy_second(&two);
    session_bed_finish(&two.bed, ERR_OK, 1);
}

Test(session_move, the_time_to_connect_goes_on)
{
    struct two two;
    double began;
    int client;

    two_init(&two);
    two.bed.settings->connect_timeout = SOON;
    atomic_store(&two.again, 1 << 30); /* to and fro for ever */
    two_start(&two);
    client = session_bed_client(&two.bed, &two.bed.socks);
    began = clock_seconds();
    session_bed_ask(client, &two.bed.target);
    session_bed_assert_rest(client, BYTES(SESSION_FAILURE("\x01")));
    cr_assert_geq(clock_seconds() - began, SOON);
    cr_assert_lt(clock_seconds() - began, 10 * SOON);
    close(client);
    session_bed_await_gone(&two.bed, 1);
    two_stop_second(&two);
    two_destroy_second(&two);
    session_bed_stop(&two.bed, NULL);
    session_bed_end(&two.bed);
}

Test(session_move, one_that_arrives_after_the_end_is_ended)
{
    struct two two;
    struct counters counters;
    int client;
    char bytes[2];

    two_init(&two);
    two_start(&two);
    two_stop_second(&two);
    client = session_bed_client(&two.bed, &two.bed.socks);
    session_bed_ask(client, &two.bed.target);
    sockets_read(client, bytes, 2); /* what it says before it moves */
    two_await_first(&two);
    cr_assert_eq(atomic_load(&two.bed.shared.limits.open), 1);
    two_destroy_second(&two);
    session_bed_await_gone(&two.bed, 1);
    cr_assert_eq(atomic_load(&two.bed.shared.limits.open), 0);
    cr_assert_eq(atomic_load(&two.dials), 0);
    session_bed_assert_rest(client, "", 0);
    close(client);
    session_bed_stop(&two.bed, &counters);
    cr_assert_eq(counters.ended[ERR_SHUTDOWN], 0);
    session_bed_end(&two.bed);
}

Test(session_move, a_source_keeps_its_place)
{
    struct two two;
    int client;
    int second;
    int target;

    two_init(&two);
    two.bed.settings->max_per_source = 1;
    two_start(&two);
    client = session_bed_connect(&two.bed, &target);
    second = session_bed_client(&two.bed, &two.bed.socks);
    session_bed_ask(second, &two.bed.target);
    session_bed_assert_rest(second, BYTES(SESSION_FAILURE("\x02")));
    close(second);
    close(client);
    close(target);
    session_bed_await_gone(&two.bed, 2);
    client = session_bed_connect(&two.bed, &target);
    close(client);
    close(target);
    session_bed_await_gone(&two.bed, 1);
    two_stop_second(&two);
    two_destroy_second(&two);
    session_bed_stop(&two.bed, NULL);
    session_bed_end(&two.bed);
}
