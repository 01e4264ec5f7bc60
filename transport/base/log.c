/* Rejected: a write(2) per line by the thread that speaks. It is simpler, but
 * a terminal that was stopped with ^S, or a pipe whose reader sleeps, would
 * stop every session of that worker. And a non-blocking stderr: the flag
 * belongs to the open file, which the shell and its other children share. */
#include "transport/base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "transport/base/clock.h"

/* What may wait to be written. A line is some 250 bytes. */
#define QUEUE_BYTES (256u * 1024)

/* The writer lets lines gather for this long, so that under load one wake
 * serves many. */
#define GATHER_NS (5 * 1000 * 1000)

#define MESSAGE_MAX 1024

static struct {
    enum log_level level;
    enum log_format format;
    const char *path;

    pthread_mutex_t lock;
    pthread_cond_t filled;
    pthread_t thread;
    bool has_thread;
    bool closing;
    int fd;
    char *queue; /* two halves: one fills, one is written */
    char *spare;
    size_t len;
    uint64_t lost;
} sink = {
    .level = LOG_INFO,
    .lock = PTHREAD_MUTEX_INITIALIZER,
    .filled = PTHREAD_COND_INITIALIZER,
    .fd = STDERR_FILENO,
};

static void
write_all(int fd, const char *text, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, text, len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN) {
            /* Another holder of the same open file made it non-blocking. */
            struct pollfd full = {.fd = fd, .events = POLLOUT};

            poll(&full, 1, -1);
            continue;
        }
        if (n <= 0)
            return; /* a full disk: there is nobody to tell */
        text += n;
        len -= (size_t)n;
    }
}

static enum err
open_file(const char *path, int *fd)
{
    /* Non-blocking for the open alone: of a FIFO that nobody reads it would
     * wait for ever. */
    int made = open(
        path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY | O_NONBLOCK,
        0600);

    if (made < 0)
        return errno == ENXIO ? ERR_NO_SUCH_PATH : err_from_errno(errno);
    fcntl(made, F_SETFL, O_APPEND);
    *fd = made;
    return ERR_OK;
}

enum err
log_open(const struct log_options *options)
{
    int fd = STDERR_FILENO;

    if (options->path) {
        enum err err = open_file(options->path, &fd);

        if (err)
            return err;
    }
    sink.level = options->level;
    sink.format = options->format;
    sink.path = options->path;
    sink.fd = fd;
    return ERR_OK;
}

static void
say_lost(int fd, uint64_t lost)
{
    char line[96];
    int n;

    if (sink.format == LOG_JSON)
        n = snprintf(line, sizeof(line),
                     "{\"event\":\"log-lost\",\"lines\":%llu}\n",
                     (unsigned long long)lost);
    else
        n = snprintf(line, sizeof(line), "culvert: log-lost lines=%llu\n",
                     (unsigned long long)lost);
    write_all(fd, line, (size_t)n);
}

static void *
writer_main(void *arg)
{
    const struct timespec gather = {.tv_nsec = GATHER_NS};

    (void)arg;
    pthread_mutex_lock(&sink.lock);
    while (!sink.closing || sink.len > 0) {
        if (sink.len == 0) {
            pthread_cond_wait(&sink.filled, &sink.lock);
            continue;
        }
        if (!sink.closing) {
            pthread_mutex_unlock(&sink.lock);
            nanosleep(&gather, NULL);
            pthread_mutex_lock(&sink.lock);
        }
        char *text = sink.queue;
        size_t len = sink.len;
        uint64_t lost = sink.lost;
        int fd = sink.fd;

        sink.queue = sink.spare;
        sink.spare = text;
        sink.len = 0;
        sink.lost = 0;
        pthread_mutex_unlock(&sink.lock);
        write_all(fd, text, len);
        if (lost > 0)
            say_lost(fd, lost);
        pthread_mutex_lock(&sink.lock);
    }
    pthread_mutex_unlock(&sink.lock);
    return NULL;
}

void
log_start(void)
{
    pthread_mutex_lock(&sink.lock);
    sink.queue = malloc(QUEUE_BYTES);
    sink.spare = malloc(QUEUE_BYTES);
    sink.closing = false;
    if (sink.queue && sink.spare)
        sink.has_thread =
            !pthread_create(&sink.thread, NULL, writer_main, NULL);
    if (sink.has_thread)
        pthread_setname_np(sink.thread, "log");
    pthread_mutex_unlock(&sink.lock);
}

enum err
log_reopen(void)
{
    enum err err;
    int fd = -1;

    if (!sink.path)
        return ERR_OK;
    err = open_file(sink.path, &fd);
    if (err)
        return err;
    pthread_mutex_lock(&sink.lock);
    /* The number stays, so the writer needs no word of the change. */
    if (dup3(fd, sink.fd, O_CLOEXEC) < 0)
        err = err_from_errno(errno);
    pthread_mutex_unlock(&sink.lock);
    close(fd);
    return err;
}

void
log_close(void)
{
    struct timespec limit;
    bool ended = true;

    if (sink.has_thread) {
        pthread_mutex_lock(&sink.lock);
        sink.closing = true;
        pthread_cond_signal(&sink.filled);
        pthread_mutex_unlock(&sink.lock);
        clock_gettime(CLOCK_REALTIME, &limit);
        limit.tv_sec += 1;
        ended = pthread_timedjoin_np(sink.thread, NULL, &limit) == 0;
        sink.has_thread = false;
    }
    if (!ended)
        return; /* the writer is stuck, and the process about to end */
    free(sink.queue);
    free(sink.spare);
    sink.queue = sink.spare = NULL;
    if (sink.path)
        close(sink.fd);
    sink.fd = STDERR_FILENO;
    sink.path = NULL;
}

enum log_format
log_form(void)
{
    return sink.format;
}

bool
log_enabled(enum log_level level)
{
    return level <= sink.level;
}

/* Takes whole lines only: half a line is worse than none. */
static void
put_line(const char *line, size_t len)
{
    pthread_mutex_lock(&sink.lock);
    if (!sink.has_thread) {
        write_all(sink.fd, line, len);
    } else if (sink.len + len > QUEUE_BYTES) {
        sink.lost++;
    } else {
        memcpy(sink.queue + sink.len, line, len);
        if (sink.len == 0)
            pthread_cond_signal(&sink.filled);
        sink.len += len;
    }
    pthread_mutex_unlock(&sink.lock);
}

/* --- events and messages -------------------------------------------------- */

void
log_send(struct log_event *event)
{
    if (!log_enabled(event->level))
        return;
    if (event->format == LOG_JSON)
        event->text[event->len++] = '}';
    event->text[event->len++] = '\n';
    put_line(event->text, event->len);
}

/* As log_string, but what does not fit is cut off, not left out. */
static void
put_cut_string(struct log_event *event, const char *name, char *value)
{
    size_t before = event->len;

    for (;;) {
        log_string(event, name, value);
        if (event->len > before || !*value)
            return;
        value[strlen(value) * 3 / 4] = 0;
    }
}

static const char own_name[] = "culvert: ";

/* prefix: what stands before it in text. */
static void
put_message(enum log_level level, const char *prefix, char *message)
{
    char line[MESSAGE_MAX + 16];
    int n;

    if (sink.format == LOG_JSON) {
        struct log_event event;

        log_begin(&event, level, "message");
        put_cut_string(&event, "message", message);
        log_send(&event);
        return;
    }
    n = snprintf(line, sizeof(line), "%s%s\n", prefix, message);
    put_line(line, (size_t)n);
}

__attribute__((format(printf, 2, 0))) static void
write_message(enum log_level level, const char *format, va_list args)
{
    char message[MESSAGE_MAX];

    vsnprintf(message, sizeof(message), format, args);
    /* A name from a peer may hold anything: no line of its own making. */
    for (char *c = message; *c; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            *c = '?';
    put_message(level, own_name, message);
}

void
log_write(enum log_level level, const char *format, ...)
{
    va_list args;

    if (!log_enabled(level))
        return;
    va_start(args, format);
    write_message(level, format, args);
    va_end(args);
}

__attribute__((format(printf, 2, 0))) static void
write_everywhere(const char *prefix, const char *format, va_list args)
{
    char message[MESSAGE_MAX];

    vsnprintf(message, sizeof(message), format, args);
    put_message(LOG_QUIET, prefix, message);
    if (sink.path)
        dprintf(STDERR_FILENO, "%s%s\n", prefix, message);
}

void
log_ready(bool always, const char *format, ...)
{
    va_list args;

    if (!always && !log_enabled(LOG_INFO))
        return;
    va_start(args, format);
    write_everywhere(own_name, format, args);
    va_end(args);
}

void
log_bare(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    write_everywhere("", format, args);
    va_end(args);
}

#define LIMIT_BURST     5
#define LIMIT_WINDOW_MS 10000

void
log_limited(struct log_limit *limit, enum log_level level, const char *format,
            ...)
{
    uint64_t now_ms;
    va_list args;

    if (!log_enabled(level))
        return;
    now_ms = (uint64_t)(clock_seconds() * 1000);
    if (limit->said == 0 || now_ms - limit->window_ms >= LIMIT_WINDOW_MS) {
        if (limit->held > 0)
            log_write(level, "%u messages like the next were held back",
                      limit->held);
        *limit = (struct log_limit){.window_ms = now_ms};
    }
    if (limit->said >= LIMIT_BURST) {
        limit->held++;
        return;
    }
    limit->said++;
    va_start(args, format);
    write_message(level, format, args);
    va_end(args);
}
