/* A link to a real sshd: opens and their outcomes, its loss, its end. */
#include "transport/ssh/sshlink.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/loop_help.h"
#include "tests/unit/ssh_bed.h"
#include "transport/base/clock.h"

struct at_once {
    struct sshlink_open open;
    struct target target;
    enum err expected;
    bool done;
};

static struct ssh_bed bed;
static struct worker *worker;

static void
begin_with(const char *config)
{
    ssh_bed_start(&bed, config);
    worker = worker_create(0);
    ssh_bed_link(&bed, worker);
}

static void
begin(void)
{
    begin_with("");
}

static void
end(void)
{
    ssh_bed_end(&bed);
    worker_destroy(worker);
}

TestSuite(sshlink, .fini = end);

static void
target_at(struct target *target, const char *host, unsigned port)
{
    cr_assert_eq(target_set_host(target, host, strlen(host), (uint16_t)port),
                 ERR_OK);
}

/* A port that nobody listens on. */
static unsigned
closed_port(void)
{
    union addr addr;

    close(sockets_listen(&addr, 1));
    return addr_port(&addr);
}

static void
on_done(struct sshlink_open *open)
{
    struct at_once *one = open->owner;

    cr_assert_not(one->done, "twice");
    one->done = true;
}

/* --- opens ---------------------------------------------------------------- */

Test(sshlink, an_open_port_gives_a_stream)
{
    struct stream *stream;
    char byte = 0;
    size_t put;
    int fd;

    begin();
    stream = ssh_bed_connect(&bed, &fd);
    cr_assert_eq(sshlink_streams(bed.link), 1);
    cr_assert_eq(atomic_load(&bed.load.channels), 1);
    cr_assert_eq(atomic_load(&bed.load.opening), 0);
    cr_assert_eq(stream_write(stream, "x", 1, &put), ERR_OK);
    loop_for(worker, 0.05);
    cr_assert_eq(read(fd, &byte, 1), 1);
    cr_assert_eq(byte, 'x');
    cr_assert_eq(atomic_load(&bed.load.out), 1);
    stream_close(stream, STREAM_GRACEFUL);
    cr_assert_eq(sshlink_streams(bed.link), 0);
    cr_assert_eq(atomic_load(&bed.load.channels), 0);
    close(fd);
}

static enum err
outcome(const char *host, unsigned port)
{
    struct stream *stream;
    struct target target;

    target_at(&target, host, port);
    return ssh_bed_open(&bed, &target, &stream);
}

Test(sshlink, refusals_have_their_reasons)
{
    begin_with("PermitOpen 127.0.0.1:* no.such.name.invalid:80");
    cr_assert_eq(outcome("127.0.0.1", closed_port()), ERR_REFUSED);
    cr_assert_eq(outcome("no.such.name.invalid", 80), ERR_NAME_NOT_FOUND);
    cr_assert_eq(outcome("127.0.0.2", 80), ERR_PROHIBITED);
    cr_assert_eq(bed.downs, 0);
}

Test(sshlink, many_refusals_at_once_are_each_told_its_own)
{
    static struct at_once each[60];
    unsigned port = closed_port();

    begin_with("PermitOpen 127.0.0.1:*");
    for (int i = 0; i < 60; i++) {
        struct at_once *one = &each[i];

        one->open.target = &one->target;
        one->open.done = on_done;
        one->open.owner = one;
        if (i % 3 == 0) {
            one->target = bed.target;
            one->expected = ERR_OK;
        } else {
            target_at(&one->target, i % 3 == 1 ? "127.0.0.1" : "127.0.0.3",
                      port);
            one->expected = i % 3 == 1 ? ERR_REFUSED : ERR_PROHIBITED;
        }
        sshlink_open_start(bed.link, &one->open);
    }
    cr_assert_eq(atomic_load(&bed.load.opening), 60);
    for (int i = 0; i < 60; i++) {
        cr_assert(loop_until_set(worker, &each[i].done));
        cr_assert_eq(each[i].open.err, each[i].expected, "%d", i);
        if (each[i].open.stream)
            stream_close(each[i].open.stream, STREAM_GRACEFUL);
    }
    cr_assert_eq(atomic_load(&bed.load.opening), 0);
    cr_assert_eq(bed.downs, 0);
}

static bool
far_is_closed(void *arg)
{
    char byte;

    return recv(*(int *)arg, &byte, 1, MSG_DONTWAIT) == 0;
}

static bool
has_connection(void *arg)
{
    struct pollfd one = {.fd = bed.listener, .events = POLLIN};

    (void)arg;
    return poll(&one, 1, 0) == 1;
}

Test(sshlink, a_cancelled_open_is_closed_when_it_comes_all_the_same)
{
    struct at_once one = {.open = {.done = on_done}};
    int fd;

    begin();
    one.open.target = &bed.target;
    one.open.owner = &one;
    sshlink_open_start(bed.link, &one.open);
    sshlink_open_cancel(bed.link, &one.open);
    cr_assert(loop_until(worker, has_connection, NULL));
    fd = accept4(bed.listener, NULL, NULL, SOCK_NONBLOCK);
    cr_assert(loop_until(worker, far_is_closed, &fd));
    cr_assert_not(one.done);
    cr_assert_eq(atomic_load(&bed.load.opening), 0);
    cr_assert_eq(sshlink_streams(bed.link), 0);
    close(fd);
    /* And the link is as good as before. */
    stream_close(ssh_bed_connect(&bed, &fd), STREAM_GRACEFUL);
    close(fd);
}

Test(sshlink, a_cancelled_open_that_is_refused_does_no_harm)
{
    struct at_once one = {.open = {.done = on_done}};
    int fd;

    begin();
    target_at(&one.target, "127.0.0.1", closed_port());
    one.open.target = &one.target;
    one.open.owner = &one;
    sshlink_open_start(bed.link, &one.open);
    sshlink_open_cancel(bed.link, &one.open);
    loop_for(worker, 0.1);
    cr_assert_not(one.done);
    stream_close(ssh_bed_connect(&bed, &fd), STREAM_GRACEFUL);
    close(fd);
    cr_assert_eq(bed.downs, 0);
}

Test(sshlink, a_path_is_reached)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    int listening = socket(AF_UNIX, SOCK_STREAM, 0);
    struct stream *stream;
    struct target target;

    begin();
    snprintf(name.sun_path, sizeof(name.sun_path), "%s/socket", bed.dir);
    cr_assert_eq(bind(listening, (struct sockaddr *)&name, sizeof(name)), 0);
    cr_assert_eq(listen(listening, 1), 0);
    cr_assert_eq(target_set_unix(&target, name.sun_path), ERR_OK);
    cr_assert_eq(ssh_bed_open(&bed, &target, &stream), ERR_OK);
    stream_close(stream, STREAM_GRACEFUL);
    close(listening);
    unlink(name.sun_path);
    cr_assert_neq(ssh_bed_open(&bed, &target, &stream), ERR_OK);
    cr_assert_eq(bed.downs, 0);
}

Test(sshlink, nodelay_runs_a_command_once)
{
    char path[100];
    char config[200];
    int fd;

    /* What is run leaves a mark. */
    snprintf(path, sizeof(path), "/tmp/ssh-bed-ran-%d", (int)getpid());
    snprintf(config, sizeof(config), "ForceCommand echo ran >>%s", path);
    ssh_bed_start(&bed, config);
    bed.dest->server_nodelay = true;
    worker = worker_create(0);
    ssh_bed_link(&bed, worker);
    for (int i = 0; i < 400 && access(path, F_OK) != 0; i++)
        loop_for(worker, 0.05);
    /* Refusals are still told apart by number. */
    cr_assert_eq(outcome("127.0.0.1", closed_port()), ERR_REFUSED);
    stream_close(ssh_bed_connect(&bed, &fd), STREAM_GRACEFUL);
    close(fd);
    loop_for(worker, 0.1);
    fd = open(path, O_RDONLY);
    cr_assert_geq(fd, 0);
    cr_assert_eq(read(fd, config, sizeof(config)), 4);
    close(fd);
    unlink(path);
}

/* --- the end -------------------------------------------------------------- */

static bool
is_down(void *arg)
{
    (void)arg;
    return bed.downs > 0;
}

static void
read_all(struct stream *stream, const char *expected, enum err err)
{
    char bytes[64] = "";
    size_t len = 0;
    size_t got;

    while (len < strlen(expected)) {
        cr_assert_eq(
            stream_read(stream, bytes + len, sizeof(bytes) - len, &got),
            ERR_OK);
        len += got;
    }
    cr_assert_str_eq(bytes, expected);
    cr_assert_eq(stream_read(stream, bytes, 1, &got), err);
    cr_assert_eq(stream_write(stream, "x", 1, &got), ERR_RESET);
}

static void
on_ready(struct stream *stream, unsigned events)
{
    *(unsigned *)stream->owner |= events;
}

Test(sshlink, the_loss_of_the_server_is_told_once)
{
    struct at_once one = {.open = {.done = on_done}};
    struct stream *stream;
    unsigned events = 0;
    int fd;

    begin();
    stream = ssh_bed_connect(&bed, &fd);
    stream->on_ready = on_ready;
    stream->owner = &events;
    cr_assert_eq(send(fd, "before", 6, 0), 6);
    loop_for(worker, 0.05);
    one.open.target = &bed.target;
    one.open.owner = &one;
    kill(bed.server, SIGSTOP);
    sshlink_open_start(bed.link, &one.open);
    kill(bed.server, SIGKILL);
    stream_want(stream, STREAM_READABLE);
    cr_assert(loop_until(worker, is_down, NULL));
    loop_for(worker, 0.02);
    cr_assert_eq(bed.downs, 1);
    cr_assert_eq(bed.down_err, ERR_RESET);
    cr_assert(strstr(bed.down_text, "closed") || strstr(bed.down_text, "reset"),
              "%s", bed.down_text);
    cr_assert(one.done);
    cr_assert_eq(one.open.err, ERR_TRANSPORT_DOWN);
    cr_assert(events & STREAM_READABLE);
    read_all(stream, "before", ERR_RESET);
    stream_close(stream, STREAM_ABORT);
    close(fd);
}

Test(sshlink, silence_is_noticed)
{
    double before;

    ssh_bed_start(&bed, "");
    bed.dest->alive_interval = 1;
    bed.dest->alive_count_max = 2;
    worker = worker_create(0);
    ssh_bed_link(&bed, worker);
    /* Not while it answers. */
    loop_for(worker, 2.5);
    cr_assert_eq(bed.downs, 0);
    kill(bed.server, SIGSTOP);
    before = clock_seconds();
    cr_assert(loop_until(worker, is_down, NULL));
    cr_assert_leq(clock_seconds() - before, 3.1);
    cr_assert_eq(bed.down_err, ERR_TIMED_OUT);
    cr_assert(strstr(bed.down_text, "nothing was heard"), "%s", bed.down_text);
}

Test(sshlink, an_answer_is_enough_to_live)
{
    int fd;

    ssh_bed_start(&bed, "");
    bed.dest->alive_interval = 1;
    bed.dest->alive_count_max = 1;
    worker = worker_create(0);
    ssh_bed_link(&bed, worker);
    loop_for(worker, 4.5);
    cr_assert_eq(bed.downs, 0);
    stream_close(ssh_bed_connect(&bed, &fd), STREAM_GRACEFUL);
    close(fd);
}

Test(sshlink, destroyed_under_its_streams)
{
    struct at_once one = {.open = {.done = on_done}};
    struct stream *stream;
    unsigned events = 0;
    int fd;

    begin();
    stream = ssh_bed_connect(&bed, &fd);
    stream->on_ready = on_ready;
    stream->owner = &events;
    cr_assert_eq(send(fd, "before", 6, 0), 6);
    loop_for(worker, 0.05);
    one.open.target = &bed.target;
    one.open.owner = &one;
    sshlink_open_start(bed.link, &one.open);
    sshlink_destroy(bed.link);
    bed.link = NULL;
    stream_want(stream, STREAM_READABLE);
    loop_for(worker, 0.02);
    cr_assert_not(one.done);
    cr_assert_eq(bed.downs, 0);
    cr_assert(events & STREAM_READABLE);
    cr_assert_eq(stream_finish(stream), ERR_RESET);
    read_all(stream, "before", ERR_RESET);
    stream_close(stream, STREAM_GRACEFUL);
    cr_assert(loop_until(worker, far_is_closed, &fd));
    close(fd);
}

Test(sshlink, the_server_hears_that_it_ends)
{
    char path[128];
    char log[4096];
    ssize_t len;
    int fd;

    begin();
    stream_close(ssh_bed_connect(&bed, &fd), STREAM_GRACEFUL);
    close(fd);
    sshlink_destroy(bed.link);
    bed.link = NULL;
    cr_assert_eq(waitpid(bed.server, NULL, 0), bed.server);
    bed.server = 0;
    snprintf(path, sizeof(path), "%s/log", bed.dir);
    fd = open(path, O_RDONLY);
    len = read(fd, log, sizeof(log) - 1);
    cr_assert_gt(len, 0);
    log[len] = 0;
    cr_assert(strstr(log, "Received disconnect"), "%s", log);
    close(fd);
}

Test(sshlink, opens_on_a_lost_link_fail_later)
{
    struct stream *stream;

    begin();
    kill(bed.server, SIGKILL);
    cr_assert(loop_until(worker, is_down, NULL));
    cr_assert_eq(ssh_bed_open(&bed, &bed.target, &stream), ERR_TRANSPORT_DOWN);
}
