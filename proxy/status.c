#include "proxy/status.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proxy/row.h"
#include "transport/base/clock.h"
#include "transport/base/log.h"
#include "transport/reverse/registry.h"
#include "transport/ssh/sshpool.h"

/* More than there are of, but for very many workers. */
#define ROWS_MAX 256

/* Kept for the links' lines, however many forwards there are. */
#define LINKS_BYTES (8u * 1024)

/* Kept for what an object of JSON has around its rows. */
#define FRAME_BYTES 1024

/* --- in lines ------------------------------------------------------------- */

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

/* Gives a way's links as they are now (free), or NULL. */
static struct sshpool_row *
take_rows(const struct shared *shared, unsigned way, unsigned *count)
{
    struct sshpool *pool = shared->pools ? shared->pools[way] : NULL;
    struct sshpool_row *rows;

    *count = 0;
    if (!pool)
        return NULL;
    rows = calloc(ROWS_MAX, sizeof(*rows));
    if (!rows)
        return NULL;
    *count = sshpool_rows(pool, rows, ROWS_MAX);
    if (*count > ROWS_MAX)
        *count = ROWS_MAX;
    return rows;
}

/* Writes which server a way's links go to, or nothing where there is but one.
 * Returns buf. */
static char *
name_server(const struct settings *settings, unsigned way, char *buf,
            size_t size)
{
    unsigned servers = 0;

    for (unsigned i = 0; i < settings->way_count; i++)
        servers += settings->ways[i].ssh != NULL;
    *buf = 0;
    if (servers > 1)
        sshdest_format(settings->ways[way].ssh, buf, size);
    return buf;
}

static void
put_links(struct page *page, const struct shared *shared, unsigned way)
{
    char server[SETTINGS_WORD_MAX];
    unsigned count;
    struct sshpool_row *rows = take_rows(shared, way, &count);

    if (rows)
        name_server(shared->settings, way, server, sizeof(server));
    for (unsigned i = 0; i < count; i++) {
        const struct sshpool_row *row = &rows[i];

        put_line(page,
                 "link%s%s state=%s worker=%u channels=%u opening=%u in=%llu "
                 "out=%llu rtt_ms=%.3f seconds=%.0f\n",
                 *server ? " server=" : "", server, state_word(row->state),
                 row->worker, row->channels, row->opening,
                 (unsigned long long)row->in, (unsigned long long)row->out,
                 row->rtt_us / 1000., clock_seconds() - row->since);
    }
    free(rows);
}

/* Gives the agents as they are now (free), or NULL. */
static struct registry_row *
take_agents(const struct shared *shared, unsigned *count)
{
    struct registry_row *rows = NULL;

    *count = 0;
    if (shared->registry)
        *count = registry_rows(shared->registry, &rows);
    return rows;
}

static const char *
kind_word(const struct registry_row *row)
{
    return row->is_culvert ? "culvert" : "ssh";
}

static void
put_agents(struct page *page, const struct shared *shared)
{
    unsigned count;
    struct registry_row *rows = take_agents(shared, &count);

    for (unsigned i = 0; i < count; i++) {
        const struct registry_row *row = &rows[i];
        struct log_event event = {.format = LOG_TEXT};
        char addr[ADDR_TEXT_MAX];

        /* What peers say of themselves is quoted as in the log. */
        log_string(&event, "name", row->name);
        log_string(&event, "addr", addr_format(&row->peer, addr));
        log_string(&event, "key", *row->print ? row->print : "-");
        log_string(&event, "kind", kind_word(row));
        log_string(&event, "user", row->user);
        log_string(&event, "software", row->software);
        log_string(&event, "ports", *row->ports ? row->ports : "-");
        event.text[event.len] = 0;
        put_line(page,
                 "agent%s since=%.0f streams=%u in=%llu out=%llu rtt_ms=%.3f\n",
                 event.text, clock_seconds() - row->since, row->streams,
                 (unsigned long long)row->in, (unsigned long long)row->out,
                 row->rtt_us / 1000.);
    }
    free(rows);
}

static size_t
write_lines(struct shared *shared, const struct forwards *forwards, char *buf,
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
    if (size > page.len + LINKS_BYTES)
        page.len += forwards_describe(forwards, buf + page.len,
                                      size - page.len - LINKS_BYTES);
    for (unsigned i = 0; i < settings->way_count; i++)
        put_links(&page, shared, i);
    put_agents(&page, shared);
    return page.len;
}

/* --- in JSON -------------------------------------------------------------- */

/* Seconds and milliseconds with their fraction, and not with all the digits
 * that a double has. */
#define JSON_FORM (JSON_COMPACT | JSON_REAL_PRECISION(12))

/* Rows, as long as they fit. */
struct sheet {
    json_t *rows; /* the array that is being filled */
    size_t room;
    unsigned left_out;
};

/* Takes row. */
static void
add_row(void *arg, json_t *row)
{
    struct sheet *sheet = arg;
    size_t len = json_dumpb(row, NULL, 0, JSON_FORM) + 1;

    if (len > sheet->room) {
        sheet->left_out++;
        json_decref(row);
        return;
    }
    sheet->room -= len;
    json_array_append_new(sheet->rows, row);
}

static void
add_links(struct sheet *sheet, const struct shared *shared, unsigned way)
{
    char server[SETTINGS_WORD_MAX];
    unsigned count;
    struct sshpool_row *rows = take_rows(shared, way, &count);

    for (unsigned i = 0; i < count; i++) {
        const struct sshpool_row *from = &rows[i];
        json_t *row = json_object();

        sshdest_format(shared->settings->ways[way].ssh, server, sizeof(server));
        row_text(row, "server", server);
        row_text(row, "state", state_word(from->state));
        row_number(row, "worker", from->worker);
        row_number(row, "channels", from->channels);
        row_number(row, "opening", from->opening);
        row_number(row, "in", from->in);
        row_number(row, "out", from->out);
        row_real(row, "rtt_ms", from->rtt_us / 1000.);
        row_real(row, "seconds", clock_seconds() - from->since);
        add_row(sheet, row);
    }
    free(rows);
}

static void
add_agents(struct sheet *sheet, const struct shared *shared)
{
    unsigned count;
    struct registry_row *rows = take_agents(shared, &count);

    for (unsigned i = 0; i < count; i++) {
        const struct registry_row *from = &rows[i];
        json_t *row = json_object();
        char addr[ADDR_TEXT_MAX];

        row_text(row, "name", from->name);
        row_text(row, "addr", addr_format(&from->peer, addr));
        row_text(row, "key", *from->print ? from->print : NULL);
        row_text(row, "kind", kind_word(from));
        row_text(row, "user", from->user);
        row_text(row, "software", from->software);
        row_number(row, "worker", from->worker);
        row_real(row, "since", clock_seconds() - from->since);
        row_number(row, "streams", from->streams);
        row_number(row, "in", from->in);
        row_number(row, "out", from->out);
        row_real(row, "rtt_ms", from->rtt_us / 1000.);
        row_text(row, "ports", from->ports);
        add_row(sheet, row);
    }
    free(rows);
}

static json_t *
begin_object(const struct shared *shared)
{
    const struct settings *settings = shared->settings;
    json_t *root = json_object();
    char server[512];

    row_text(root, "version", CULVERT_VERSION);
    row_number(root, "pid", (uint64_t)getpid());
    row_number(root, "workers", settings->workers);
    row_number(root, "sessions", atomic_load(&shared->limits.open));
    if (settings->ssh)
        sshdest_format(settings->ssh, server, sizeof(server));
    row_text(root, "server", settings->ssh ? server : NULL);
    return root;
}

/* Fills one of the object's arrays; it is there also when it is empty. */
static void
begin_rows(struct sheet *sheet, json_t *root, const char *key)
{
    sheet->rows = json_array();
    if (json_object_set_new(root, key, sheet->rows))
        sheet->rows = NULL;
}

static size_t
write_object(struct shared *shared, const struct forwards *forwards, char *buf,
             size_t size)
{
    json_t *root = begin_object(shared);
    struct sheet sheet = {.room = 0};
    size_t len;

    if (size > FRAME_BYTES + LINKS_BYTES)
        sheet.room = size - FRAME_BYTES - LINKS_BYTES;
    begin_rows(&sheet, root, "listeners");
    forwards_rows(forwards, add_row, &sheet);
    sheet.room += LINKS_BYTES;
    begin_rows(&sheet, root, "links");
    for (unsigned i = 0; i < shared->settings->way_count; i++)
        add_links(&sheet, shared, i);
    begin_rows(&sheet, root, "agents");
    add_agents(&sheet, shared);
    if (sheet.left_out > 0)
        row_number(root, "left_out", sheet.left_out);
    len = json_dumpb(root, buf, size - 2, JSON_FORM);
    json_decref(root);
    if (len > size - 2)
        len = 0;
    strcpy(buf + len, len > 0 ? "\n" : "");
    return len + (len > 0);
}

size_t
status_write(struct shared *shared, const struct forwards *forwards, bool json,
             char *buf, size_t size)
{
    return json ? write_object(shared, forwards, buf, size)
                : write_lines(shared, forwards, buf, size);
}

/* --- in the log ----------------------------------------------------------- */

static void
log_links(const struct shared *shared, unsigned way)
{
    char server[SETTINGS_WORD_MAX];
    unsigned count;
    struct sshpool_row *rows = take_rows(shared, way, &count);

    if (rows)
        name_server(shared->settings, way, server, sizeof(server));
    for (unsigned i = 0; i < count; i++) {
        const struct sshpool_row *row = &rows[i];
        double age = clock_seconds() - row->since;
        struct log_event event;

        log_begin(&event, LOG_QUIET, "link");
        if (*server)
            log_string(&event, "server", server);
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

void
status_log_links(struct shared *shared)
{
    for (unsigned i = 0; i < shared->settings->way_count; i++)
        log_links(shared, i);
}
