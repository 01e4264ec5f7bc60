/* A line of ssh_config(5), taken apart as ssh does it.
 *
 * A keyword, then white space or one "=" with white space around it, then
 * words. A word may have quotes, single or double, around any part of it; a
 * backslash takes a quote, a backslash, and outside quotes a space, as it is;
 * a word that starts with '#' starts a comment. There are no continued
 * lines. */
#ifndef CULVERT_PROXY_SSHCONF_LINE_H
#define CULVERT_PROXY_SSHCONF_LINE_H

#include <stdbool.h>
#include <stddef.h>

struct sshconf_line {
    char *keyword; /* "" in an empty line or a comment */
    char *rest;    /* all behind the keyword and the "=" */
    char **words;  /* the same as words, without comment; ends with NULL */
    size_t count;
};

/* Takes a line apart. Returns NULL and gives what is in *line
 * (sshconf_line_clear); else what is wrong with it (static text), with keyword
 * and rest set at most. Clear it in either case. */
const char *sshconf_line_split(const char *text, struct sshconf_line *line);
void sshconf_line_clear(struct sshconf_line *line);

/* Whether text matches a pattern of '*' and '?'; with fold, without regard to
 * case. */
bool sshconf_line_glob(const char *pattern, const char *text, bool fold);

/* Whether text matches one of a list of patterns with commas between, and none
 * of those with a '!' before them. */
bool sshconf_line_matches(const char *list, const char *text, bool fold);

#endif
