#include "proxy/sshconf_file.h"

#include <errno.h>
#include <glob.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proxy/sshconf_match.h"

#define SYSTEM_FOLDER "/etc/ssh"
#define SYSTEM_FILE   SYSTEM_FOLDER "/ssh_config"

/* As ssh: deeper is a file that includes itself. */
#define DEPTH_MAX 16

/* One file that is being read, and its state. */
struct reader {
    struct sshconf_scope *scope;
    struct sshconf_place place;
    bool of_user; /* relative paths of Include are below ~/.ssh, not /etc/ssh */
    bool checks;  /* its owner and mode must be good */
    bool never;   /* included where nothing was active: nothing ever is */
    bool active;  /* the block that it is in applies */
    unsigned depth;
};

enum outcome {
    OUTCOME_GOOD,
    OUTCOME_ABSENT, /* there is no such file */
    OUTCOME_BAD,    /* messages have been printed */
};

static enum outcome read_file(struct reader *reader);

static bool
take_host(struct reader *reader, const struct sshconf_line *line)
{
    const char *host = reader->scope->host;
    bool matches = false;

    for (size_t i = 0; i < line->count; i++) {
        const char *pattern = line->words[i];
        bool negated = *pattern == '!';

        if (!*pattern)
            return sshconf_fail(&reader->place, "Host", "has an empty value");
        if (sshconf_line_glob(pattern + negated, host, false)) {
            matches = !negated;
            if (negated)
                break;
        }
    }
    reader->active = matches && !reader->never;
    return true;
}

static bool
take_match(struct reader *reader, const struct sshconf_line *line)
{
    bool matches = false;

    if (!sshconf_match(reader->scope, line, &reader->place, !reader->never,
                       &matches)) {
        reader->active = false;
        return false;
    }
    reader->active = matches && !reader->never;
    return true;
}

/* Reads one file that was included. */
static bool
include_file(const struct reader *reader, const char *path)
{
    struct reader included = *reader;
    char why[512];

    included.place = (struct sshconf_place){.file = path};
    included.checks = true;
    included.never = reader->never || !reader->active;
    included.depth++;
    if (included.depth > DEPTH_MAX)
        return sshconf_fail(&reader->place, "Include",
                            "is too deep: more than 16 files in each other");
    switch (read_file(&included)) {
    case OUTCOME_GOOD:
        return true;
    case OUTCOME_ABSENT:
        snprintf(why, sizeof(why), "%s: %s", path, strerror(errno));
        return sshconf_fail(&reader->place, "Include", why);
    case OUTCOME_BAD:
        break;
    }
    return false;
}

/* Makes a path of Include absolute. Returns it, for free(); NULL when it was
 * wrong and a message has been printed. */
static char *
anchor(const struct reader *reader, const char *word)
{
    const struct sshconf_local *local = reader->scope->local;
    const char *why = "out of memory";
    char *path = NULL;

    if (*word == '~' && !reader->of_user)
        why = "a system's file cannot include from a home";
    else if (*word == '~')
        path = sshconf_expand_tilde(local, word, &why);
    else if (*word == '/')
        path = strdup(word);
    else if (asprintf(&path, "%s%s/%s",
                      reader->of_user ? local->home : SYSTEM_FOLDER,
                      reader->of_user ? "/.ssh" : "", word) < 0)
        path = NULL;
    if (!path)
        sshconf_fail(&reader->place, "Include", why);
    return path;
}

static bool
include_pattern(const struct reader *reader, const char *word)
{
    char *path = anchor(reader, word);
    glob_t found = {.gl_pathc = 0};
    bool good = true;
    int status;

    if (!path)
        return false;
    status = glob(path, 0, NULL, &found);
    if (status != 0 && status != GLOB_NOMATCH)
        good = sshconf_fail(&reader->place, "Include", "could not be read");
    for (size_t i = 0; status == 0 && i < found.gl_pathc; i++)
        good &= include_file(reader, found.gl_pathv[i]);
    if (status == 0)
        globfree(&found);
    free(path);
    return good;
}

static bool
take_include(struct reader *reader, const struct sshconf_line *line)
{
    const char *why;
    bool good = true;

    for (size_t i = 0; i < line->count; i++) {
        struct sshconf_tokens none = {.local = reader->scope->local};
        char *word = NULL;

        if (!*line->words[i])
            why = "has an empty value";
        else
            word = sshconf_expand(&none, line->words[i], "", SSHCONF_EXPAND_ENV,
                                  &why);
        if (!word)
            return sshconf_fail(&reader->place, "Include", why);
        good &= include_pattern(reader, word);
        free(word);
    }
    return good;
}

static bool
take_block(struct reader *reader, const struct sshconf_entry *entry,
           const struct sshconf_line *line)
{
    if (!reader->place.file)
        return sshconf_fail(&reader->place, entry->name,
                            "is for files, not the command line");
    if (entry->id == SSHCONF_HOST)
        return take_host(reader, line);
    if (entry->id == SSHCONF_MATCH)
        return take_match(reader, line);
    return take_include(reader, line);
}

static bool
take_line(struct reader *reader, struct sshconf *conf, const char *text)
{
    const struct sshconf_entry *entry = NULL;
    const char *ignored = sshconf_text(conf, SSHCONF_IGNORE_UNKNOWN);
    struct sshconf_line line;
    const char *why = sshconf_line_split(text, &line);
    bool good = true;

    if (line.keyword && *line.keyword)
        entry = sshconf_table_name(line.keyword);
    if (!line.keyword || !line.rest)
        good = sshconf_fail(&reader->place, NULL, why);
    else if (!*line.keyword)
        good = reader->place.file ||
               sshconf_fail(&reader->place, NULL, "not Keyword=value");
    else if (!entry && ignored &&
             sshconf_line_matches(ignored, line.keyword, true))
        good = true;
    else if (!entry)
        good = sshconf_fail(&reader->place, line.keyword,
                            "not a keyword of ssh_config");
    else if (why)
        good = sshconf_fail(&reader->place, entry->name, why);
    else if (!*line.rest)
        good = sshconf_fail(&reader->place, entry->name, "has no value");
    else if (entry->form == SSHCONF_FORM_BLOCK)
        good = take_block(reader, entry, &line);
    else
        good = sshconf_take(conf, entry, &line, &reader->place, reader->active);
    sshconf_line_clear(&line);
    return good;
}

bool
sshconf_file_line(struct sshconf *conf, const char *text,
                  const struct sshconf_place *place)
{
    struct reader reader = {.place = *place, .active = true};

    return take_line(&reader, conf, text);
}

/* Whether a group has this user and nobody else: then it makes no difference
 * that it may write, as where each user has a group of his own. */
static bool
is_group_of_one(gid_t gid, const char *user)
{
    const struct group *group = getgrgid(gid);
    const struct passwd *entry;
    bool alone = group != NULL;
    bool member = false;

    for (char **name = group ? group->gr_mem : NULL; name && *name; name++) {
        member |= strcmp(*name, user) == 0;
        alone &= strcmp(*name, user) == 0;
    }
    setpwent();
    while (alone && (entry = getpwent())) {
        if (entry->pw_gid == gid) {
            member |= strcmp(entry->pw_name, user) == 0;
            alone &= strcmp(entry->pw_name, user) == 0;
        }
    }
    endpwent();
    return alone && member;
}

/* ssh's rule, Debian's for groups, for whoever could make us run commands: the
 * file is ours or root's, and nobody else may write to it. */
static bool
has_good_owner(FILE *file, const char *user)
{
    struct stat info;

    if (fstat(fileno(file), &info) != 0 ||
        (info.st_uid != 0 && info.st_uid != getuid()) ||
        (info.st_mode & S_IWOTH))
        return false;
    return !(info.st_mode & S_IWGRP) || is_group_of_one(info.st_gid, user);
}

/* What ssh passes over is what it can't open. errno stays for the caller. */
static enum outcome
say_errno(const char *path)
{
    if (errno == ENOENT || errno == ENOTDIR || errno == EACCES)
        return OUTCOME_ABSENT;
    fprintf(stderr, "culvert: %s: %s\n", path, strerror(errno));
    return OUTCOME_BAD;
}

static enum outcome
read_file(struct reader *reader)
{
    const char *path = reader->place.file;
    FILE *file = fopen(path, "re");
    enum outcome outcome = OUTCOME_GOOD;
    char *text = NULL;
    size_t room = 0;

    if (!file)
        return say_errno(path);
    if (reader->checks && !has_good_owner(file, reader->scope->local->user)) {
        fprintf(stderr, "culvert: %s: bad owner or permissions\n", path);
        fclose(file);
        return OUTCOME_BAD;
    }
    if (reader->scope->says_files)
        fprintf(stderr, "culvert: reading %s%s\n", path,
                reader->never ? " (no block applies)" : "");
    errno = 0;
    while (getline(&text, &room, file) >= 0) {
        reader->place.line++;
        if (!take_line(reader, reader->scope->conf, text))
            outcome = OUTCOME_BAD;
    }
    if (ferror(file))
        outcome = say_errno(path);
    free(text);
    fclose(file);
    return outcome;
}

static bool
read_user_file(struct sshconf_scope *scope)
{
    char *path = NULL;
    struct reader reader = {
        .scope = scope, .of_user = true, .checks = true, .active = true};
    enum outcome outcome;

    if (asprintf(&path, "%s/.ssh/config", scope->local->home) < 0)
        return false;
    reader.place.file = path;
    outcome = read_file(&reader);
    free(path);
    return outcome != OUTCOME_BAD;
}

bool
sshconf_file_read(struct sshconf_scope *scope, const char *path)
{
    struct reader reader = {
        .scope = scope,
        .place = {.file = path ? path : SYSTEM_FILE},
        .of_user = path != NULL,
        .active = true,
    };
    bool good = true;

    if (path && strcasecmp(path, "none") == 0)
        return true;
    if (!path)
        good = read_user_file(scope);
    switch (read_file(&reader)) {
    case OUTCOME_GOOD:
        return good;
    case OUTCOME_ABSENT:
        if (!path)
            return good;
        fprintf(stderr, "culvert: -F %s: %s\n", path, strerror(errno));
        break;
    case OUTCOME_BAD:
        break;
    }
    return false;
}
