/* The threads of logins: against servers that are silent, so that nothing but
 * the time-out, or a cancel, ends them. Whole logins are in tests/e2e. */
#include "transport/ssh/sshlogin.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/loop_help.h"

#define LOGINS 40

struct bed {
    struct worker *worker;
    struct sshdest *dest;
    struct sshcred *cred;
    bool is_done;
    unsigned done;
    enum err err;
    char text[1024];
};

static void
on_done(void *arg, const struct sshlogin_outcome *outcome)
{
    struct bed *bed = arg;

    bed->done++;
    bed->is_done = true;
    bed->err = outcome->err;
    snprintf(bed->text, sizeof(bed->text), "%s", outcome->text);
    cr_expect_null(outcome->session);
}

static void
start(struct bed *bed)
{
    *bed = (struct bed){.worker = worker_create(0)};
    bed->dest = sshdest_create();
    bed->dest->host = strdup("gw.test");
    bed->dest->user = strdup("alice");
    cr_assert_eq(sshcred_create(NULL, &bed->cred), ERR_OK);
}

static void
end(struct bed *bed)
{
    cr_expect(sshlogin_wait_all(LOOP_PATIENCE_SECONDS));
    worker_destroy(bed->worker);
    sshdest_destroy(bed->dest);
    sshcred_destroy(bed->cred);
}

/* Starts a login on one of the pair, which it takes. */
static struct sshlogin *
log_in(struct bed *bed, int fd)
{
    const struct sshlogin_request request = {
        .dest = bed->dest,
        .fd = fd,
        .cred = bed->cred,
        .worker = bed->worker,
        .done = on_done,
        .arg = bed,
    };
    struct sshlogin *login;

    cr_assert_eq(sshlogin_start(&request, &login), ERR_OK);
    cr_expect_not(bed->is_done, "done from inside the start");
    return login;
}

/* Waits for the version that the client sends: it is under way then. */
static void
wait_version(int fd)
{
    char c;

    sockets_be_patient(fd);
    do
        sockets_read(fd, &c, 1);
    while (c != '\n');
}

static bool
has_ended(int fd)
{
    char some[1024];
    ssize_t n;

    do
        n = recv(fd, some, sizeof(some), 0);
    while (n > 0);
    return n == 0;
}

static void
pair(int fds[2])
{
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    sockets_be_patient(fds[1]);
}

Test(sshlogin, a_silent_server_is_given_up)
{
    struct bed bed;
    int fds[2];

    start(&bed);
    bed.dest->connect_timeout = 0.05;
    pair(fds);
    log_in(&bed, fds[0]);
    cr_assert(loop_until_set(bed.worker, &bed.is_done));
    cr_expect_eq(bed.err, ERR_TIMED_OUT);
    cr_expect(strstr(bed.text, "alice@gw.test: "), "%s", bed.text);
    cr_expect(has_ended(fds[1]), "the socket is open still");
    close(fds[1]);
    end(&bed);
}

Test(sshlogin, a_server_that_leaves_is_told)
{
    struct bed bed;
    int fds[2];

    start(&bed);
    pair(fds);
    log_in(&bed, fds[0]);
    wait_version(fds[1]);
    close(fds[1]);
    cr_assert(loop_until_set(bed.worker, &bed.is_done));
    cr_expect_eq(bed.err, ERR_RESET);
    end(&bed);
}

Test(sshlogin, a_cancel_ends_a_wait_without_a_time_out)
{
    struct bed bed;
    struct sshlogin *login;
    int fds[2];

    start(&bed);
    pair(fds);
    login = log_in(&bed, fds[0]);
    wait_version(fds[1]);
    sshlogin_cancel(login);
    cr_expect(has_ended(fds[1]), "the socket is open still");
    cr_expect(sshlogin_wait_all(LOOP_PATIENCE_SECONDS));
    loop_turns(bed.worker, 3);
    cr_expect_not(bed.is_done, "done after cancel");
    close(fds[1]);
    end(&bed);
}

Test(sshlogin, a_cancel_after_the_end_is_no_done_either)
{
    struct bed bed;
    struct sshlogin *login;
    int fds[2];

    start(&bed);
    pair(fds);
    login = log_in(&bed, fds[0]);
    close(fds[1]);
    cr_assert(sshlogin_wait_all(LOOP_PATIENCE_SECONDS));
    sshlogin_cancel(login); /* its mail is under way */
    loop_turns(bed.worker, 3);
    cr_expect_not(bed.is_done, "done after cancel");
    sshlogin_cancel(NULL);
    end(&bed);
}

Test(sshlogin, those_beyond_the_threads_wait_for_one)
{
    struct sshlogin *logins[LOGINS];
    int fds[LOGINS][2];
    struct bed bed;
    unsigned before = sockets_open_count();

    start(&bed);
    for (unsigned i = 0; i < LOGINS; i++) {
        pair(fds[i]);
        logins[i] = log_in(&bed, fds[i][0]);
    }
    /* Every second is cancelled, also of those that wait; the others are
     * left by their servers, one after another. */
    for (unsigned i = 0; i < LOGINS; i += 2)
        sshlogin_cancel(logins[i]);
    for (unsigned i = 1; i < LOGINS; i += 2) {
        wait_version(fds[i][1]);
        shutdown(fds[i][1], SHUT_WR);
    }
    while (bed.done < LOGINS / 2) {
        bed.is_done = false;
        cr_assert(loop_until_set(bed.worker, &bed.is_done));
    }
    for (unsigned i = 0; i < LOGINS; i++) {
        cr_expect(has_ended(fds[i][1]));
        close(fds[i][1]);
    }
    end(&bed);
    cr_expect_eq(bed.done, LOGINS / 2);
    cr_expect_eq(sockets_open_count(), before, "a descriptor is left open");
}

Test(sshlogin, a_destination_may_go_while_its_login_ends)
{
    struct bed bed;
    struct sshlogin *login;
    int fds[2];

    start(&bed);
    pair(fds);
    login = log_in(&bed, fds[0]);
    sshlogin_cancel(login);
    /* The thread may be anywhere: what it uses is its own. */
    sshdest_destroy(bed.dest);
    sshcred_destroy(bed.cred);
    bed.dest = NULL;
    bed.cred = NULL;
    close(fds[1]);
    end(&bed);
}
