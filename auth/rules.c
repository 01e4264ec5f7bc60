#include "auth/rules.h"

#include <stdlib.h>
#include <string.h>

#include "auth/pattern.h"

struct pattern_list {
    struct pattern *list;
    size_t count;
};

struct rules {
    struct pattern_list permitted;
    struct pattern_list denied;
    bool deny_rest; /* what is not permitted is denied, permissions or not */
};

struct rules *
rules_create(void)
{
    return calloc(1, sizeof(struct rules));
}

static void
clear_list(struct pattern_list *patterns)
{
    for (size_t i = 0; i < patterns->count; i++)
        pattern_clear(&patterns->list[i]);
    free(patterns->list);
}

void
rules_destroy(struct rules *rules)
{
    if (!rules)
        return;
    clear_list(&rules->permitted);
    clear_list(&rules->denied);
    free(rules);
}

enum err
rules_add(struct rules *rules, enum rule_action action, const char *pattern,
          const char **why)
{
    struct pattern_list *patterns =
        action == RULE_PERMIT ? &rules->permitted : &rules->denied;
    struct pattern made;
    struct pattern *list;
    enum err err;

    /* As a denial like others it would leave nothing to permit. */
    if (action == RULE_DENY && strcmp(pattern, "*") == 0) {
        rules->deny_rest = true;
        return ERR_OK;
    }
    err = pattern_parse(&made, pattern, why);
    if (err)
        return err;
    list = reallocarray(patterns->list, patterns->count + 1, sizeof(*list));
    if (!list) {
        pattern_clear(&made);
        return ERR_NO_MEMORY;
    }
    patterns->list = list;
    list[patterns->count++] = made;
    return ERR_OK;
}

bool
rules_empty(const struct rules *rules)
{
    return rules->permitted.count == 0 && rules->denied.count == 0 &&
           !rules->deny_rest;
}

/* Whether what is not permitted is denied. */
static bool
is_strict(const struct rules *rules)
{
    return rules->permitted.count > 0 || rules->deny_rest;
}

/* The best that any pattern says: yes before needs-address before no. */
static enum pattern_match
match_list(const struct pattern_list *patterns,
           const struct pattern_subject *subject)
{
    enum pattern_match best = PATTERN_NO;

    for (size_t i = 0; i < patterns->count && best != PATTERN_YES; i++) {
        enum pattern_match match = pattern_match(&patterns->list[i], subject);

        if (match != PATTERN_NO)
            best = match;
    }
    return best;
}

enum rule_verdict
rules_judge(const struct rules *rules, const struct target *target,
            const union addr *addr)
{
    struct pattern_subject subject;
    enum pattern_match denied;
    enum pattern_match permitted = PATTERN_YES;

    if (rules_empty(rules))
        return RULE_ALLOWED;
    pattern_subject_set(&subject, target, addr);
    denied = match_list(&rules->denied, &subject);
    if (denied == PATTERN_YES)
        return RULE_DENIED;
    if (is_strict(rules))
        permitted = match_list(&rules->permitted, &subject);
    if (permitted == PATTERN_NO)
        return RULE_DENIED;
    if (denied == PATTERN_NEEDS_ADDR || permitted == PATTERN_NEEDS_ADDR)
        return RULE_NEEDS_ADDR;
    return RULE_ALLOWED;
}

bool
rules_deny(const struct rules *rules, const struct target *target)
{
    struct pattern_subject subject;

    if (rules->denied.count == 0)
        return false;
    pattern_subject_set(&subject, target, NULL);
    return match_list(&rules->denied, &subject) == PATTERN_YES;
}

bool
rules_permit(const struct rules *rules, const struct target *target)
{
    struct pattern_subject subject;

    if (!is_strict(rules))
        return true;
    pattern_subject_set(&subject, target, NULL);
    return match_list(&rules->permitted, &subject) == PATTERN_YES;
}
