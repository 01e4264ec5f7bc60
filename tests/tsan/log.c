/* Many threads that log while the file is rotated under them: for
 * ThreadSanitizer. Exits 1 when a line is missing or broken. */
#include "transport/base/log.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define THREADS 8
#define LINES   200
#define TURNS   20

/* Far below what may wait, so that none is lost. */
#define PAUSE_US 500

static void *
say_lines(void *arg)
{
    const unsigned *index = arg;
    struct log_limit limit = {0};

    for (unsigned i = 0; i < LINES; i++) {
        struct log_event event;

        log_begin(&event, LOG_INFO, "event");
        log_number(&event, "thread", *index);
        log_number(&event, "line", i);
        log_string(&event, "text", "some words, \"quoted\"");
        log_send(&event);
        log_write(LOG_INFO, "thread %u line %u", *index, i);
        log_limited(&limit, LOG_DEBUG, "not to be seen");
        usleep(PAUSE_US);
    }
    return NULL;
}

/* Returns how many lines of a file are what they are to be, and removes it. */
static unsigned
count_lines(const char *path, bool *wrong)
{
    FILE *file = fopen(path, "r");
    char line[2000];
    unsigned count = 0;

    if (!file)
        return 0;
    while (fgets(line, sizeof(line), file)) {
        unsigned thread;
        unsigned number;

        if (sscanf(line, "culvert: thread %u line %u\n", &thread, &number) ==
                2 ||
            (strncmp(line, "culvert: event time=", 20) == 0 &&
             strstr(line, " text=\"some words, \\\"quoted\\\"\"\n")))
            count++;
        else
            *wrong = true;
    }
    fclose(file);
    unlink(path);
    return count;
}

int
main(void)
{
    char path[] = "/tmp/culvert-tsan-log-XXXXXX";
    struct log_options options = {.level = LOG_INFO, .path = path};
    int file = mkstemp(path);
    pthread_t threads[THREADS];
    unsigned indexes[THREADS];
    unsigned count = 0;
    bool wrong = false;
    char moved[64];

    close(file);
    if (log_open(&options))
        return 1;
    log_start();
    for (unsigned i = 0; i < THREADS; i++) {
        indexes[i] = i;
        if (pthread_create(&threads[i], NULL, say_lines, &indexes[i]))
            return 1;
    }
    for (unsigned i = 0; i < TURNS; i++) {
        snprintf(moved, sizeof(moved), "%s.%u", path, i);
        wrong |= rename(path, moved) != 0;
        wrong |= log_reopen() != ERR_OK;
        usleep(PAUSE_US * 10);
    }
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    log_close();
    for (unsigned i = 0; i < TURNS; i++) {
        snprintf(moved, sizeof(moved), "%s.%u", path, i);
        count += count_lines(moved, &wrong);
    }
    count += count_lines(path, &wrong);
    if (wrong || count != THREADS * LINES * 2) {
        fprintf(stderr, "%u lines of %u%s\n", count, THREADS * LINES * 2,
                wrong ? ", and some are wrong" : "");
        return 1;
    }
    return 0;
}
