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

/* In ssh's order; -q is LOG_QUIET, -v raises by one. A session's own line has
 * LOG_INFO. */
enum log_level {
    LOG_QUIET,
    LOG_FATAL,
    LOG_ERROR,
    LOG_WARN,
    LOG_INFO,
    LOG_VERBOSE,
    LOG_DEBUG,
};

enum log_format {
    LOG_TEXT,
    LOG_JSON,
};

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

/* One event with fields, built up on the caller's stack and sent by log_send:
 * text "culvert: session client=127.0.0.1:5 ...", or a JSON object. A field
 * that no longer fits is left out whole. */
struct log_event {
    enum log_level level;
    enum log_format format;
    size_t len;
    bool full;
    char text[4096]; /* a name and a user of 255 bytes, all escaped, fit */
};

void log_begin(struct log_event *event, enum log_level level, const char *name);

/* Adds name=value; in text a value with spaces, quotes or control bytes is
 * quoted and escaped, so that no peer can forge a line or a field. */
void log_string(struct log_event *event, const char *name, const char *value);
void log_number(struct log_event *event, const char *name, uint64_t value);

/* Seconds with three decimals, from milliseconds. */
void log_seconds(struct log_event *event, const char *name, uint64_t ms);

void log_send(struct log_event *event);

#endif
