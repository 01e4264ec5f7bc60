#include "transport/net/search.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

bool
search_is_host_name(const char *name)
{
    size_t len = strlen(name);
    size_t label = 0;

    if (len > 0 && name[len - 1] == '.')
        len--;
    if (len == 0 || len > SEARCH_NAME_MAX)
        return false;
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)name[i];

        if (c == '.' && label > 0)
            label = 0;
        else if (c < 0x80 && (isalnum(c) || c == '-' || c == '_') &&
                 label < SEARCH_LABEL_MAX)
            label++;
        else
            return false;
    }
    return label > 0;
}

bool
search_is_under(const char *name, const char *domain)
{
    size_t len = strlen(name);
    size_t tail = strlen(domain);

    if (len > 0 && name[len - 1] == '.')
        len--;
    if (len < tail || strncasecmp(name + len - tail, domain, tail) != 0)
        return false;
    return len == tail || name[len - tail - 1] == '.';
}

/* Writes name, or name.domain. */
static bool
join(const char *name, const char *domain, char out[SEARCH_NAME_MAX + 1])
{
    char text[SEARCH_NAME_MAX + 2];
    size_t len = strlen(name);
    size_t more = domain ? strlen(domain) + 1 : 0;

    if (len + more >= sizeof(text))
        return false;
    memcpy(text, name, len + 1);
    if (domain) {
        text[len] = '.';
        memcpy(text + len + 1, domain, more);
    }
    if (!search_is_host_name(text))
        return false;
    len += more;
    if (text[len - 1] == '.')
        len--;
    for (size_t i = 0; i < len; i++)
        out[i] = (char)tolower((unsigned char)text[i]);
    out[len] = 0;
    return true;
}

static unsigned
count_dots(const char *name)
{
    unsigned dots = 0;

    for (; *name; name++)
        dots += *name == '.';
    return dots;
}

bool
search_next(const struct resolvconf *conf, const char *name, unsigned *index,
            char out[SEARCH_NAME_MAX + 1])
{
    size_t len = strlen(name);
    bool whole = len > 0 && name[len - 1] == '.';
    size_t count = whole ? 1 : conf->domain_count + 1;
    bool as_is_first = whole || count_dots(name) >= conf->ndots;

    while (*index < count) {
        size_t at = (*index)++;
        size_t as_is = as_is_first ? 0 : count - 1;
        const char *domain = NULL;

        if (at != as_is)
            domain = conf->search + conf->domains[at - as_is_first];
        if (join(name, domain, out))
            return true;
    }
    return false;
}
