#include "proxy/option_state.h"

#include <stdio.h>
#include <string.h>

bool
option_state_fail(const struct option_state *state, const char *why)
{
    if (state->value)
        fprintf(stderr, "culvert: %s %s: %s\n", state->option, state->value,
                why);
    else
        fprintf(stderr, "culvert: %s: %s\n", state->option, why);
    return false;
}

bool
option_state_claimed(const struct option_state *state,
                     enum option_subject subject)
{
    return state->claimed & 1u << subject;
}

bool
option_state_claim(struct option_state *state, enum option_subject subject)
{
    if (state->from_keyword && option_state_claimed(state, subject))
        return false;
    state->claimed |= 1u << subject;
    return true;
}

/* Whether a name is in the list already, whole. */
static bool
is_listed(const char *list, const char *name)
{
    size_t len = strlen(name);

    while (*list) {
        size_t item = strcspn(list, ",");

        if (item == len && memcmp(list, name, len) == 0)
            return true;
        list += item;
        list += strspn(list, ", ");
    }
    return false;
}

void
option_state_idle(struct option_state *state, const char *name)
{
    size_t len = strlen(state->idle);

    if (is_listed(state->idle, name) ||
        len + strlen(name) + sizeof(", ") > sizeof(state->idle))
        return;
    snprintf(state->idle + len, sizeof(state->idle) - len, "%s%s",
             len ? ", " : "", name);
}
