/* A log that a test can read. */
#ifndef CULVERT_TESTS_UNIT_LOG_SINK_H
#define CULVERT_TESTS_UNIT_LOG_SINK_H

#include "transport/base/log.h"

/* A log in a directory of its own. */
struct log_sink {
    char dir[64];
    char path[80];
    char text[512 * 1024];
};

/* Makes the directory. */
void log_sink_init(struct log_sink *sink);

/* Opens the log, which appends to the file. */
void log_sink_open(struct log_sink *sink, enum log_level level,
                   enum log_format format);

/* Both; there is one such log per test. */
struct log_sink *log_sink_new(enum log_level level, enum log_format format);

/* Closes the log and lends what the file holds; its directory goes. */
const char *log_sink_text(struct log_sink *sink);

#endif
