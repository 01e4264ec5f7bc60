#include "proxy/option_state.h"

#include <string.h>

struct sshconf_place
option_state_place(const struct option_state *state)
{
    return (struct sshconf_place){.option = state->option,
                                  .value = state->value};
}

bool
option_state_fail(const struct option_state *state, const char *why)
{
    struct sshconf_place place = option_state_place(state);

    return sshconf_fail(&place, NULL, why);
}

bool
option_state_idle(struct option_state *state, const char *name)
{
    const struct sshdest_list *idle = &state->conf.idle;

    for (size_t i = 0; i < idle->count; i++) {
        if (strcmp(idle->item[i], name) == 0)
            return true;
    }
    return sshdest_list_add(&state->conf.idle, name) ||
           option_state_fail(state, "out of memory");
}
