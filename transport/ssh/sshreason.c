#include "transport/ssh/sshreason.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* The first that is found, in any case, decides: what is special stands before
 * what is general. */
static const struct {
    const char *words;
    enum err err;
} said[] = {
    {"refused", ERR_REFUSED},
    {"timed out", ERR_TIMED_OUT},
    {"timeout", ERR_TIMED_OUT},
    {"network is unreachable", ERR_NET_UNREACHABLE},
    {"network unreachable", ERR_NET_UNREACHABLE},
    {"network is down", ERR_NET_UNREACHABLE},
    {"unreachable network", ERR_NET_UNREACHABLE},
    {"address family not supported", ERR_NET_UNREACHABLE},
    {"no route", ERR_HOST_UNREACHABLE},
    {"host is down", ERR_HOST_UNREACHABLE},
    {"host is unreachable", ERR_HOST_UNREACHABLE},
    {"host unreachable", ERR_HOST_UNREACHABLE},
    {"unreachable host", ERR_HOST_UNREACHABLE},
    {"name or service", ERR_NAME_NOT_FOUND},
    {"not known", ERR_NAME_NOT_FOUND},
    {"nodename", ERR_NAME_NOT_FOUND},
    {"name resolution", ERR_NAME_NOT_FOUND},
    {"does not resolve", ERR_NAME_NOT_FOUND},
    {"no address", ERR_NAME_NOT_FOUND},
    {"no such host", ERR_NAME_NOT_FOUND},
    {"unknown host", ERR_NAME_NOT_FOUND},
    {"prohibited", ERR_PROHIBITED},
    {"not permitted", ERR_PROHIBITED},
    {"permission denied", ERR_PROHIBITED},
    /* Linux's numbers, as Python's errors have them. */
    {"errno 111", ERR_REFUSED},
    {"errno 110", ERR_TIMED_OUT},
    {"errno 113", ERR_HOST_UNREACHABLE},
    {"errno 101", ERR_NET_UNREACHABLE},
};

static enum err
from_text(const char *text)
{
    for (size_t i = 0; i < sizeof(said) / sizeof(said[0]); i++)
        if (strcasestr(text, said[i].words))
            return said[i].err;
    return ERR_REMOTE_FAILED;
}

enum err
sshreason_err(uint32_t reason, const char *text)
{
    switch (reason) {
    case SSHREASON_PROHIBITED:
        return ERR_PROHIBITED;
    case SSHREASON_CONNECT_FAILED:
        return from_text(text);
    case SSHREASON_UNKNOWN_TYPE:
        return ERR_UNKNOWN_CHANNEL;
    case SSHREASON_RESOURCES:
        return ERR_NO_RESOURCES;
    default:
        return ERR_REMOTE_FAILED;
    }
}

/* A decimal number at *at, which is moved behind it. */
static bool
number(const char **at, uint32_t *value)
{
    char *end;
    unsigned long read;

    if (**at < '0' || **at > '9')
        return false;
    read = strtoul(*at, &end, 10);
    if (read > UINT32_MAX)
        return false;
    *value = (uint32_t)read;
    *at = end;
    return true;
}

static bool
skip(const char **at, const char *words)
{
    size_t len = strlen(words);

    if (strncmp(*at, words, len) != 0)
        return false;
    *at += len;
    return true;
}

bool
sshreason_parse(const char *line, uint32_t *channel, uint32_t *reason,
                const char **text)
{
    static const char start[] = "opening failure: channel ";
    const char *at = strstr(line, start);
    uint32_t told_channel;
    uint32_t told_reason;

    if (!at)
        return false;
    at += sizeof(start) - 1;
    if (!number(&at, &told_channel) || !skip(&at, " error (") ||
        !number(&at, &told_reason) || !skip(&at, ")"))
        return false;
    if (*at == ' ')
        at++;
    *channel = told_channel;
    *reason = told_reason;
    *text = at;
    return true;
}
