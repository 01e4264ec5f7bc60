#include "transport/ssh/sshsource.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

static union addr
at(const char *text)
{
    union addr addr;

    cr_assert(addr_parse(&addr, text, strlen(text), 4711));
    return addr;
}

/* Lets one in; the answer is to be without a victim. */
static enum sshsource_answer
enter(struct sshsources *sources, struct sshsource_guest *guest,
      const char *from, double now)
{
    union addr addr = at(from);
    struct sshsource_guest *victim;
    enum sshsource_answer answer =
        sshsource_enter(sources, guest, &addr, now, &victim);

    cr_expect_null(victim);
    return answer;
}

static bool
blame(struct sshsources *sources, const char *from, double seconds, double now)
{
    union addr addr = at(from);

    return sshsource_blame(sources, &addr, seconds, now);
}

static double
barred(struct sshsources *sources, const char *from, double now)
{
    union addr addr = at(from);

    return sshsource_barred(sources, &addr, now);
}

Test(sshsource, a_little_is_forgiven)
{
    struct sshsources sources = {0};

    cr_expect_not(blame(&sources, "10.0.0.1", 5, 100));
    cr_expect_not(blame(&sources, "10.0.0.1", 5, 101));
    cr_expect_eq(barred(&sources, "10.0.0.1", 101), 0);
    sshsource_clear(&sources);
}

Test(sshsource, what_has_gathered_is_enforced_to_its_end)
{
    struct sshsources sources = {0};
    struct sshsource_guest guest = {0};

    blame(&sources, "10.0.0.1", 10, 100);
    cr_expect(blame(&sources, "10.0.0.1", 5, 100));
    cr_expect_not(blame(&sources, "10.0.0.1", 5, 100), "told once");
    cr_expect_eq(barred(&sources, "10.0.0.1", 101), 19);
    cr_expect_eq(enter(&sources, &guest, "10.0.0.1", 119), SSHSOURCE_BARRED);
    cr_expect_eq(barred(&sources, "10.0.0.2", 101), 0, "not its neighbour");
    cr_expect_eq(enter(&sources, &guest, "10.0.0.1", 120), SSHSOURCE_IN);
    sshsource_leave(&sources, &guest, 121);
    sshsource_clear(&sources);
}

Test(sshsource, what_is_over_does_not_count)
{
    struct sshsources sources = {0};

    blame(&sources, "10.0.0.1", 10, 100);
    cr_expect_not(blame(&sources, "10.0.0.1", 10, 111));
    cr_expect(blame(&sources, "10.0.0.1", 10, 112));
    sshsource_clear(&sources);
}

Test(sshsource, nobody_is_kept_out_for_longer_than_ten_minutes)
{
    struct sshsources sources = {0};

    for (int i = 0; i < 1000; i++)
        blame(&sources, "10.0.0.1", 10, 100);
    cr_expect_eq(barred(&sources, "10.0.0.1", 100), 600);
    sshsource_clear(&sources);
}

Test(sshsource, a_good_login_clears_it)
{
    struct sshsources sources = {0};
    union addr addr = at("10.0.0.1");

    blame(&sources, "10.0.0.1", 20, 100);
    sshsource_forgive(&sources, &addr, 101);
    cr_expect_eq(barred(&sources, "10.0.0.1", 101), 0);
    cr_expect_eq(sources.known_count, 0);
    cr_expect_not(blame(&sources, "10.0.0.1", 5, 102));
    sshsource_clear(&sources);
}

Test(sshsource, the_half_of_an_ipv6_address_is_a_source)
{
    struct sshsources sources = {0};

    blame(&sources, "2001:db8:0:1::1", 20, 100);
    cr_expect_gt(barred(&sources, "2001:db8:0:1:ffff::2", 100), 0);
    cr_expect_eq(barred(&sources, "2001:db8:0:2::1", 100), 0);
    blame(&sources, "::ffff:10.0.0.1", 20, 100);
    cr_expect_gt(barred(&sources, "10.0.0.1", 100), 0, "a mapped one");
    cr_expect_eq(barred(&sources, "::ffff:10.0.0.2", 100), 0);
    sshsource_clear(&sources);
}

Test(sshsource, no_more_are_remembered_than_there_is_room_for)
{
    struct sshsources sources = {0};
    union addr addr = at("10.0.0.0");

    for (unsigned i = 0; i < SSHSOURCE_KNOWN_MAX + 100; i++) {
        addr.v4.sin_addr.s_addr = htonl(0x0a000000u + i);
        sshsource_blame(&sources, &addr, i == 0 ? 100 : 20, 100);
    }
    cr_expect_eq(sources.known_count, SSHSOURCE_KNOWN_MAX);
    cr_expect_gt(barred(&sources, "10.0.0.0", 100), 0, "the worst stays");
    blame(&sources, "10.9.0.0", 1, 300);
    cr_expect_eq(sources.known_count, 1, "what is over goes");
    sshsource_clear(&sources);
}

/* --- how many ------------------------------------------------------------- */

Test(sshsource, one_source_has_a_few_logins_and_others_wait)
{
    struct sshsources sources = {0};
    struct sshsource_guest guests[SSHSOURCE_EACH_MAX + 1] = {0};
    struct sshsource_guest other = {0};
    struct sshsource_guest *last = &guests[SSHSOURCE_EACH_MAX];

    for (unsigned i = 0; i < SSHSOURCE_EACH_MAX; i++)
        cr_expect_eq(enter(&sources, &guests[i], "10.0.0.1", 100),
                     SSHSOURCE_IN);
    cr_expect_eq(enter(&sources, last, "10.0.0.1", 101), SSHSOURCE_WAIT);
    cr_expect_eq(enter(&sources, last, "10.0.0.1", 101), SSHSOURCE_WAIT);
    cr_expect_eq(sources.waiting, 1);
    cr_expect_eq(enter(&sources, &other, "10.0.0.2", 101), SSHSOURCE_IN);
    sshsource_leave(&sources, &guests[3], 101);
    cr_expect_eq(enter(&sources, last, "10.0.0.1", 101), SSHSOURCE_IN);
    cr_expect_eq(sources.waiting, 0);
    for (unsigned i = 0; i <= SSHSOURCE_EACH_MAX; i++)
        sshsource_leave(&sources, &guests[i], 101);
    sshsource_leave(&sources, &other, 101);
    cr_expect_eq(sources.guests, 0);
    cr_expect_eq(sources.known_count, 0);
    sshsource_clear(&sources);
}

Test(sshsource, the_oldest_of_the_source_that_has_the_most_goes)
{
    static struct sshsource_guest guests[SSHSOURCE_LOGINS_MAX];
    struct sshsources sources = {0};
    struct sshsource_guest late = {0};
    struct sshsource_guest *victim;
    char from[32];
    union addr addr = at("10.0.1.1");

    for (unsigned i = 0; i < SSHSOURCE_LOGINS_MAX; i++) {
        /* every fourth one is of one source, the others of many */
        snprintf(from, sizeof(from), "10.0.0.%u", i % 4 == 1 ? 255 : i);
        cr_expect_eq(enter(&sources, &guests[i], from, 100), SSHSOURCE_IN);
    }
    cr_expect_eq(enter(&sources, &late, "10.0.1.1", 101), SSHSOURCE_WAIT,
                 "they are young");
    cr_expect_eq(sshsource_enter(&sources, &late, &addr, 103, &victim),
                 SSHSOURCE_IN);
    cr_expect_eq(victim, &guests[1]);
    cr_expect_null(victim->source, "it has left");
    cr_expect_eq(sources.guests, SSHSOURCE_LOGINS_MAX);
    cr_expect_eq(sources.waiting, 0);
    for (unsigned i = 0; i < SSHSOURCE_LOGINS_MAX; i++)
        sshsource_leave(&sources, &guests[i], 103);
    sshsource_leave(&sources, &late, 103);
    sshsource_clear(&sources);
}

Test(sshsource, those_that_wait_are_few)
{
    static struct sshsource_guest guests[1000];
    struct sshsources sources = {0};
    char from[32];
    unsigned crowded = 0;
    unsigned waiting = 0;

    for (unsigned i = 0; i < 1000; i++) {
        enum sshsource_answer answer;

        snprintf(from, sizeof(from), "10.0.0.%u", i % 3);
        answer = enter(&sources, &guests[i], from, 100);
        crowded += answer == SSHSOURCE_CROWDED;
        waiting += answer == SSHSOURCE_WAIT;
    }
    cr_expect_eq(waiting, SSHSOURCE_WAITING_MAX);
    cr_expect_eq(crowded, 1000 - SSHSOURCE_WAITING_MAX - 96);
    for (unsigned i = 0; i < 1000; i++)
        sshsource_leave(&sources, &guests[i], 100);
    cr_expect_eq(sources.guests + sources.waiting, 0);
    sshsource_clear(&sources);
}
