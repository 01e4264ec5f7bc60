/* Where connections may go: --permit and --deny. Immutable once built; any
 * thread may read it. */
#ifndef CULVERT_AUTH_RULES_H
#define CULVERT_AUTH_RULES_H

#include <stdbool.h>
#include <stddef.h>

#include "transport/base/err.h"
#include "transport/base/target.h"

/* A pattern is HOST, HOST:PORTS or :PORTS.
 *   HOST   a name ("db.example"), a name with wildcards ("*.corp.example",
 *          which has the names below it and not itself; "*" and "?" as in a
 *          shell, over the whole name), an address, a CIDR ("10.0.0.0/8",
 *          "2001:db8::/32"; IPv6 with ports in brackets: "[2001:db8::]/32:80"
 *          or "[::1]:80"), or "*" for all
 *   PORTS  80, 8000-8099, or several with commas
 * Names are compared without case and without a dot at the end. A network with
 * host bits set is an error, as is a name that can only be an address gone
 * wrong ("10.0.0.256", "10.0.*"): it would match nothing. 0.0.0.0 and :: are
 * judged as 127.0.0.1 and ::1 too, where Linux connects to for them.
 *
 * A denial wins over a permission, whatever their order. With at least one
 * permission, what none of them matches is denied; --deny '*' says just that,
 * also where there is no permission. */
enum rule_action {
    RULE_PERMIT,
    RULE_DENY,
};

enum rule_verdict {
    RULE_ALLOWED,
    RULE_DENIED,
    RULE_NEEDS_ADDR, /* a name that only its address can decide */
};

struct rules;

/* Returns an empty list, which allows all; NULL when out of memory. */
struct rules *rules_create(void);
void rules_destroy(struct rules *rules);

/* Adds a pattern. Returns ERR_OK; ERR_NO_MEMORY; or ERR_MALFORMED with *why
 * set to what is wrong with it (lent, static text). */
enum err rules_add(struct rules *rules, enum rule_action action,
                   const char *pattern, const char **why);

bool rules_empty(const struct rules *rules);

/* Judges a target: with addr NULL what was asked for; with addr also the
 * address that the name led to. A target that is an address is judged at once,
 * as is a name that is denied by name. A Unix socket's path is matched by "*"
 * alone. With addr given (not NULL and not "none") the verdict is never
 * RULE_NEEDS_ADDR; a name that was permitted by name stays so unless its
 * address is denied. An address is never judged by names: who denies a name and
 * not its addresses leaves them open. Costs nothing when the list is empty. */
enum rule_verdict rules_judge(const struct rules *rules,
                              const struct target *target,
                              const union addr *addr);

/* Whether a target is denied as it was asked for, whatever is permitted; what
 * denies all that is not permitted is not looked at. */
bool rules_deny(const struct rules *rules, const struct target *target);

/* Whether a target is permitted as it was asked for, whatever is denied; all
 * are where nothing says what is permitted. */
bool rules_permit(const struct rules *rules, const struct target *target);

#endif
