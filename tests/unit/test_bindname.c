#include "proxy/bindname.h"

#include <criterion/criterion.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/loop_help.h"

struct asked {
    struct worker *worker;
    struct bindname_answer answer;
    unsigned count;
    bool done;
};

static void
on_done(void *arg, const struct bindname_answer *answer)
{
    struct asked *asked = arg;

    asked->answer = *answer;
    asked->count++;
    asked->done = true;
}

static struct bindname *
start(struct asked *asked, const char *host, int family)
{
    struct bindname *name = NULL;

    asked->worker = worker_create(0);
    cr_assert(asked->worker);
    cr_assert_eq(
        bindname_start(asked->worker, host, family, on_done, asked, &name),
        ERR_OK);
    cr_assert_eq(asked->count, 0, "not from inside");
    return name;
}

Test(bindname, tells_the_addresses_once)
{
    struct asked asked = {0};

    start(&asked, "127.0.0.9", AF_UNSPEC);
    cr_assert(loop_until_set(asked.worker, &asked.done));
    loop_turns(asked.worker, 5);
    cr_assert_eq(asked.count, 1);
    cr_assert_eq(asked.answer.count, 1);
    cr_assert(addr_is_loopback(&asked.answer.addrs[0]));
    cr_assert_eq(addr_port(&asked.answer.addrs[0]), 0);
    worker_destroy(asked.worker);
}

Test(bindname, keeps_to_the_family)
{
    struct asked asked = {0};

    start(&asked, "::1", AF_INET);
    cr_assert(loop_until_set(asked.worker, &asked.done));
    cr_assert_eq(asked.answer.count, 0);
    cr_assert(asked.answer.why && *asked.answer.why);
    worker_destroy(asked.worker);
}

Test(bindname, one_that_was_cancelled_is_not_told)
{
    struct asked asked[50] = {{0}};

    for (int i = 0; i < 50; i++) {
        struct bindname *name = start(&asked[i], "127.0.0.1", AF_UNSPEC);

        if (i % 2)
            usleep(300);
        if (i % 4 == 3)
            loop_turns(asked[i].worker, 1);
        if (asked[i].count == 0)
            bindname_cancel(name);
        worker_destroy(asked[i].worker);
        cr_assert_leq(asked[i].count, 1);
        cr_assert(asked[i].count == 0 || i % 4 == 3);
    }
    bindname_cancel(NULL);
}
