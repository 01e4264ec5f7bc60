/* culvert -G: the keywords that act, as ssh -G prints its own. */
#ifndef CULVERT_PROXY_SSHCONF_PRINT_H
#define CULVERT_PROXY_SSHCONF_PRINT_H

#include <stdio.h>

#include "proxy/sshconf.h"

/* Prints conf, resolved, and what the settings made of it: one "keyword value"
 * a line, keywords in lower case and in ssh's order. home is what ~ stands
 * for. */
void sshconf_print(const struct sshconf *conf, const struct settings *settings,
                   const char *home, FILE *to);

#endif
