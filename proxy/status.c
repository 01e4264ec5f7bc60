#include "proxy/status.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "transport/base/clock.h"
#include "transport/base/log.h"
#include "transport/ssh/sshpool.h"

/* More than there are of, but for very many workers. */
#define ROWS_MAX 256

struct page {
    char *buf;
    size_t size;
    size_t len;
};

/* Adds a line, or nothing when it does not fit. */
__attribute__((format(printf, 2, 3))) static void
put_line(struct page *page, const char *format, ...)
{
    size_t room = page->size - page->len;
    va_list args;
    int n;

    va_start(args, format);
    n = vsnprintf(page->buf + page->len, room, format, args);
    va_end(args);
    if (n < 0 || (size_t)n >= room)
        page->buf[page->len] = 0;
    else
        page->len += (size_t)n;
}

static const char *
state_word(enum sshpool_state state)
{
    switch (state) {
    case SSHPOOL_CONNECTING:
        return "connecting";
    case SSHPOOL_UP:
        return "up";
    case SSHPOOL_WAITING:
        return "waiting";
    }
    return "-";
}

/* Gives the links as they are now (free), or NULL. */
static struct sshpool_row *
take_rows(struct shared *shared, unsigned *count)
{
    struct sshpool_row *rows;

    *count = 0;
    if (!shared->pool)
        return NULL;
    rows = calloc(ROWS_MAX, sizeof(*rows));
    if (!rows)
        return NULL;
    *count = sshpool_rows(shared->pool, rows, ROWS_MAX);
    if (*count > ROWS_MAX)
        *count = ROWS_MAX;
    return rows;
}

static void
put_links(struct page *page, struct shared *shared)
{
    unsigned count;
    struct sshpool_row *rows = take_rows(shared, &count);

    for (unsigned i = 0; i < count; i++) {
        const struct sshpool_row *row = &rows[i];

        put_line(page,
                 "link state=%s worker=%u channels=%u opening=%u in=%llu "
                 "out=%llu rtt_ms=%.3f seconds=%.0f\n",
                 state_word(row->state), row->worker, row->channels,
                 row->opening, (unsigned long long)row->in,
                 (unsigned long long)row->out, row->rtt_us / 1000.,
                 clock_seconds() - row->since);
    }
    free(rows);
}

size_t
status_write(struct shared *shared, const struct forwards *forwards, char *buf,
             size_t size)
{
    const struct settings *settings = shared->settings;
    struct page page = {.buf = buf, .size = size};
    char server[512] = "-";

    if (settings->ssh)
        sshdest_format(settings->ssh, server, sizeof(server));
    put_line(&page,
             "culvert " CULVERT_VERSION
             " pid=%ld workers=%u sessions=%u server=%s\n",
             (long)getpid(), settings->workers,
             atomic_load(&shared->limits.open), server);
    page.len += forwards_describe(forwards, buf + page.len, size - page.len);
    put_links(&page, shared);
    return page.len;
}

void
status_log_links(struct shared *shared)
{
    unsigned count;
    struct sshpool_row *rows = take_rows(shared, &count);

    for (unsigned i = 0; i < count; i++) {
        const struct sshpool_row *row = &rows[i];
        double age = clock_seconds() - row->since;
        struct log_event event;

        log_begin(&event, LOG_QUIET, "link");
        log_string(&event, "state", state_word(row->state));
        log_number(&event, "worker", row->worker);
        log_number(&event, "channels", row->channels);
        log_number(&event, "opening", row->opening);
        log_number(&event, "in", row->in);
        log_number(&event, "out", row->out);
        log_seconds(&event, "rtt", row->rtt_us / 1000);
        log_seconds(&event, "seconds", (uint64_t)(age > 0 ? age * 1000 : 0));
        log_send(&event);
    }
    free(rows);
}
