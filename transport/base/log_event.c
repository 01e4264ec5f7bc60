#include "transport/base/log_event.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "transport/base/log.h"

static const char *const level_words[] = {
    [LOG_QUIET] = "info",   [LOG_FATAL] = "fatal", [LOG_ERROR] = "error",
    [LOG_WARN] = "warning", [LOG_INFO] = "info",   [LOG_VERBOSE] = "verbose",
    [LOG_DEBUG] = "debug",
};

/* ISO 8601, UTC, milliseconds. */
static void
format_time(char out[32])
{
    struct timespec now;
    struct tm tm;
    size_t n;

    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &tm);
    n = strftime(out, 32, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(out + n, 32 - n, ".%03ldZ", now.tv_nsec / 1000000);
}

/* Two bytes are kept for "}\n" or "\n". */
static bool
event_put(struct log_event *event, const char *text, size_t len)
{
    if (event->full || event->len + len + 2 > sizeof(event->text)) {
        event->full = true;
        return false;
    }
    memcpy(event->text + event->len, text, len);
    event->len += len;
    return true;
}

static bool
event_puts(struct log_event *event, const char *text)
{
    return event_put(event, text, strlen(text));
}

static bool
is_plain(const char *text)
{
    if (!*text)
        return false;
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;

        if (c <= ' ' || c >= 0x7f || c == '"' || c == '\\' || c == '=')
            return false;
    }
    return true;
}

/* The length of the UTF-8 sequence of a printable character at text (RFC 3629
 * 4), or 0: of a control character, or of bytes that are no UTF-8. */
static size_t
utf8_length(const char *text)
{
    const unsigned char *c = (const unsigned char *)text;
    size_t len = c[0] >= 0xf0 ? 4 : c[0] >= 0xe0 ? 3 : 2;

    if (c[0] < 0xc2 || c[0] > 0xf4)
        return 0;
    for (size_t i = 1; i < len; i++)
        if ((c[i] & 0xc0) != 0x80)
            return 0;
    if ((c[0] == 0xc2 && c[1] < 0xa0) || (c[0] == 0xe0 && c[1] < 0xa0) ||
        (c[0] == 0xed && c[1] > 0x9f) || (c[0] == 0xf0 && c[1] < 0x90) ||
        (c[0] == 0xf4 && c[1] > 0x8f))
        return 0;
    return len;
}

static void
event_put_quoted(struct log_event *event, const char *text)
{
    bool json = event->format == LOG_JSON;
    char escape[8];

    event_puts(event, "\"");
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;

        size_t utf8 = json ? utf8_length(text) : 0;

        if (utf8 > 0) {
            event_put(event, text, utf8);
            text += utf8 - 1;
        } else if (c == '"' || c == '\\') {
            escape[0] = '\\';
            escape[1] = (char)c;
            event_put(event, escape, 2);
        } else if (c < ' ' || c >= 0x7f) {
            snprintf(escape, sizeof(escape), json ? "\\u%04x" : "\\x%02x", c);
            event_puts(event, escape);
        } else {
            event_put(event, text, 1);
        }
    }
    event_puts(event, "\"");
}

static size_t
begin_field(struct log_event *event, const char *name)
{
    size_t mark = event->len;

    if (event->format == LOG_JSON) {
        event_puts(event, mark > 1 ? ",\"" : "\"");
        event_puts(event, name);
        event_puts(event, "\":");
    } else {
        event_puts(event, " ");
        event_puts(event, name);
        event_puts(event, "=");
    }
    return mark;
}

/* A field that did not fit goes again; later, shorter ones may still fit. */
static void
end_field(struct log_event *event, size_t mark)
{
    if (event->full)
        event->len = mark;
    event->full = false;
}

void
log_begin(struct log_event *event, enum log_level level, const char *name)
{
    char now[32];

    event->level = level;
    event->format = log_form();
    event->len = 0;
    event->full = false;
    format_time(now);
    if (event->format == LOG_JSON) {
        event_puts(event, "{");
        log_string(event, "time", now);
        log_string(event, "level", level_words[level]);
        log_string(event, "event", name);
    } else {
        event_puts(event, "culvert: ");
        event_puts(event, name);
        log_string(event, "time", now);
    }
}

void
log_string(struct log_event *event, const char *name, const char *value)
{
    size_t mark = begin_field(event, name);

    if (event->format == LOG_TEXT && is_plain(value))
        event_puts(event, value);
    else
        event_put_quoted(event, value);
    end_field(event, mark);
}

void
log_number(struct log_event *event, const char *name, uint64_t value)
{
    size_t mark = begin_field(event, name);
    char digits[24];

    snprintf(digits, sizeof(digits), "%llu", (unsigned long long)value);
    event_puts(event, digits);
    end_field(event, mark);
}

void
log_seconds(struct log_event *event, const char *name, uint64_t ms)
{
    size_t mark = begin_field(event, name);
    char digits[32];

    snprintf(digits, sizeof(digits), "%llu.%03llu",
             (unsigned long long)(ms / 1000), (unsigned long long)(ms % 1000));
    event_puts(event, digits);
    end_field(event, mark);
}

const char *
log_word(struct log_word *word, const char *value)
{
    static const char cut[] = "...";
    struct log_event event = {.format = LOG_TEXT};

    if (is_plain(value))
        event_put(&event, value, strnlen(value, sizeof(word->text)));
    else
        event_put_quoted(&event, value);
    if (event.full || event.len >= sizeof(word->text)) {
        event.len = sizeof(word->text) - sizeof(cut);
        memcpy(event.text + event.len, cut, sizeof(cut) - 1);
        event.len += sizeof(cut) - 1;
    }
    memcpy(word->text, event.text, event.len);
    word->text[event.len] = 0;
    return word->text;
}
