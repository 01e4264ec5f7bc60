/* Whom the listening sockets go to. */
#include "proxy/forwards.h"

#include <criterion/criterion.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/loop_help.h"
#include "tests/unit/options_run.h"

#define GATEWAY "--host-key=k", "--authorized-keys=a", "--gateway"

/* Forwards of two workers that are not there: nothing here is theirs. */
struct bed {
    struct settings *settings;
    struct limits limits;
    struct forwards forwards;
    int fds[8];
    size_t count;
};

static void
on_gateway(void *arg, int fd)
{
    struct bed *bed = arg;

    cr_assert_lt(bed->count, 8);
    bed->fds[bed->count++] = fd;
}

static void
bed_open(struct bed *bed, const char *const args[])
{
    const struct log_options quiet = {.level = LOG_QUIET};
    size_t opened;
    size_t failed;

    *bed = (struct bed){.settings = options_accept(args)};
    cr_assert_eq(log_open(&quiet), ERR_OK);
    limits_init(&bed->limits, 0, 0, 1000, 0);
    bed->forwards = (struct forwards){
        .settings = bed->settings,
        .limits = &bed->limits,
        .slot_count = 2,
        .on_gateway = on_gateway,
        .arg = bed,
    };
    cr_assert_eq(forwards_open(&bed->forwards, &opened, &failed), ERR_OK);
    cr_assert_eq(failed, 0);
    cr_assert_gt(opened, 0);
}

static void
bed_close(struct bed *bed)
{
    forwards_destroy(&bed->forwards);
    limits_destroy(&bed->limits);
    settings_destroy(bed->settings);
}

Test(forwards, the_gateways_sockets_go_to_its_owner)
{
    unsigned before = sockets_open_count();
    struct bed bed;
    long long free;

    bed_open(&bed, ARGS(GATEWAY, "127.0.0.1:0", "--gateway=127.0.0.2:0"));
    cr_assert_eq(bed.count, 0, "not before they begin");
    free = atomic_load(&bed.limits.free);
    cr_assert_eq(free, 1000 - 2, "and no worker has one of its own");
    forwards_begin(&bed.forwards);
    cr_assert_eq(bed.count, 2);
    for (size_t i = 0; i < bed.count; i++) {
        union addr addr;
        socklen_t len = sizeof(addr);

        cr_assert_eq(getsockname(bed.fds[i], &addr.sa, &len), 0);
        close(sockets_connect(&addr));
    }
    forwards_close(&bed.forwards); /* the others' */
    cr_assert_eq(sockets_open_count(), before + 2);
    forwards_close_gateways(&bed.forwards);
    cr_assert_eq(sockets_open_count(), before);
    cr_assert_eq(atomic_load(&bed.limits.free), 1000);
    bed_close(&bed);
}

Test(forwards, a_gateway_that_nobody_serves_is_left_alone)
{
    struct bed bed;

    bed_open(&bed, ARGS(GATEWAY, "127.0.0.1:0"));
    bed.forwards.on_gateway = NULL;
    forwards_begin(&bed.forwards);
    cr_assert_eq(bed.count, 0);
    bed_close(&bed);
}

/* --- what is said of them ------------------------------------------------- */

Test(forwards, a_gateway_is_described)
{
    char text[256];
    struct bed bed;
    unsigned port;

    bed_open(&bed, ARGS(GATEWAY, "127.0.0.1:0", "-4"));
    forwards_describe(&bed.forwards, text, sizeof(text));
    cr_assert_eq(sscanf(text, "listening on 127.0.0.1:%u (gateway)", &port), 1,
                 "%s", text);
    cr_assert_str_eq(strchr(text, '('), "(gateway)\n");
    bed_close(&bed);
}

static void
keep_row(void *arg, json_t *row)
{
    json_array_append_new(arg, row);
}

/* The row that listens for this kind. */
static json_t *
row_of(json_t *rows, const char *kind)
{
    json_t *row;
    size_t i;

    json_array_foreach(rows, i, row)
    {
        const char *word = json_string_value(json_object_get(row, "kind"));

        cr_assert_not_null(word);
        cr_assert(json_object_get(row, "option"));
        cr_assert_str_eq(json_string_value(json_object_get(row, "state")),
                         "listening");
        if (strcmp(word, kind) == 0)
            return row;
    }
    return NULL;
}

static const char *
text_of(json_t *row, const char *key)
{
    const char *text = json_string_value(json_object_get(row, key));

    return text ? text : "";
}

Test(forwards, rows_say_what_listens)
{
    json_t *rows = json_array();
    struct bed bed;

    bed_open(&bed, ARGS(GATEWAY, "127.0.0.1:0", "-D127.0.0.1:0",
                        "-L127.0.0.1:0:db.example:5432"));
    forwards_rows(&bed.forwards, keep_row, rows);
    cr_assert_eq(json_array_size(rows), 3);
    cr_assert_str_eq(text_of(row_of(rows, "gateway"), "option"), "--gateway");
    cr_assert_null(json_object_get(row_of(rows, "gateway"), "via"));
    cr_assert_str_eq(text_of(row_of(rows, "socks"), "via"), "tcp");
    cr_assert_null(json_object_get(row_of(rows, "socks"), "target"));
    cr_assert_str_eq(text_of(row_of(rows, "fixed"), "target"),
                     "db.example:5432");
    cr_assert_eq(
        strncmp(text_of(row_of(rows, "fixed"), "listen"), "127.0.0.1:", 10), 0);
    json_decref(rows);
    bed_close(&bed);
}
