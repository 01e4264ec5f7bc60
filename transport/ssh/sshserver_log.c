#include "transport/ssh/sshserver_parts.h"

#include <string.h>

#include "transport/base/clock.h"

/* As log_limited's, for events. */
#define WINDOW_MS 10000
#define BURST     20

/* Whether one more may be told: a peer can make failures without end. */
static bool
may_tell(struct log_limit *limit)
{
    uint64_t now_ms = (uint64_t)(clock_seconds() * 1000);

    if (limit->said == 0 || now_ms - limit->window_ms >= WINDOW_MS) {
        if (limit->held > 0)
            log_write(LOG_INFO, "%u more logins failed, and were not told of",
                      limit->held);
        *limit = (struct log_limit){.window_ms = now_ms};
    }
    if (limit->said >= BURST) {
        limit->held++;
        return false;
    }
    limit->said++;
    return true;
}

void
sshserver_log_failed(struct sshserver_login_run *run, const char *why)
{
    enum log_level level = run->tries > 0 ? LOG_INFO : LOG_VERBOSE;
    struct log_event event;
    char addr[ADDR_TEXT_MAX];

    if (!log_enabled(level) || !may_tell(&run->loop->log))
        return;
    log_begin(&event, level, "login failed");
    log_string(&event, "addr", addr_format(&run->peer, addr));
    if (run->user[0])
        log_string(&event, "user", run->user);
    if (run->print[0])
        log_string(&event, "key", run->print);
    if (run->tries > 0)
        log_number(&event, "tries", run->tries);
    log_string(&event, "reason", run->tries > 0 && *run->why ? run->why : why);
    log_send(&event);
}

void
sshserver_log_barred(struct sshserver_loop *loop, const union addr *peer,
                     double seconds)
{
    char addr[ADDR_TEXT_MAX];

    log_limited(&loop->quiet, LOG_INFO,
                "logins from %s are refused for %.0f s: too many failed",
                addr_format_host(peer, addr), seconds);
}

void
sshserver_log_turned_away(struct sshserver_loop *loop, const union addr *peer,
                          const char *why)
{
    char addr[ADDR_TEXT_MAX];

    log_limited(&loop->quiet, LOG_VERBOSE,
                "login refused addr=%s reason=\"%s\"", addr_format(peer, addr),
                why);
}
