#include "proxy/option_dest.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "proxy/option_value.h"

#define SCHEME "ssh://"

static const char bad_form[] = "not [user@]host[:port]";

bool
option_dest_user_is_safe(const char *user)
{
    size_t len = strlen(user);

    if (*user == '-')
        return false;
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)user[i];

        if (iscntrl(c) || strchr("'`\";&<>|(){}", c))
            return false;
        /* "a -oProxyCommand=x" would be an option to what it is handed to. */
        if (isspace(c) && user[i + 1] == '-')
            return false;
        if (c == '\\' && !user[i + 1])
            return false;
    }
    return true;
}

bool
option_dest_host_is_safe(const char *host)
{
    if (*host == '-')
        return false;
    for (; *host; host++) {
        unsigned char c = (unsigned char)*host;

        if (iscntrl(c) || isspace(c) || strchr("'`\"$\\;&<>|(){},", c))
            return false;
    }
    return true;
}

/* Decodes "%41" in place. Returns false for what is no such thing, or NUL. */
static bool
decode_percent(char *text)
{
    char *to = text;

    while (*text) {
        int high, low;

        if (*text != '%') {
            *to++ = *text++;
            continue;
        }
        if (!isxdigit((unsigned char)text[1]) ||
            !isxdigit((unsigned char)text[2]))
            return false;
        high = text[1] <= '9' ? text[1] - '0' : (text[1] | 32) - 'a' + 10;
        low = text[2] <= '9' ? text[2] - '0' : (text[2] | 32) - 'a' + 10;
        if (high == 0 && low == 0)
            return false;
        *to++ = (char)(high * 16 + low);
        text += 3;
    }
    *to = 0;
    return true;
}

/* Parts "host", "host:port", "[v6]", "[v6]:port" or "v6". Returns NULL, or
 * what is wrong. */
static const char *
read_host(const char *text, size_t len, struct option_dest *dest)
{
    const char *port = NULL;
    const char *end = text + len;
    const char *colon = memchr(text, ':', len);

    if (*text == '[') {
        const char *close = memchr(text, ']', len);

        if (!close || (close + 1 < end && close[1] != ':'))
            return bad_form;
        port = close + 1 < end ? close + 2 : NULL;
        text++;
        len = (size_t)(close - text);
    } else if (colon && !memchr(colon + 1, ':', (size_t)(end - colon - 1))) {
        port = colon + 1;
        len = (size_t)(colon - text);
    }
    if (len == 0)
        return "has no host";
    memcpy(dest->host, text, len);
    dest->host[len] = 0;
    if (!port)
        return NULL;
    if (port == end)
        return "has no port behind the colon";
    return option_value_port(port, 1, &dest->port);
}

const char *
option_dest_parse(const char *text, struct option_dest *dest)
{
    bool is_uri = strncasecmp(text, SCHEME, strlen(SCHEME)) == 0;
    struct option_dest parsed = {.port = 0};
    char copy[OPTION_DEST_MAX];
    const char *why;
    char *at;

    if (is_uri)
        text += strlen(SCHEME);
    if (strlen(text) >= sizeof(copy))
        return "too long for a destination";
    strcpy(copy, text);
    if (is_uri && *copy && copy[strlen(copy) - 1] == '/')
        copy[strlen(copy) - 1] = 0;
    at = strrchr(copy, '@');
    if (at) {
        *at++ = 0;
        if (is_uri)
            copy[strcspn(copy, ";")] = 0;
        if (!*copy)
            return "has no user before the @";
        if (is_uri && !decode_percent(copy))
            return "user is badly encoded";
        strcpy(parsed.user, copy);
    } else {
        at = copy;
    }
    why = read_host(at, strlen(at), &parsed);
    if (why)
        return why;
    if (!option_dest_host_is_safe(parsed.host) || strchr(parsed.host, '/'))
        return "host has a character that no host's name has";
    if (!option_dest_user_is_safe(parsed.user))
        return "user has a character that is not allowed there";
    *dest = parsed;
    return NULL;
}
