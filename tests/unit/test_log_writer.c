/* The thread that writes the log, and what becomes of a bad sink. */
#include "transport/base/log.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/log_sink.h"

Test(log, the_writer_keeps_the_order_and_close_writes_all)
{
    struct log_sink *sink = log_sink_new(LOG_INFO, LOG_TEXT);
    const char *at;

    log_write(LOG_INFO, "line 0");
    log_start();
    for (int i = 1; i < 5000; i++)
        log_write(LOG_INFO, "line %d", i);
    at = log_sink_text(sink);
    for (int i = 0; i < 5000; i++) {
        char line[32];
        int len = snprintf(line, sizeof(line), "culvert: line %d\n", i);

        cr_assert_eq(strncmp(at, line, (size_t)len), 0, "line %d", i);
        at += len;
    }
    cr_assert_str_eq(at, "");
}

Test(log, reopen_goes_on_in_a_new_file)
{
    struct log_sink *sink = log_sink_new(LOG_INFO, LOG_TEXT);
    char moved[100];
    char text[100] = "";
    FILE *file;

    snprintf(moved, sizeof(moved), "%s.1", sink->path);
    log_write(LOG_INFO, "before");
    cr_assert_eq(rename(sink->path, moved), 0);
    log_write(LOG_INFO, "between");
    cr_assert_eq(log_reopen(), ERR_OK);
    log_start();
    log_write(LOG_INFO, "after");
    log_close();
    file = fopen(moved, "r");
    cr_assert_gt(fread(text, 1, sizeof(text) - 1, file), 0);
    fclose(file);
    unlink(moved);
    cr_assert_str_eq(text, "culvert: before\nculvert: between\n");
    cr_assert_str_eq(log_sink_text(sink), "culvert: after\n");
}

Test(log, a_reopen_that_fails_leaves_the_old_file)
{
    struct log_sink *sink = log_sink_new(LOG_INFO, LOG_TEXT);
    char moved[100];

    snprintf(moved, sizeof(moved), "%s.old", sink->path);
    cr_assert_eq(rename(sink->path, moved), 0);
    cr_assert_eq(mkdir(sink->path, 0700), 0);
    cr_assert_neq(log_reopen(), ERR_OK);
    log_write(LOG_INFO, "still here");
    cr_assert_eq(rmdir(sink->path), 0);
    cr_assert_eq(rename(moved, sink->path), 0);
    cr_assert_str_eq(log_sink_text(sink), "culvert: still here\n");
}

/* Counts whole lines "culvert: line N xxx" in the order that they were sent,
 * and adds up what was told as lost. Half a line is an assertion. */
struct tally {
    char rest[200];
    size_t rest_len;
    unsigned long lines;
    unsigned long lost;
    long last;
};

#define PADDING \
    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"

static void
tally_line(struct tally *tally, const char *line)
{
    unsigned long lost;
    long number;
    char padding[100];

    if (sscanf(line, "culvert: log-lost lines=%lu", &lost) == 1) {
        tally->lost += lost;
        return;
    }
    cr_assert_eq(sscanf(line, "culvert: line %ld %99s", &number, padding), 2,
                 "half a line: %s", line);
    cr_assert_str_eq(padding, PADDING);
    cr_assert_gt(number, tally->last);
    tally->last = number;
    tally->lines++;
}

static void
tally_bytes(struct tally *tally, const char *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (bytes[i] == '\n') {
            tally->rest[tally->rest_len] = 0;
            tally_line(tally, tally->rest);
            tally->rest_len = 0;
        } else {
            cr_assert_lt(tally->rest_len, sizeof(tally->rest) - 1);
            tally->rest[tally->rest_len++] = bytes[i];
        }
    }
}

/* Reads until nothing has come for a while, or the end. */
static void
tally_until_idle(struct tally *tally, int fd)
{
    static char bytes[65536];
    int idle = 0;

    while (idle < 20) {
        ssize_t n = read(fd, bytes, sizeof(bytes));

        if (n == 0)
            return;
        if (n < 0) {
            cr_assert_eq(errno, EAGAIN);
            usleep(10000);
            idle++;
            continue;
        }
        idle = 0;
        tally_bytes(tally, bytes, (size_t)n);
    }
}

#define FLOOD 10000

Test(log, a_reader_that_stalls_holds_nobody_up_and_losses_are_told,
     .timeout = 30)
{
    struct tally tally = {.last = -1};
    struct log_sink sink;
    int reader;

    log_sink_init(&sink);
    cr_assert_eq(mkfifo(sink.path, 0600), 0);
    reader = open(sink.path, O_RDONLY | O_NONBLOCK);
    log_sink_open(&sink, LOG_INFO, LOG_TEXT);
    log_start();
    for (long i = 0; i < FLOOD; i++)
        log_write(LOG_INFO, "line %ld %s", i, PADDING);
    tally_until_idle(&tally, reader);
    cr_assert_gt(tally.lost, 0, "more than pipe and queue hold");
    cr_assert_gt(tally.lines, 1000);
    cr_assert_eq(tally.lines + tally.lost, FLOOD);
    /* All is well again. */
    log_write(LOG_INFO, "line %d %s", FLOOD, PADDING);
    log_close();
    tally_until_idle(&tally, reader);
    cr_assert_eq(tally.last, FLOOD);
    cr_assert_eq(tally.lines + tally.lost, FLOOD + 1);
    close(reader);
    unlink(sink.path);
    rmdir(sink.dir);
}

Test(log, close_does_not_wait_for_a_reader_that_stalls, .timeout = 30)
{
    struct log_sink sink;
    int reader;

    signal(SIGPIPE, SIG_IGN);
    log_sink_init(&sink);
    cr_assert_eq(mkfifo(sink.path, 0600), 0);
    reader = open(sink.path, O_RDONLY | O_NONBLOCK);
    log_sink_open(&sink, LOG_INFO, LOG_TEXT);
    log_start();
    for (long i = 0; i < FLOOD; i++)
        log_write(LOG_INFO, "line %ld %s", i, PADDING);
    log_close();
    unlink(sink.path);
    rmdir(sink.dir);
    close(reader);
}

/* The flag belongs to the open file: another program that has our stderr, too,
 * may have set it. */
Test(log, a_sink_that_was_made_non_blocking_gets_no_half_lines, .timeout = 30)
{
    const struct log_options options = {.level = LOG_INFO};
    struct tally tally = {.last = -1};
    int own = dup(STDERR_FILENO);
    int fds[2];

    cr_assert_eq(pipe2(fds, O_NONBLOCK), 0);
    dup2(fds[1], STDERR_FILENO);
    close(fds[1]);
    cr_assert_eq(log_open(&options), ERR_OK);
    log_start();
    for (long i = 0; i < 1500; i++)
        log_write(LOG_INFO, "line %ld %s", i, PADDING);
    usleep(50000); /* the pipe is full by now, and more waits */
    tally_until_idle(&tally, fds[0]);
    log_write(LOG_INFO, "line %d %s", 1500, PADDING);
    log_close();
    dup2(own, STDERR_FILENO);
    tally_until_idle(&tally, fds[0]);
    cr_assert_eq(tally.last, 1500);
    cr_assert_eq(tally.lines + tally.lost, 1501);
}

Test(log, a_full_disk_is_no_reason_to_stop, .timeout = 30)
{
    const struct log_options options = {.level = LOG_INFO, .path = "/dev/full"};

    cr_assert_eq(log_open(&options), ERR_OK);
    log_write(LOG_ERROR, "lost");
    log_start();
    for (long i = 0; i < FLOOD; i++)
        log_write(LOG_INFO, "line %ld %s", i, PADDING);
    cr_assert_eq(log_reopen(), ERR_OK);
    log_close();
}
