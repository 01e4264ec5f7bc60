/* The options before a key in an authorized_keys file. */
#ifndef CULVERT_AUTH_AUTHKEYS_OPTION_H
#define CULVERT_AUTH_AUTHKEYS_OPTION_H

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#include "auth/grant.h"
#include "auth/keyfrom.h"
#include "auth/textfile.h"
#include "transport/base/err.h"

/* What options say; zeroed it holds nothing. */
struct authkeys_options {
    struct grant *grant;
    struct keyfrom *from; /* NULL: from everywhere */
    time_t expires;       /* the last second; 0: never */
    bool untouched;       /* a FIDO key need not have been touched */
};

/* How many of the bytes at text are options: up to the first blank out of
 * quotes. A quote that is not closed makes them end at the end. */
size_t authkeys_options_span(const char *text);

/* Reads options (text, which it changes; "" are none). Returns ERR_OK and
 * gives what is in *options (authkeys_options_clear); ERR_NO_MEMORY; or
 * ERR_MALFORMED with a message at spot; *options untouched on failure. */
enum err authkeys_options_parse(char *text, const struct textfile_spot *spot,
                                struct authkeys_options *options);

void authkeys_options_clear(struct authkeys_options *options);

#endif
