#include "proxy/agentname.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

static const char suffix[] = ".culvert";

#define SUFFIX_LEN (sizeof(suffix) - 1)

/* Returns whether these bytes are an agent's name; then it is copied. */
static bool
take(const void *bytes, size_t len, char agent[GRANT_AGENT_MAX + 1])
{
    char name[GRANT_AGENT_MAX + 1];

    if (len > GRANT_AGENT_MAX || memchr(bytes, 0, len))
        return false;
    memcpy(name, bytes, len);
    name[len] = 0;
    if (!grant_agent_is_legal(name))
        return false;
    strcpy(agent, name);
    return true;
}

bool
agentname_cut_target(const struct target *target, struct target *rest,
                     char agent[GRANT_AGENT_MAX + 1])
{
    const char *host = target->name;
    char found[GRANT_AGENT_MAX + 1];
    size_t len;
    size_t at;

    if (target->kind != TARGET_NAME)
        return false;
    len = strlen(host);
    if (len > 0 && host[len - 1] == '.')
        len--;
    if (len <= SUFFIX_LEN ||
        strncasecmp(host + len - SUFFIX_LEN, suffix, SUFFIX_LEN) != 0)
        return false;
    len -= SUFFIX_LEN;
    for (at = len; at > 0 && host[at - 1] != '.';)
        at--;
    if (!take(host + at, len - at, found))
        return false;
    if (at > 0 ? target_set_host(rest, host, at - 1, target->port)
               : target_set_host(rest, "localhost", 9, target->port))
        return false;
    strcpy(agent, found);
    return true;
}

bool
agentname_join_target(const struct target *target, const char *agent,
                      struct target *whole)
{
    const bool is_addr = target->kind == TARGET_ADDR;
    const char *host = target->name;
    char text[ADDR_TEXT_MAX];
    struct target made = {.kind = TARGET_NAME, .port = target->port};
    size_t len;
    int n;

    if (is_addr) {
        host = addr_format_host(&target->addr, text);
        made.port = addr_port(&target->addr);
    }
    len = strlen(host);
    if (!is_addr && len > 0 && host[len - 1] == '.')
        len--;
    n = snprintf(made.name, sizeof(made.name), "%.*s.%s%s", (int)len, host,
                 agent, suffix);
    if (n < 0 || (size_t)n >= sizeof(made.name))
        return false;
    *whole = made;
    return true;
}

size_t
agentname_cut_user(const uint8_t *user, size_t len,
                   char agent[GRANT_AGENT_MAX + 1])
{
    size_t at = len;

    while (at > 0 && user[at - 1] != '@')
        at--;
    if (at == 0 || !take(user + at, len - at, agent))
        return len;
    return at - 1;
}
