#include "proxy/option_value.h"

#include <ctype.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "auth/grant.h"

/* About thirty years: what is longer was a slip, and "off" is there. */
#define SPAN_MAX 1e9

/* Nine digits never overflow, and no number here is larger. */
#define DIGITS_MAX 9

static bool
read_number(const char *text, unsigned *number)
{
    size_t len = strspn(text, "0123456789");

    if (len == 0 || text[len] || len > DIGITS_MAX)
        return false;
    *number = (unsigned)strtoul(text, NULL, 10);
    return true;
}

static bool
means_never(const char *text)
{
    return strcasecmp(text, "off") == 0 || strcasecmp(text, "none") == 0;
}

const char *
option_value_port(const char *text, unsigned least, unsigned *port)
{
    unsigned number = 0;

    if (!read_number(text, &number)) {
        struct servent *service = NULL;

        /* Not for a text of digits: that is a number too large. */
        if (isalpha((unsigned char)*text))
            service = getservbyname(text, "tcp");
        if (service)
            number = ntohs((uint16_t)service->s_port);
        else
            number = 65536;
    }
    if (number < least || number > 65535)
        return least ? "port must be 1 to 65535, or a service's name"
                     : "port must be 0 to 65535, or a service's name";
    *port = number;
    return NULL;
}

static double
seconds_of_unit(char unit)
{
    switch (tolower((unsigned char)unit)) {
    case 's':
        return 1;
    case 'm':
        return 60;
    case 'h':
        return 3600;
    case 'd':
        return 86400;
    case 'w':
        return 7 * 86400;
    default:
        return 0;
    }
}

const char *
option_value_span(const char *text, double *seconds)
{
    static const char bad[] =
        "time must be as 30, 30s, 10m or 1h30m, or off for never";
    double total = 0;

    if (means_never(text)) {
        *seconds = 0;
        return NULL;
    }
    if (!*text)
        return bad;
    while (*text) {
        size_t len = strspn(text, "0123456789.");
        char *end;
        double number;

        /* strtod alone would take signs, hexadecimals and infinity. */
        if (len == 0 || len > DIGITS_MAX || !isdigit((unsigned char)*text))
            return bad;
        number = strtod(text, &end);
        if (end != text + len)
            return bad;
        text = end;
        if (*text) {
            double unit = seconds_of_unit(*text++);

            if (unit == 0)
                return bad;
            number *= unit;
        }
        total += number;
    }
    if (total > SPAN_MAX)
        return "time is too long; off is never";
    *seconds = total;
    return NULL;
}

const char *
option_value_limit(const char *text, unsigned most, unsigned *limit)
{
    unsigned number = 0;

    if (!means_never(text) && (!read_number(text, &number) || number > most))
        return "number is not one, or too large";
    *limit = number;
    return NULL;
}

const char *
option_value_flag(const char *text, bool *flag)
{
    if (strcasecmp(text, "yes") == 0 || strcasecmp(text, "true") == 0)
        *flag = true;
    else if (strcasecmp(text, "no") == 0 || strcasecmp(text, "false") == 0)
        *flag = false;
    else
        return "must be yes or no";
    return NULL;
}

const char *
option_value_mask(const char *text, mode_t *mask)
{
    size_t len = strspn(text, "01234567");

    if (len == 0 || len > 4 || text[len])
        return "must be an octal mask, as 0177";
    if (strtoul(text, NULL, 8) > 0777)
        return "mask must be at most 0777";
    *mask = (mode_t)strtoul(text, NULL, 8);
    return NULL;
}

const char *
option_value_family(const char *text, int *family)
{
    if (strcasecmp(text, "any") == 0)
        *family = AF_UNSPEC;
    else if (strcasecmp(text, "inet") == 0)
        *family = AF_INET;
    else if (strcasecmp(text, "inet6") == 0)
        *family = AF_INET6;
    else
        return "must be any, inet or inet6";
    return NULL;
}

const char *
option_value_level(const char *text, enum log_level *level)
{
    static const struct {
        const char *name;
        enum log_level level;
    } levels[] = {
        {"quiet", LOG_QUIET},  {"fatal", LOG_FATAL},     {"error", LOG_ERROR},
        {"info", LOG_INFO},    {"verbose", LOG_VERBOSE}, {"debug", LOG_DEBUG},
        {"debug1", LOG_DEBUG}, {"debug2", LOG_DEBUG},    {"debug3", LOG_DEBUG},
    };

    for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++) {
        if (strcasecmp(text, levels[i].name) == 0) {
            *level = levels[i].level;
            return NULL;
        }
    }
    return "must be QUIET, FATAL, ERROR, INFO, VERBOSE or DEBUG";
}

const char *
option_value_format(const char *text, enum log_format *format)
{
    if (strcmp(text, "text") == 0)
        *format = LOG_TEXT;
    else if (strcmp(text, "json") == 0)
        *format = LOG_JSON;
    else
        return "must be text or json";
    return NULL;
}

const char *
option_value_agent(const char *text)
{
    if (!grant_agent_is_legal(text))
        return "an agent's name is 1 to 63 of A-Z, a-z, 0-9, _ and -";
    return NULL;
}
