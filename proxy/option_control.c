/* The control socket's options. */
#include <stdlib.h>
#include <string.h>

#include "proxy/option_apply.h"

static bool
set_text(struct option_state *state, const char *value, char **text)
{
    char *copy;

    if (!*value)
        return option_state_fail(state, "is empty");
    copy = strdup(value);
    if (!copy)
        return option_state_fail(state, "out of memory");
    free(*text);
    *text = copy;
    return true;
}

bool
option_apply_control_master(struct option_state *state, const char *value)
{
    (void)value;
    state->settings->control_master = true;
    return true;
}

bool
option_apply_control_path(struct option_state *state, const char *value)
{
    return set_text(state, value, &state->settings->control_path);
}

bool
option_apply_control_word(struct option_state *state, const char *value)
{
    return set_text(state, value, &state->settings->control_word);
}
