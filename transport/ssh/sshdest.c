#include "transport/ssh/sshdest.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* How long silence is borne: 15 s x 3, where ssh's default is for ever. */
#define ALIVE_INTERVAL  15
#define ALIVE_COUNT_MAX 3

struct sshdest *
sshdest_create(void)
{
    struct sshdest *dest = calloc(1, sizeof(*dest));

    if (!dest)
        return NULL;
    dest->port = 22;
    dest->family = AF_UNSPEC;
    dest->connection_attempts = 1;
    dest->tcp_keepalive = true;
    dest->strict = SSHDEST_STRICT_ASK;
    dest->pubkey_auth = true;
    dest->password_auth = true;
    dest->kbdint_auth = true;
    dest->password_prompts = 3;
    dest->alive_interval = ALIVE_INTERVAL;
    dest->alive_count_max = ALIVE_COUNT_MAX;
    return dest;
}

/* Where the texts and lists are, so that copying and freeing miss none. */
static const size_t texts[] = {
    offsetof(struct sshdest, given),
    offsetof(struct sshdest, host),
    offsetof(struct sshdest, user),
    offsetof(struct sshdest, proxy_command),
    offsetof(struct sshdest, bind_host),
    offsetof(struct sshdest, bind_device),
    offsetof(struct sshdest, ciphers),
    offsetof(struct sshdest, macs),
    offsetof(struct sshdest, kex),
    offsetof(struct sshdest, host_key_algorithms),
    offsetof(struct sshdest, pubkey_algorithms),
    offsetof(struct sshdest, host_key_alias),
    offsetof(struct sshdest, preferred),
    offsetof(struct sshdest, identity_agent),
};

static const size_t lists[] = {
    offsetof(struct sshdest, user_known_hosts),
    offsetof(struct sshdest, global_known_hosts),
    offsetof(struct sshdest, revoked_host_keys),
    offsetof(struct sshdest, identities),
    offsetof(struct sshdest, certificates),
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static char **
text_at(struct sshdest *dest, size_t offset)
{
    return (char **)(void *)((char *)dest + offset);
}

static struct sshdest_list *
list_at(struct sshdest *dest, size_t offset)
{
    return (struct sshdest_list *)(void *)((char *)dest + offset);
}

static bool
copy_list(struct sshdest_list *list)
{
    struct sshdest_list copy = {0};
    bool complete = true;

    for (size_t i = 0; i < list->count && complete; i++)
        complete = sshdest_list_add(&copy, list->item[i]);
    *list = copy;
    return complete;
}

struct sshdest *
sshdest_copy(const struct sshdest *dest)
{
    struct sshdest *copy = malloc(sizeof(*copy));
    bool complete = true;

    if (!copy)
        return NULL;
    *copy = *dest;
    copy->jump = NULL;
    /* Each pointer is replaced, also after a failure: none stays shared. */
    for (size_t i = 0; i < COUNT(texts); i++) {
        char **text = text_at(copy, texts[i]);
        bool had = *text != NULL;

        *text = had ? strdup(*text) : NULL;
        complete &= !had || *text;
    }
    for (size_t i = 0; i < COUNT(lists); i++)
        complete &= copy_list(list_at(copy, lists[i]));
    if (!complete) {
        sshdest_destroy(copy);
        return NULL;
    }
    return copy;
}

void
sshdest_destroy(struct sshdest *dest)
{
    if (!dest)
        return;
    sshdest_destroy(dest->jump);
    for (size_t i = 0; i < COUNT(texts); i++)
        free(*text_at(dest, texts[i]));
    for (size_t i = 0; i < COUNT(lists); i++)
        sshdest_list_clear(list_at(dest, lists[i]));
    free(dest);
}

bool
sshdest_list_add(struct sshdest_list *list, const char *text)
{
    char **grown = realloc(list->item, (list->count + 1) * sizeof(*list->item));
    char *copy = strdup(text);

    if (grown)
        list->item = grown;
    if (!grown || !copy) {
        free(copy);
        return false;
    }
    list->item[list->count++] = copy;
    return true;
}

void
sshdest_list_clear(struct sshdest_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        free(list->item[i]);
    free(list->item);
    *list = (struct sshdest_list){0};
}

char *
sshdest_format(const struct sshdest *dest, char *buf, size_t size)
{
    bool v6 = strchr(dest->host, ':') != NULL;
    int len = snprintf(buf, size, "%s@%s%s%s", dest->user, v6 ? "[" : "",
                       dest->host, v6 ? "]" : "");

    if (dest->port != 22 && len >= 0 && (size_t)len < size)
        snprintf(buf + len, size - (size_t)len, ":%u", dest->port);
    return buf;
}
