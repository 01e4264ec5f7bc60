/* What is said of the forwards. */
#include <stdio.h>
#include <string.h>
#include <utlist.h>

#include "proxy/forwards_parts.h"
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

/* Adds a whole line, or nothing. */
static void
add_line(char *buf, size_t size, size_t *len, const char *line)
{
    size_t more = strlen(line);

    if (more >= size - *len)
        return;
    memcpy(buf + *len, line, more + 1);
    *len += more;
}

size_t
forwards_describe(const struct forwards *forwards, char *buf, size_t size)
{
    const struct standing *each;
    const struct listener *listener;
    size_t len = 0;

    LL_FOREACH (forwards->all_, each) {
        char line[REMOTE_TEXT_MAX + REMOTE_WHY_MAX];

        if (each->remote) {
            remote_describe(each->remote, line, sizeof(line));
            add_line(buf, size, &len, line);
        }
        LL_FOREACH (each->listeners.head, listener) {
            char text[LISTENER_TEXT_MAX];

            snprintf(line, sizeof(line), "listening on %s\n",
                     listener_format(listener, via_word(forwards), text));
            add_line(buf, size, &len, line);
        }
    }
    return len;
}
