/* A line of the log with fields, as text or JSON. */
#ifndef CULVERT_TRANSPORT_BASE_LOG_EVENT_H
#define CULVERT_TRANSPORT_BASE_LOG_EVENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

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

/* A peer's word for a message (log_write): as it is, or quoted and escaped as
 * log_string does it; cut where it is long. */
struct log_word {
    char text[256];
};

/* Lends word's text. */
const char *log_word(struct log_word *word, const char *value);

#endif
