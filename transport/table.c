#include "transport/table.h"

#include <string.h>

#include "transport/reverse/reverse.h"
#include "transport/ssh/ssh.h"
#include "transport/tcp/tcp.h"

static const struct transport_ops *const built_in[] = {
    &transport_tcp_ops,
    &transport_ssh_ops,
    &transport_reverse_ops,
};

enum err
transport_create(const char *uri, struct connector *connector, void *shared,
                 struct transport **transport, const char **why)
{
    const char *colon = strchr(uri, ':');

    for (size_t i = 0; colon && i < sizeof(built_in) / sizeof(*built_in); i++) {
        const char *scheme = built_in[i]->scheme;

        if (strlen(scheme) == (size_t)(colon - uri) &&
            strncmp(scheme, uri, strlen(scheme)) == 0)
            return built_in[i]->create(colon + 1, connector, shared, transport,
                                       why);
    }
    *why = "no such transport";
    return ERR_MALFORMED;
}
