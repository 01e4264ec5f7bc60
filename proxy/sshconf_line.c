#include "proxy/sshconf_line.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define SPACE " \t\r\n\f"

static const char no_memory[] = "out of memory";

/* Finds the keyword at the start of text, and returns what stands behind its
 * end and the "=". */
static const char *
find_keyword(const char *text, const char **keyword, size_t *len)
{
    const char *at = text + strspn(text, SPACE);
    bool equal = false;

    if (*at == '"') {
        *keyword = ++at;
        *len = strcspn(at, "\"");
        at += *len;
        at += *at == '"';
    } else {
        *keyword = at;
        *len = *at == '#' ? 0 : strcspn(at, SPACE "\"=");
        at += *len;
    }
    while (*at && (strchr(SPACE, *at) || (*at == '=' && !equal))) {
        equal |= *at == '=';
        at++;
    }
    return at;
}

/* Copies one word to `to`, without its quotes. Returns where it ended, or NULL
 * when a quote stays open. */
static const char *
copy_word(const char *at, char *to)
{
    char quote = 0;

    for (; *at; at++) {
        if (*at == '\\' && at[1] &&
            (strchr("'\"\\", at[1]) || (!quote && at[1] == ' '))) {
            *to++ = *++at;
        } else if (!quote && (*at == ' ' || *at == '\t')) {
            break;
        } else if (!quote && (*at == '"' || *at == '\'')) {
            quote = *at;
        } else if (quote && *at == quote) {
            quote = 0;
        } else {
            *to++ = *at;
        }
    }
    *to = 0;
    return quote ? NULL : at;
}

static const char *
split_words(struct sshconf_line *line)
{
    const char *at = line->rest;
    size_t room = strlen(at) / 2 + 2; /* words, and the NULL behind them */
    char *word = malloc(strlen(at) + 1);
    const char *why = NULL;

    line->words = calloc(room, sizeof(*line->words));
    while (!why) {
        if (!word || !line->words) {
            why = no_memory;
            break;
        }
        at += strspn(at, " \t");
        if (!*at || *at == '#')
            break;
        at = copy_word(at, word);
        if (!at)
            why = "has no closing quote";
        else if (!(line->words[line->count] = strdup(word)))
            why = no_memory;
        else
            line->count++;
    }
    free(word);
    return why;
}

const char *
sshconf_line_split(const char *text, struct sshconf_line *line)
{
    const char *keyword, *rest;
    size_t len;

    *line = (struct sshconf_line){.count = 0};
    rest = find_keyword(text, &keyword, &len);
    line->keyword = strndup(keyword, len);
    line->rest = strdup(rest);
    if (!line->keyword || !line->rest)
        return no_memory;
    len = strlen(line->rest);
    while (len > 0 && strchr(SPACE, line->rest[len - 1]))
        line->rest[--len] = 0;
    return *line->keyword ? split_words(line) : NULL;
}

void
sshconf_line_clear(struct sshconf_line *line)
{
    for (size_t i = 0; i < line->count; i++)
        free(line->words[i]);
    free(line->words);
    free(line->keyword);
    free(line->rest);
    *line = (struct sshconf_line){.count = 0};
}

static bool
is_same(char a, char b, bool fold)
{
    if (fold)
        return tolower((unsigned char)a) == tolower((unsigned char)b);
    return a == b;
}

/* After a mismatch only the last '*' is tried again, one byte further: an
 * earlier one that takes more can not do better. */
static bool
glob(const char *pattern, size_t len, const char *text, bool fold)
{
    size_t p = 0;
    size_t star = len; /* the last '*' seen, if any */
    const char *from = text;

    while (*text) {
        if (p < len && pattern[p] == '*') {
            star = p++;
            from = text;
        } else if (p < len &&
                   (pattern[p] == '?' || is_same(pattern[p], *text, fold))) {
            p++;
            text++;
        } else if (star < len) {
            p = star + 1;
            text = ++from;
        } else {
            return false;
        }
    }
    while (p < len && pattern[p] == '*')
        p++;
    return p == len;
}

bool
sshconf_line_glob(const char *pattern, const char *text, bool fold)
{
    return glob(pattern, strlen(pattern), text, fold);
}

bool
sshconf_line_matches(const char *list, const char *text, bool fold)
{
    bool found = false;

    while (*list) {
        bool negated = *list == '!';
        size_t len;

        list += negated;
        len = strcspn(list, ",");
        if (glob(list, len, text, fold)) {
            if (negated)
                return false;
            found = true;
        }
        list += len;
        list += *list == ',';
    }
    return found;
}
