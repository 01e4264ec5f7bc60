/* What is said of the forwards. */
#include <stdio.h>
#include <string.h>
#include <utlist.h>

#include "proxy/forwards_parts.h"
#include "proxy/row.h"
#include "transport/base/log.h"

static const char *
via_word(const struct forwards *forwards)
{
    const struct settings *settings = forwards->settings;

    return settings->ways[settings->local_way].word;
}

void
forwards_announce(const struct forwards *forwards)
{
    const struct standing *each;

    LL_FOREACH (forwards->all_, each) {
        listeners_announce(&each->listeners, via_word(forwards));
        if (each->remote)
            remote_announce(each->remote);
    }
}

void
forwards_log_opened(const struct standing *standing)
{
    const struct listener *each;
    char text[LISTENER_TEXT_MAX];

    LL_FOREACH (standing->listeners.head, each)
        log_write(LOG_INFO, "listening on %s",
                  listener_format(each, via_word(standing->forwards), text));
}

/* Lines of the status, as long as they fit. */
struct page {
    char *buf;
    size_t size;
    size_t len;
    unsigned left_out;
};

/* Room for the line that says how many were left out. */
#define LEFT_OUT_BYTES 64

static void
add_line(struct page *page, const char *line)
{
    size_t more = strlen(line);

    if (page->left_out > 0 || page->len + more + LEFT_OUT_BYTES > page->size) {
        page->left_out++;
        return;
    }
    memcpy(page->buf + page->len, line, more + 1);
    page->len += more;
}

static void
add_forward(struct page *page, const struct standing *standing)
{
    char line[REMOTE_TEXT_MAX + REMOTE_WHY_MAX];
    const struct listener *listener;

    if (standing->remote) {
        remote_describe(standing->remote, line, sizeof(line));
        add_line(page, line);
    }
    LL_FOREACH (standing->listeners.head, listener) {
        char text[LISTENER_TEXT_MAX];

        snprintf(line, sizeof(line), "listening on %s\n",
                 listener_format(listener, via_word(standing->forwards), text));
        add_line(page, line);
    }
}

size_t
forwards_describe(const struct forwards *forwards, char *buf, size_t size)
{
    struct page page = {.buf = buf, .size = size};
    const struct standing *each;

    LL_FOREACH (forwards->all_, each)
        add_forward(&page, each);
    if (page.left_out > 0)
        page.len += (size_t)snprintf(buf + page.len, size - page.len,
                                     "and %u more forwards\n", page.left_out);
    return page.len;
}

void
forwards_rows(const struct forwards *forwards,
              void (*row)(void *arg, json_t *row), void *arg)
{
    const struct standing *each;

    LL_FOREACH (forwards->all_, each) {
        const struct listener *listener;

        if (each->remote) {
            json_t *made = json_object();

            remote_fill_row(each->remote, made);
            row(arg, made);
        }
        LL_FOREACH (each->listeners.head, listener) {
            json_t *made = json_object();

            listener_fill_row(listener, via_word(forwards), made);
            row(arg, made);
        }
    }
}
