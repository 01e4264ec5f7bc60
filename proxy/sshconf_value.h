/* The values of ssh_config's keywords. */
#ifndef CULVERT_PROXY_SSHCONF_VALUE_H
#define CULVERT_PROXY_SSHCONF_VALUE_H

#include "proxy/sshconf.h"

/* Reads what stands behind a keyword into *value (number, second, texts), by
 * the entry's form; not for forwards and blocks.
 * Returns NULL when it was good; else what is wrong with it (static text, or
 * one that stays until the next call). *value holds what was read, in either
 * case. */
const char *sshconf_value_read(const struct sshconf_entry *entry,
                               const struct sshconf_line *line,
                               struct sshconf_value *value);

/* Frees what it holds and makes it unset. */
void sshconf_value_clear(struct sshconf_value *value);

/* Whether a value says no, none or false. */
bool sshconf_value_is_no(const struct sshconf_line *line);

/* The first name of a number among an entry's choices; "" if there is none. */
const char *sshconf_value_choice(const struct sshconf_entry *entry, int number);

#endif
