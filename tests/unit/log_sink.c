#include "tests/unit/log_sink.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void
log_sink_init(struct log_sink *sink)
{
    memset(sink, 0, sizeof(*sink));
    strcpy(sink->dir, "/tmp/culvert-log-XXXXXX");
    cr_assert(mkdtemp(sink->dir));
    snprintf(sink->path, sizeof(sink->path), "%s/log", sink->dir);
}

void
log_sink_open(struct log_sink *sink, enum log_level level,
              enum log_format format)
{
    const struct log_options options = {
        .level = level, .format = format, .path = sink->path};

    cr_assert_eq(log_open(&options), ERR_OK);
}

const char *
log_sink_text(struct log_sink *sink)
{
    FILE *file;
    size_t len;

    log_close();
    file = fopen(sink->path, "r");
    cr_assert(file);
    len = fread(sink->text, 1, sizeof(sink->text) - 1, file);
    sink->text[len] = 0;
    fclose(file);
    unlink(sink->path);
    rmdir(sink->dir);
    return sink->text;
}

struct log_sink *
log_sink_new(enum log_level level, enum log_format format)
{
    static struct log_sink sink;

    log_sink_init(&sink);
    log_sink_open(&sink, level, format);
    return &sink;
}
