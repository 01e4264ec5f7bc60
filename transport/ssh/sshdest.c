#include "transport/ssh/sshdest.h"

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

void
sshdest_destroy(struct sshdest *dest)
{
    if (!dest)
        return;
    sshdest_destroy(dest->jump);
    free(dest->given);
    free(dest->host);
    free(dest->user);
    free(dest->proxy_command);
    free(dest->bind_host);
    free(dest->bind_device);
    free(dest->ciphers);
    free(dest->macs);
    free(dest->kex);
    free(dest->host_key_algorithms);
    free(dest->pubkey_algorithms);
    free(dest->host_key_alias);
    free(dest->preferred);
    free(dest->identity_agent);
    sshdest_list_clear(&dest->user_known_hosts);
    sshdest_list_clear(&dest->global_known_hosts);
    sshdest_list_clear(&dest->revoked_host_keys);
    sshdest_list_clear(&dest->identities);
    sshdest_list_clear(&dest->certificates);
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
