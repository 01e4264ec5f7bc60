/* The keywords of -o: those of ssh_config(5), as of OpenSSH 10. */
#ifndef CULVERT_PROXY_OPTION_KEYWORD_H
#define CULVERT_PROXY_OPTION_KEYWORD_H

#include <stdbool.h>
#include <stddef.h>

#include "proxy/option_state.h"

/* Acts on "Key=Value", "Key Value" or "Key = Value"; a value may stand in
 * double quotes. A keyword that acts on nothing here is kept for the warning
 * (option_state_idle); an unknown one is an error, unless IgnoreUnknown has
 * it; so is one whose neglect would send connections another way than asked
 * (ProxyJump, RemoteForward, ...).
 * Returns true, or false when it was wrong and a message has been printed.
 * text is argv's: forwards keep a borrow. */
bool option_keyword_apply(struct option_state *state, const char *text);

/* Lends the name of the index-th keyword and whether it acts here; NULL behind
 * the last. For the documentation's test. */
const char *option_keyword_at(size_t index, bool *acts);

#endif
