/* What --help and the manual page say against the tables of options. */
#include <criterion/criterion.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/option_table.h"
#include "proxy/sshconf_table.h"
#include "proxy/usage.h"

#define MAN_PAGE "contrib/man/culvert.1"

/* Options seen in a text: those with a letter by it, others by index. */
struct seen {
    bool letters[128];
    bool names[128]; /* by the entry's index in the table */
    char unknown[64];
};

/* Notes the option that at points to, behind its dashes. */
static void
note(struct seen *seen, const char *at, bool is_name)
{
    size_t len = strspn(at, "abcdefghijklmnopqrstuvwxyz-");
    const struct option_entry *entry;

    if (!is_name) {
        seen->letters[(unsigned char)*at & 127] = true;
        if (!option_table_letter(*at))
            snprintf(seen->unknown, sizeof(seen->unknown), "-%c", *at);
        return;
    }
    for (size_t i = 0; (entry = option_table_at(i)); i++) {
        if (entry->name && strlen(entry->name) == len &&
            memcmp(entry->name, at, len) == 0) {
            seen->names[i] = true;
            return;
        }
    }
    snprintf(seen->unknown, sizeof(seen->unknown), "--%.*s", (int)len, at);
}

/* A line of --help: "  -V, --version           print the version". */
static void
read_help_line(struct seen *seen, const char *line)
{
    if (strncmp(line, "  -", 3) != 0)
        return;
    line += 2;
    while (*line && strncmp(line, "  ", 2) != 0) {
        if (line[0] == '-' && line[1] == '-' && line[-1] == ' ')
            note(seen, line + 2, true);
        else if (line[0] == '-' && isalnum((unsigned char)line[1]) &&
                 line[-1] == ' ')
            note(seen, line + 1, false);
        line++;
    }
}

/* A line of the page: ".It Fl V , Fl -version". */
static void
read_man_line(struct seen *seen, const char *line)
{
    if (strncmp(line, ".It Fl ", 7) != 0)
        return;
    while ((line = strstr(line, "Fl "))) {
        line += 3;
        note(seen, line + (*line == '-'), *line == '-');
    }
}

static void
read_all(FILE *file, void (*read_line)(struct seen *, const char *),
         struct seen *seen)
{
    char line[512];

    cr_assert_not_null(file);
    memset(seen, 0, sizeof(*seen));
    while (fgets(line, sizeof(line), file))
        read_line(seen, line);
    fclose(file);
}

static bool
is_accepted(const struct option_entry *entry)
{
    return entry->kind != OPTION_KIND_LATER && entry->kind != OPTION_KIND_NEVER;
}

/* What is accepted is described, and nothing else is. */
static void
check(const struct seen *seen)
{
    const struct option_entry *entry;

    cr_assert_str_eq(seen->unknown, "");
    for (size_t i = 0; (entry = option_table_at(i)); i++) {
        cr_assert_lt(i, 128);
        if (entry->letter)
            cr_assert_eq(seen->letters[(unsigned char)entry->letter],
                         is_accepted(entry), "-%c", entry->letter);
        if (entry->name)
            cr_assert_eq(seen->names[i], is_accepted(entry), "--%s",
                         entry->name);
    }
}

Test(option_docs, help_has_every_option)
{
    FILE *file = tmpfile();
    struct seen seen;

    cr_assert_not_null(file);
    usage_help(file);
    rewind(file);
    read_all(file, read_help_line, &seen);
    check(&seen);
}

Test(option_docs, manual_page_has_every_option)
{
    struct seen seen;

    read_all(fopen(MAN_PAGE, "r"), read_man_line, &seen);
    check(&seen);
}

Test(option_docs, manual_page_has_every_keyword_that_acts)
{
    static char page[1 << 17];
    FILE *file = fopen(MAN_PAGE, "r");
    const struct sshconf_entry *entry;
    size_t len;

    cr_assert_not_null(file);
    len = fread(page, 1, sizeof(page) - 1, file);
    fclose(file);
    page[len] = 0;
    for (size_t i = 0; (entry = sshconf_table_at(i)); i++) {
        /* Older names of a keyword are not described. */
        bool acts = entry->id != SSHCONF_NO_ID &&
                    entry->effect != SSHCONF_WARNED &&
                    sshconf_table_id(entry->id) == entry;
        char item[80];

        snprintf(item, sizeof(item), "\n.It Cm %s\n", entry->name);
        cr_assert_eq(strstr(page, item) != NULL, acts, "%s", entry->name);
    }
}

Test(option_docs, help_fits_80_columns)
{
    FILE *file = tmpfile();
    char line[512];

    cr_assert_not_null(file);
    usage_help(file);
    usage_short(file);
    rewind(file);
    while (fgets(line, sizeof(line), file))
        cr_assert_leq(strlen(line), 80, "%s", line);
    fclose(file);
}
