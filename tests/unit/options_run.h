/* Runs options_parse over a command line and keeps what it printed. */
#ifndef CULVERT_TESTS_UNIT_OPTIONS_RUN_H
#define CULVERT_TESTS_UNIT_OPTIONS_RUN_H

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "proxy/options.h"

struct options_run {
    enum options_result result;
    struct settings *settings; /* given with OPTIONS_RUN, else NULL */
    char out[8192];
    char err[8192];
};

#define OPTIONS_RUN_ARGS 32

/* One of the standard descriptors, turned into a file for a while. */
struct options_capture {
    int fd;
    int saved;
    int file;
};

static inline struct options_capture
options_capture_start(FILE *stream)
{
    struct options_capture capture = {.fd = fileno(stream)};

    fflush(stream);
    capture.saved = dup(capture.fd);
    capture.file = memfd_create("capture", 0);
    cr_assert(capture.saved >= 0 && capture.file >= 0);
    cr_assert(dup2(capture.file, capture.fd) >= 0);
    return capture;
}

static inline void
options_capture_end(struct options_capture capture, FILE *stream, char *text,
                    size_t size)
{
    ssize_t len;

    fflush(stream);
    len = pread(capture.file, text, size - 1, 0);
    text[len > 0 ? len : 0] = 0;
    dup2(capture.saved, capture.fd);
    close(capture.saved);
    close(capture.file);
}

/* args ends with NULL and has no program's name; its texts are borrowed as
 * argv's are. Whoever runs it destroys the settings. */
static inline void
options_run(const char *const args[], struct options_run *run)
{
    char *argv[OPTIONS_RUN_ARGS] = {(char[]){"culvert"}};
    struct options_capture out, err;
    int argc = 1;

    while (args[argc - 1]) {
        cr_assert(argc < OPTIONS_RUN_ARGS - 1);
        argv[argc] = (char *)(uintptr_t)args[argc - 1];
        argc++;
    }
    run->settings = NULL;
    out = options_capture_start(stdout);
    err = options_capture_start(stderr);
    run->result = options_parse(argc, argv, &run->settings);
    options_capture_end(err, stderr, run->err, sizeof(run->err));
    options_capture_end(out, stdout, run->out, sizeof(run->out));
}

#define ARGS(...)         \
    (const char *const[]) \
    {                     \
        __VA_ARGS__, NULL \
    }

/* Runs a command line that must be accepted without a word, and gives its
 * settings. */
static inline struct settings *
options_accept(const char *const args[])
{
    struct options_run run;

    options_run(args, &run);
    cr_assert_eq(run.result, OPTIONS_RUN, "%s: %s", args[0], run.err);
    cr_assert_str_eq(run.err, "");
    cr_assert_str_eq(run.out, "");
    return run.settings;
}

/* Runs a command line that must be refused, with a message that has word. */
static inline void
options_refuse(const char *const args[], const char *word)
{
    struct options_run run;

    options_run(args, &run);
    cr_assert_eq(run.result, OPTIONS_USAGE, "%s", args[0]);
    cr_assert_null(run.settings);
    cr_assert_str_eq(run.out, "");
    cr_assert(strncmp(run.err, "culvert: ", 9) == 0, "%s", run.err);
    cr_assert(strstr(run.err, word), "\"%s\" is not in: %s", word, run.err);
}

static inline unsigned
options_count_forwards(const struct settings *settings)
{
    unsigned n = 0;

    for (struct forward *f = settings->forwards; f; f = f->next)
        n++;
    return n;
}

/* A users file with one user; unlink it. */
static inline void
options_users_file(char path[32])
{
    static const char line[] = "me:$1$saltsalt$9xy1btjgzLYfb7hivXtC//\n";
    int fd;

    strcpy(path, "/tmp/culvert-users-XXXXXX");
    fd = mkstemp(path); /* its mode is 0600 */
    cr_assert(fd >= 0);
    cr_assert_eq(write(fd, line, strlen(line)), (ssize_t)strlen(line));
    close(fd);
}

#endif
