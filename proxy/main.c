#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "proxy/background.h"
#include "proxy/control_client.h"
#include "proxy/options.h"
#include "proxy/server.h"
#include "transport/base/log.h"

/* What starts us may have closed some of them: their numbers are not to go to
 * sockets, which the log would write into. */
static void
open_standard_descriptors(void)
{
    int fd;

    do
        fd = open("/dev/null", O_RDWR);
    while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd > STDERR_FILENO)
        close(fd);
}

int
main(int argc, char **argv)
{
    struct settings *settings = NULL;
    int ready_fd = -1;
    int status = EXIT_FAILED;
    enum err err;

    open_standard_descriptors();
    switch (options_parse(argc, argv, &settings)) {
    case OPTIONS_EXIT_OK:
        return 0;
    case OPTIONS_USAGE:
        return EXIT_USAGE;
    case OPTIONS_RUN:
        break;
    }
    signal(SIGPIPE, SIG_IGN);
    if (settings->control_word) {
        status = control_client_run(settings);
        settings_destroy(settings);
        return status;
    }
    err = log_open(&settings->log);
    if (err) {
        log_write(LOG_FATAL, "-E %s: %s", settings->log.path, err_text(err));
        goto end;
    }
    if (settings->background) {
        ready_fd = background_fork();
        if (ready_fd < 0) {
            log_write(LOG_FATAL, "-f: fork: %s", strerror(errno));
            goto end;
        }
    }
    status = server_run(settings, ready_fd);
end:
    log_close();
    settings_destroy(settings);
    return status;
}
