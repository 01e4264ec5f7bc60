#include "transport/net/resolvconf.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "transport/base/target.h"
#include "transport/net/sysfile.h"

/* glibc's bounds and defaults (resolv.h: RES_MAXNDOTS and so on). */
#define NDOTS_MAX     15
#define TIMEOUT_S_MAX 30
#define ATTEMPTS_MAX  5
#define TIMEOUT_S     5
#define ATTEMPTS      2
#define DNS_PORT      53

/* A decimal number of at most `most`; more is `most`, none is 0. */
static unsigned
number_of(const char *text, unsigned most)
{
    unsigned value = 0;

    for (; *text >= '0' && *text <= '9'; text++) {
        value = value * 10 + (unsigned)(*text - '0');
        if (value > most)
            value = most;
    }
    return value;
}

/* Takes ":PORT" off the end of "a.b.c.d:PORT" or "[v6]:PORT". */
static uint16_t
cut_port(char *text)
{
    char *colon = strrchr(text, ':');
    unsigned port;

    if (!colon || (text[0] != '[' && strchr(text, ':') != colon) ||
        (text[0] == '[' && colon > text && colon[-1] != ']'))
        return DNS_PORT;
    port = number_of(colon + 1, 65536);
    if (port == 0 || port > 65535)
        return DNS_PORT;
    *colon = 0;
    return (uint16_t)port;
}

static void
add_server(struct resolvconf *conf, char *text)
{
    union addr *server = &conf->servers[conf->server_count];
    uint16_t port = cut_port(text);

    if (conf->server_count == RESOLVCONF_SERVERS_MAX)
        return;
    if (!addr_parse(server, text, strlen(text), port))
        return;
    conf->server_count++;
}

/* Sets the search list from a line's words, which it replaces whole. */
static void
set_search(struct resolvconf *conf, char *line, bool only_first)
{
    size_t used = 0;
    char *word;

    conf->domain_count = 0;
    while ((word = sysfile_word(&line)) &&
           conf->domain_count < RESOLVCONF_DOMAINS_MAX) {
        size_t len = strlen(word);

        if (len > 0 && word[len - 1] == '.')
            word[--len] = 0;
        /* The root ("search .") is what a name is tried in anyway. */
        if (len == 0 || len > TARGET_NAME_MAX)
            continue;
        if (used + len + 1 > sizeof(conf->search))
            return;
        memcpy(conf->search + used, word, len + 1);
        conf->domains[conf->domain_count++] = (unsigned short)used;
        used += len + 1;
        if (only_first)
            return;
    }
}

static void
set_options(struct resolvconf *conf, char *line)
{
    char *word;

    while ((word = sysfile_word(&line))) {
        if (strncmp(word, "ndots:", 6) == 0)
            conf->ndots = number_of(word + 6, NDOTS_MAX);
        else if (strncmp(word, "timeout:", 8) == 0)
            conf->timeout_s = number_of(word + 8, TIMEOUT_S_MAX);
        else if (strncmp(word, "attempts:", 9) == 0)
            conf->attempts = number_of(word + 9, ATTEMPTS_MAX);
        else if (strcmp(word, "rotate") == 0)
            conf->rotate = true;
        else if (strcmp(word, "use-vc") == 0)
            conf->use_tcp = true;
    }
    if (conf->timeout_s == 0)
        conf->timeout_s = 1;
    if (conf->attempts == 0)
        conf->attempts = 1;
}

static void
read_line(struct resolvconf *conf, char *line)
{
    char *key = sysfile_word(&line);
    char *word;

    if (!key)
        return;
    if (strcmp(key, "nameserver") == 0 && (word = sysfile_word(&line)))
        add_server(conf, word);
    else if (strcmp(key, "search") == 0)
        set_search(conf, line, false);
    else if (strcmp(key, "domain") == 0)
        set_search(conf, line, true);
    else if (strcmp(key, "options") == 0)
        set_options(conf, line);
}

void
resolvconf_parse(struct resolvconf *conf, char *text, size_t len,
                 const char *domain)
{
    char first[TARGET_NAME_MAX + 1];
    char *at = text;
    char *line;

    memset(conf, 0, sizeof(*conf));
    conf->ndots = 1;
    conf->timeout_s = TIMEOUT_S;
    conf->attempts = ATTEMPTS;
    if (domain && strlen(domain) < sizeof(first)) {
        strcpy(first, domain);
        set_search(conf, first, true);
    }
    while (text && (line = sysfile_line(&at, text + len, true)))
        read_line(conf, line);
    if (conf->server_count == 0) {
        static const uint8_t loopback[4] = {127, 0, 0, 1};

        addr_from_v4(&conf->servers[0], loopback, DNS_PORT);
        conf->server_count = 1;
    }
}

/* What the environment says, where it says something (resolv.conf(5)). */
static void
apply_environment(struct resolvconf *conf)
{
    const char *domains = getenv("LOCALDOMAIN");
    const char *options = getenv("RES_OPTIONS");
    char line[1024];

    if (domains && strlen(domains) < sizeof(line)) {
        strcpy(line, domains);
        set_search(conf, line, false);
    }
    if (options && strlen(options) < sizeof(line)) {
        strcpy(line, options);
        set_options(conf, line);
    }
}

enum err
resolvconf_read(struct resolvconf *conf, const char *path)
{
    char host[TARGET_NAME_MAX + 1] = "";
    char *text = NULL;
    char *domain = NULL;
    size_t len = 0;

    if (sysfile_read(path, &text, &len) == ERR_NO_MEMORY)
        return ERR_NO_MEMORY;
    if (gethostname(host, sizeof(host) - 1) == 0)
        domain = strchr(host, '.');
    resolvconf_parse(conf, text, len, domain ? domain + 1 : NULL);
    apply_environment(conf);
    free(text);
    return ERR_OK;
}
