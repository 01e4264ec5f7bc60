/* The log: lines on stderr or in a file, as text or JSON.
 *
 * A line is formatted by the thread that has something to say and put into one
 * bounded queue; a thread of the log's own writes it out. So a reader of our
 * stderr that stalls, or a full disk, never holds up a loop: what finds no
 * room is counted and the count is logged later. The log is the one part of
 * the program with file-scope state: every module has something to say, and
 * handing a log through each call would drown the calls.
 *
 * Thread: every function may be called from any thread, once log_open has
 * returned, except where it says otherwise. */
#ifndef CULVERT_TRANSPORT_BASE_LOG_H
#define CULVERT_TRANSPORT_BASE_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "transport/base/err.h"
#include "transport/base/log_event.h"

struct log_options {
    enum log_level level;
    enum log_format format;
    const char *path; /* -E; NULL for stderr. Borrowed for the process */
};

/* Opens the sink, without starting the thread: lines are written at once by
 * their own thread until log_start, so that errors at the start come out in
 * order, and -f can fork in between.
 * Returns ERR_OK, or what opening the file said. */
enum err log_open(const struct log_options *options);

/* Starts the writer's thread. Without it the log goes on as before. */
void log_start(void);

/* Closes the file and opens it again under the same name (log rotation). */
enum err log_reopen(void);

/* Writes out what is queued, for at most a second, and ends the thread. */
void log_close(void);

/* How lines are written. */
enum log_format log_form(void);

bool log_enabled(enum log_level level);

/* A line for a person: "culvert: TEXT", or {"message": TEXT}. Arguments as
 * printf's; no line break at the end. */
void log_write(enum log_level level, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* As log_write at LOG_INFO, on stderr even where the log is a file: the lines
 * that say what stands. always: with -q too (a port that was picked). Thread:
 * the main one, before the terminal is given up. */
void log_ready(bool always, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* As log_ready with always, but in text without the program's name before it: a
 * line that scripts know from ssh. */
void log_bare(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* One allowance of messages: at most burst in every 10 seconds, after which
 * the number held back is told. Zero is a fresh one. */
struct log_limit {
    uint64_t window_ms;
    unsigned said;
    unsigned held;
};

/* As log_write, at most 5 times in 10 seconds per limit: for what a peer or a
 * lack of resources can cause without end.
 * Thread: each limit belongs to one thread. */
void log_limited(struct log_limit *limit, enum log_level level,
                 const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Sends an event, if its level is on. */
void log_send(struct log_event *event);

#endif
