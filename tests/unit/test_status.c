#include "proxy/status.h"

#include <criterion/criterion.h>
#include <jansson.h>
#include <string.h>
#include <unistd.h>

#include "proxy/row.h"
#include "tests/unit/options_run.h"

struct bed {
    struct settings *settings;
    struct shared shared;
    struct forwards forwards;
};

static void
bed_open(struct bed *bed, const char *const args[])
{
    const struct log_options quiet = {.level = LOG_QUIET};
    size_t opened;
    size_t failed;

    *bed = (struct bed){.settings = options_accept(args)};
    cr_assert_eq(log_open(&quiet), ERR_OK);
    bed->settings->workers = 3;
    bed->shared.settings = bed->settings;
    limits_init(&bed->shared.limits, 0, 0, 1000, 0);
    bed->forwards = (struct forwards){
        .settings = bed->settings,
        .limits = &bed->shared.limits,
        .slot_count = 1,
    };
    cr_assert_eq(forwards_open(&bed->forwards, &opened, &failed), ERR_OK);
}

static void
bed_close(struct bed *bed)
{
    forwards_destroy(&bed->forwards);
    limits_destroy(&bed->shared.limits);
    settings_destroy(bed->settings);
}

/* The object that is written into so many bytes. */
static json_t *
object_of(struct bed *bed, size_t size)
{
    char *text = malloc(size);
    size_t len;
    json_t *root;

    len = status_write(&bed->shared, &bed->forwards, true, text, size);
    cr_assert_lt(len, size);
    cr_assert_eq(strlen(text), len);
    cr_assert_eq(text[len - 1], '\n');
    cr_assert_null(memchr(text, '\n', len - 1), "one line");
    root = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    cr_assert_not_null(root, "%s", text);
    free(text);
    return root;
}

Test(status, an_object_has_everything)
{
    static const char *const keys[] = {"version",  "pid",    "workers",
                                       "sessions", "server", "listeners",
                                       "links",    "agents"};
    struct bed bed;
    json_t *root;

    bed_open(&bed, ARGS("-D127.0.0.1:0", "-D127.0.0.2:0"));
    root = object_of(&bed, 60 * 1024);
    cr_assert_eq(json_object_size(root), sizeof(keys) / sizeof(*keys));
    for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++)
        cr_assert(json_object_get(root, keys[i]), "%s", keys[i]);
    cr_assert_str_eq(json_string_value(json_object_get(root, "version")),
                     CULVERT_VERSION);
    cr_assert_eq(json_integer_value(json_object_get(root, "pid")), getpid());
    cr_assert_eq(json_integer_value(json_object_get(root, "workers")), 3);
    cr_assert(json_is_null(json_object_get(root, "server")));
    cr_assert_eq(json_array_size(json_object_get(root, "listeners")), 2);
    cr_assert_eq(json_array_size(json_object_get(root, "links")), 0);
    cr_assert_eq(json_array_size(json_object_get(root, "agents")), 0);
    json_decref(root);
    bed_close(&bed);
}

Test(status, what_does_not_fit_is_counted)
{
    const char *args[31] = {NULL};
    struct bed bed;
    json_t *root;
    size_t rows;

    for (int i = 0; i < 30; i++)
        args[i] = "-D127.0.0.1:0";
    bed_open(&bed, args);
    root = object_of(&bed, 11 * 1024);
    rows = json_array_size(json_object_get(root, "listeners"));
    cr_assert_gt(rows, 5);
    cr_assert_lt(rows, 30);
    cr_assert_eq(json_integer_value(json_object_get(root, "left_out")),
                 30 - (json_int_t)rows);
    json_decref(root);
    bed_close(&bed);
}

Test(status, lines_are_as_they_were)
{
    char text[12 * 1024];
    struct bed bed;

    bed_open(&bed, ARGS("-D127.0.0.1:0"));
    cr_assert_gt(
        status_write(&bed.shared, &bed.forwards, false, text, sizeof(text)), 0);
    cr_assert_eq(strncmp(text, "culvert " CULVERT_VERSION " pid=", 14), 0);
    cr_assert(
        strstr(text, " workers=3 sessions=0 server=-\nlistening on 127."));
    bed_close(&bed);
}

/* --- rows ----------------------------------------------------------------- */

static void
assert_text(const char *text, const char *expected)
{
    json_t *row = json_object();

    row_text(row, "key", text);
    cr_assert_str_eq(json_string_value(json_object_get(row, "key")), expected);
    json_decref(row);
}

Test(status, text_that_is_no_utf8_is_widened)
{
    json_t *row = json_object();

    assert_text("/run/a \"b\"", "/run/a \"b\"");
    assert_text("\xc3\xa4", "\xc3\xa4");
    assert_text("/\xe4/s", "/\xc3\xa4/s");
    assert_text("\xff\x80", "\xc3\xbf\xc2\x80");
    row_text(row, "none", NULL);
    cr_assert(json_is_null(json_object_get(row, "none")));
    json_decref(row);
}

Test(status, what_there_was_no_memory_for_is_left_out)
{
    row_text(NULL, "key", "text");
    row_number(NULL, "key", 1);
    row_real(NULL, "key", 1);
}
