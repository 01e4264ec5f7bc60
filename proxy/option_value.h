/* The values that options and keywords take: numbers, spans, words.
 *
 * Each reads the whole of a text. Returns NULL when it was good; else what is
 * wrong with it (static text), the output untouched. */
#ifndef CULVERT_PROXY_OPTION_VALUE_H
#define CULVERT_PROXY_OPTION_VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "transport/base/log.h"

/* A port from least (0 or 1) to 65535, or a service of /etc/services. */
const char *option_value_port(const char *text, unsigned least, unsigned *port);

/* A span in seconds, as ssh's time formats: 30, 30s, 10m, 1h30m, 2d, 1w;
 * fractions too (0.5). "off", "none" and 0 are never, which is 0. */
const char *option_value_span(const char *text, double *seconds);

/* A limit: a number up to most, or "off" or "none", which is 0. */
const char *option_value_limit(const char *text, unsigned most,
                               unsigned *limit);

/* yes or no (true or false). */
const char *option_value_flag(const char *text, bool *flag);

/* A umask in octal. */
const char *option_value_mask(const char *text, mode_t *mask);

/* any, inet or inet6. */
const char *option_value_family(const char *text, int *family);

/* ssh's names of levels; DEBUG2 and DEBUG3 are the most we have, DEBUG. */
const char *option_value_level(const char *text, enum log_level *level);

/* text or json. */
const char *option_value_format(const char *text, enum log_format *format);

/* The name of an agent of the gateway (GRANT_AGENT_MAX). */
const char *option_value_agent(const char *text);

#endif
