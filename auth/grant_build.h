/* How the options of a key are put into a grant, before anybody else sees
 * it. */
#ifndef CULVERT_AUTH_GRANT_BUILD_H
#define CULVERT_AUTH_GRANT_BUILD_H

#include <stdbool.h>

#include "auth/grant.h"
#include "transport/base/err.h"

/* The name that its peer goes by; a legal one, copied. */
void grant_set_agent(struct grant *grant, const char *agent);

/* Whether ports are forwarded at all, whatever else is allowed. */
void grant_set_forwarding(struct grant *grant, bool allowed);

/* Adds what permitopen= (HOST:PORT) or permitlisten= ([HOST:]PORT) says; from
 * then on nothing else is allowed. Returns ERR_OK; ERR_NO_MEMORY; or
 * ERR_MALFORMED with *why set (lent, static text). */
enum err grant_permit_open(struct grant *grant, const char *text,
                           const char **why);
enum err grant_permit_listen(struct grant *grant, const char *text,
                             const char **why);

#endif
