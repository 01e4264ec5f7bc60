#include "transport/base/log.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A log in a directory of its own. */
struct sink {
    char dir[64];
    char path[80];
    char text[512 * 1024];
};

static void
sink_init(struct sink *sink)
{
    memset(sink, 0, sizeof(*sink));
    strcpy(sink->dir, "/tmp/culvert-log-XXXXXX");
    cr_assert(mkdtemp(sink->dir));
    snprintf(sink->path, sizeof(sink->path), "%s/log", sink->dir);
}

static void
sink_open(struct sink *sink, enum log_level level, enum log_format format)
{
    const struct log_options options = {
        .level = level, .format = format, .path = sink->path};

    cr_assert_eq(log_open(&options), ERR_OK);
}

/* What the file holds; its directory goes. */
static const char *
sink_text(struct sink *sink)
{
    FILE *file;
    size_t len;

    log_close();
    file = fopen(sink->path, "r");
    cr_assert(file);
    len = fread(sink->text, 1, sizeof(sink->text) - 1, file);
    sink->text[len] = 0;
    fclose(file);
    unlink(sink->path);
    rmdir(sink->dir);
    return sink->text;
}

/* The same for a line of JSON, without its time: all that differs. */
static char *
json_line(struct sink *sink)
{
    static const char before[] = "\"time\":\"2026-01-02T03:04:05.678Z\",";
    char *from;

    sink_text(sink);
    from = strstr(sink->text, "\"time\":\"");
    cr_assert(from);
    memmove(from, from + strlen(before), strlen(from + strlen(before)) + 1);
    return sink->text;
}

static struct sink *
new_sink(enum log_level level, enum log_format format)
{
    static struct sink sink;

    sink_init(&sink);
    sink_open(&sink, level, format);
    return &sink;
}

/* --- what a line looks like ----------------------------------------------- */

static void
send_values(const char *first, const char *second)
{
    struct log_event event;

    log_begin(&event, LOG_INFO, "test");
    log_string(&event, "a", first);
    log_string(&event, "b", second);
    log_send(&event);
}

Test(log, text_event_has_fields_in_order)
{
    struct sink *sink = new_sink(LOG_INFO, LOG_TEXT);
    struct log_event event;

    log_begin(&event, LOG_INFO, "session");
    log_string(&event, "client", "[::1]:80");
    log_number(&event, "in", 18446744073709551615u);
    log_number(&event, "out", 0);
    log_seconds(&event, "seconds", 61005);
    log_send(&event);
    sink_text(sink);
    cr_assert(strstr(sink->text, "culvert: session time=2"));
    cr_assert(strstr(sink->text,
                     "Z client=[::1]:80 in=18446744073709551615 out=0 "
                     "seconds=61.005\n"));
    cr_assert_eq(strchr(sink->text, '\n'), strrchr(sink->text, '\n'));
}

Test(log, json_event_is_one_object)
{
    struct sink *sink = new_sink(LOG_INFO, LOG_JSON);
    struct log_event event;

    log_begin(&event, LOG_WARN, "session");
    log_string(&event, "client", "1.2.3.4:5");
    log_number(&event, "in", 7);
    log_seconds(&event, "seconds", 9);
    log_send(&event);
    cr_assert_str_eq(json_line(sink),
                     "{\"level\":\"warning\",\"event\":\"session\","
                     "\"client\":\"1.2.3.4:5\",\"in\":7,\"seconds\":0.009}\n");
}

Test(log, text_quotes_what_could_forge_a_field)
{
    static const struct {
        const char *value;
        const char *written;
    } cases[] = {
        {"plain-1.2:3/x", "plain-1.2:3/x"},
        {"", "\"\""},
        {"a b", "\"a b\""},
        {"a=b", "\"a=b\""},
        {"say \"hi\"", "\"say \\\"hi\\\"\""},
        {"back\\slash", "\"back\\\\slash\""},
        {"x\nculvert: session", "\"x\\x0aculvert: session\""},
        {"\x1b[31m", "\"\\x1b[31m\""},
        {"\x7f", "\"\\x7f\""},
        {"caf\xc3\xa9", "\"caf\\xc3\\xa9\""},
        {"\xff", "\"\\xff\""},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct sink *sink = new_sink(LOG_INFO, LOG_TEXT);
        char expected[200];

        send_values(cases[i].value, "end");
        snprintf(expected, sizeof(expected), " a=%s b=end\n", cases[i].written);
        sink_text(sink);
        cr_assert(strstr(sink->text, expected), "%s in %s", expected,
                  sink->text);
    }
}

Test(log, json_escapes_what_json_demands)
{
    static const struct {
        const char *value;
        const char *written;
    } cases[] = {
        {"plain", "plain"},
        {"", ""},
        {"say \"hi\"", "say \\\"hi\\\""},
        {"back\\slash", "back\\\\slash"},
        {"x\ny\tz", "x\\u000ay\\u0009z"},
        {"\x1b\x7f", "\\u001b\\u007f"},
        {"\xff", "\\u00ff"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct sink *sink = new_sink(LOG_INFO, LOG_JSON);
        char expected[200];

        send_values(cases[i].value, "end");
        snprintf(expected, sizeof(expected), ",\"a\":\"%s\",\"b\":\"end\"}\n",
                 cases[i].written);
        sink_text(sink);
        cr_assert(strstr(sink->text, expected), "%s in %s", expected,
                  sink->text);
    }
}

Test(log, no_byte_of_a_value_ends_or_colours_a_line)
{
    for (int format = LOG_TEXT; format <= LOG_JSON; format++) {
        struct sink *sink = new_sink(LOG_INFO, (enum log_format)format);

        for (int c = 1; c < 256; c++) {
            const char value[] = {'v', (char)c, 0};

            send_values(value, "end");
        }
        sink_text(sink);
        for (const char *c = sink->text; *c; c++)
            cr_assert(*c == '\n' || (*c >= ' ' && *c < 0x7f));
        for (int i = 1; i < 256; i++) {
            char *end = strchr(sink->text, '\n');

            cr_assert(end, "line %d", i);
            memmove(sink->text, end + 1, strlen(end));
        }
        cr_assert_str_eq(sink->text, "");
    }
}

/* --- lengths -------------------------------------------------------------- */

Test(log, an_overlong_field_is_left_out_whole_and_later_ones_stay)
{
    static char longest[5000];
    struct sink *sink = new_sink(LOG_INFO, LOG_TEXT);

    memset(longest, 'x', sizeof(longest) - 1);
    send_values(longest, "end");
    sink_text(sink);
    cr_assert_null(strstr(sink->text, "a="));
    cr_assert_null(strchr(sink->text, 'x'));
    cr_assert(strstr(sink->text, "Z b=end\n"));
}

/* Values of every length around the room that there is, of bytes that are
 * written as one, two or six. */
static void
try_lengths(char letter)
{
    static char value[4400];
    struct log_event event;
    unsigned whole = 0;
    unsigned without = 0;

    for (size_t len = 1; len < sizeof(value); len++) {
        size_t before;
        size_t alone;

        memset(value, letter, len);
        value[len] = 0;
        log_begin(&event, LOG_INFO, "test");
        before = event.len;
        log_string(&event, "a", value);
        alone = event.len;
        cr_assert(alone == before || alone - before >= len);
        whole += alone != before;
        without += alone == before;
        cr_assert(!without || alone == before, "shorter ones fitted");
        for (int i = 0; i < 400; i++)
            log_number(&event, "n", 12345);
        cr_assert_leq(event.len + 2, sizeof(event.text));
        log_send(&event);
    }
    cr_assert_gt(whole, 200);
    cr_assert_gt(without, 100);
}

/* Those that open or close a value. */
static unsigned
count_quotes(const char *line)
{
    unsigned count = 0;

    for (; *line; line++) {
        if (*line == '\\' && line[1])
            line++;
        else if (*line == '"')
            count++;
    }
    return count;
}

Test(log, a_line_is_whole_whatever_its_fields_lengths)
{
    static const char letters[] = {'x', '"', '\n'};

    for (int format = LOG_TEXT; format <= LOG_JSON; format++) {
        for (size_t i = 0; i < sizeof(letters); i++) {
            struct sink sink;
            FILE *file;
            char line[4200];
            unsigned lines = 0;

            sink_init(&sink);
            sink_open(&sink, LOG_INFO, (enum log_format)format);
            try_lengths(letters[i]);
            log_close();
            file = fopen(sink.path, "r");
            for (; fgets(line, sizeof(line), file); lines++) {
                const char *end = format == LOG_JSON ? "}\n" : "\n";

                cr_assert_leq(strlen(line), 4096);
                cr_assert_str_eq(line + strlen(line) - strlen(end), end);
                cr_assert_eq(count_quotes(line) % 2, 0, "%s", line);
            }
            cr_assert_eq(lines, 4399);
            fclose(file);
            sink_text(&sink);
        }
    }
}

Test(log, messages_are_cut_at_their_end_and_have_no_control_bytes)
{
    static char longest[4000];
    struct sink *sink = new_sink(LOG_INFO, LOG_TEXT);

    memset(longest, 'x', sizeof(longest) - 1);
    log_write(LOG_INFO, "a\nb\x1b[0m\x7f %s", longest);
    sink_text(sink);
    cr_assert_eq(strncmp(sink->text, "culvert: a?b?[0m? xxx", 21), 0);
    cr_assert_eq(sink->text[strlen(sink->text) - 1], '\n');
    cr_assert_gt(strlen(sink->text), 1000);
    cr_assert_lt(strlen(sink->text), 1100);
}

/* A path may be long, and of letters that take six bytes each in JSON. */
Test(log, a_long_message_is_in_the_json_line_all_the_same)
{
    static char longest[600];
    struct sink *sink = new_sink(LOG_INFO, LOG_JSON);

    memset(longest, 0xd0, sizeof(longest) - 1);
    log_write(LOG_INFO, "cannot listen on %s", longest);
    sink_text(sink);
    cr_assert(strstr(sink->text, "\"message\":\"cannot listen on \\u00d0"),
              "%s", sink->text);
}

/* --- what is said --------------------------------------------------------- */

Test(log, levels_up_to_the_chosen_one_are_said)
{
    for (int level = LOG_QUIET; level <= LOG_DEBUG; level++) {
        struct sink *sink = new_sink((enum log_level)level, LOG_TEXT);

        for (int each = LOG_FATAL; each <= LOG_DEBUG; each++) {
            struct log_event event;

            cr_assert_eq(log_enabled((enum log_level)each), each <= level);
            log_write((enum log_level)each, "message %d", each);
            log_begin(&event, (enum log_level)each, "event");
            log_number(&event, "level", (uint64_t)each);
            log_send(&event);
        }
        sink_text(sink);
        for (int each = LOG_FATAL; each <= LOG_DEBUG; each++) {
            char text[32];

            snprintf(text, sizeof(text), "message %d\n", each);
            cr_assert_eq(strstr(sink->text, text) != NULL, each <= level);
            snprintf(text, sizeof(text), " level=%d\n", each);
            cr_assert_eq(strstr(sink->text, text) != NULL, each <= level);
        }
    }
}

static unsigned
count_lines(const char *text, const char *part)
{
    unsigned count = 0;

    while ((text = strstr(text, part))) {
        count++;
        text += strlen(part);
    }
    return count;
}

Test(log, limited_says_five_and_then_holds_back)
{
    struct sink *sink = new_sink(LOG_INFO, LOG_TEXT);
    struct log_limit limit = {0};
    struct log_limit other = {0};

    for (int i = 0; i < 1000; i++)
        log_limited(&limit, LOG_ERROR, "flood %d", i);
    log_limited(&other, LOG_ERROR, "another");
    log_limited(&other, LOG_DEBUG, "too quiet");
    cr_assert_eq(limit.held, 995);
    /* As if ten seconds had gone by. */
    limit.window_ms -= 10000;
    log_limited(&limit, LOG_ERROR, "flood again");
    sink_text(sink);
    cr_assert_eq(count_lines(sink->text, "culvert: flood "), 6);
    cr_assert_eq(count_lines(sink->text, "995 messages like the next"), 1);
    cr_assert_eq(count_lines(sink->text, "another\n"), 1);
    cr_assert_eq(count_lines(sink->text, "too quiet"), 0);
}

Test(log, a_file_is_appended_to_and_for_its_owner_alone)
{
    struct sink *sink = new_sink(LOG_INFO, LOG_TEXT);
    struct stat st;

    log_write(LOG_INFO, "one");
    log_close();
    cr_assert_eq(stat(sink->path, &st), 0);
    cr_assert_eq(st.st_mode & 077, 0);
    sink_open(sink, LOG_INFO, LOG_TEXT);
    log_write(LOG_INFO, "two");
    cr_assert_str_eq(sink_text(sink), "culvert: one\nculvert: two\n");
}

Test(log, a_file_that_cannot_be_opened_is_an_error)
{
    const struct log_options options = {.level = LOG_INFO,
                                        .path = "/nonexistent/culvert/log"};

    cr_assert_eq(log_open(&options), ERR_NO_SUCH_PATH);
}

/* --- the writer ----------------------------------------------------------- */

Test(log, the_writer_keeps_the_order_and_close_writes_all)
{
    struct sink *sink = new_sink(LOG_INFO, LOG_TEXT);
    const char *at;

    log_write(LOG_INFO, "line 0");
    log_start();
    for (int i = 1; i < 5000; i++)
        log_write(LOG_INFO, "line %d", i);
    at = sink_text(sink);
    for (int i = 0; i < 5000; i++) {
        char line[32];
        int len = snprintf(line, sizeof(line), "culvert: line %d\n", i);

        cr_assert_eq(strncmp(at, line, (size_t)len), 0, "line %d", i);
        at += len;
    }
    cr_assert_str_eq(at, "");
}

Test(log, reopen_goes_on_in_a_new_file)
{
    struct sink *sink = new_sink(LOG_INFO, LOG_TEXT);
    char moved[100];
    char text[100] = "";
    FILE *file;

    snprintf(moved, sizeof(moved), "%s.1", sink->path);
    log_write(LOG_INFO, "before");
    cr_assert_eq(rename(sink->path, moved), 0);
    log_write(LOG_INFO, "between");
    cr_assert_eq(log_reopen(), ERR_OK);
    log_start();
    log_write(LOG_INFO, "after");
    log_close();
    file = fopen(moved, "r");
    cr_assert_gt(fread(text, 1, sizeof(text) - 1, file), 0);
    fclose(file);
    unlink(moved);
    cr_assert_str_eq(text, "culvert: before\nculvert: between\n");
    cr_assert_str_eq(sink_text(sink), "culvert: after\n");
}

Test(log, a_reopen_that_fails_leaves_the_old_file)
{
    struct sink *sink = new_sink(LOG_INFO, LOG_TEXT);
    char moved[100];

    snprintf(moved, sizeof(moved), "%s.old", sink->path);
    cr_assert_eq(rename(sink->path, moved), 0);
    cr_assert_eq(mkdir(sink->path, 0700), 0);
    cr_assert_neq(log_reopen(), ERR_OK);
    log_write(LOG_INFO, "still here");
    cr_assert_eq(rmdir(sink->path), 0);
    cr_assert_eq(rename(moved, sink->path), 0);
    cr_assert_str_eq(sink_text(sink), "culvert: still here\n");
}

/* Counts whole lines "culvert: line N xxx" in the order that they were sent,
 * and adds up what was told as lost. Half a line is an assertion. */
struct tally {
    char rest[200];
    size_t rest_len;
    unsigned long lines;
    unsigned long lost;
    long last;
};

#define PADDING \
    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"

static void
tally_line(struct tally *tally, const char *line)
{
    unsigned long lost;
    long number;
    char padding[100];

    if (sscanf(line, "culvert: log-lost lines=%lu", &lost) == 1) {
        tally->lost += lost;
        return;
    }
    cr_assert_eq(sscanf(line, "culvert: line %ld %99s", &number, padding), 2,
                 "half a line: %s", line);
    cr_assert_str_eq(padding, PADDING);
    cr_assert_gt(number, tally->last);
    tally->last = number;
    tally->lines++;
}

static void
tally_bytes(struct tally *tally, const char *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (bytes[i] == '\n') {
            tally->rest[tally->rest_len] = 0;
            tally_line(tally, tally->rest);
            tally->rest_len = 0;
        } else {
            cr_assert_lt(tally->rest_len, sizeof(tally->rest) - 1);
            tally->rest[tally->rest_len++] = bytes[i];
        }
    }
}

/* Reads until nothing has come for a while, or the end. */
static void
tally_until_idle(struct tally *tally, int fd)
{
    static char bytes[65536];
    int idle = 0;

    while (idle < 20) {
        ssize_t n = read(fd, bytes, sizeof(bytes));

        if (n == 0)
            return;
        if (n < 0) {
            cr_assert_eq(errno, EAGAIN);
            usleep(10000);
            idle++;
            continue;
        }
        idle = 0;
        tally_bytes(tally, bytes, (size_t)n);
    }
}

#define FLOOD 10000

Test(log, a_reader_that_stalls_holds_nobody_up_and_losses_are_told,
     .timeout = 30)
{
    struct tally tally = {.last = -1};
    struct sink sink;
    int reader;

    sink_init(&sink);
    cr_assert_eq(mkfifo(sink.path, 0600), 0);
    reader = open(sink.path, O_RDONLY | O_NONBLOCK);
    sink_open(&sink, LOG_INFO, LOG_TEXT);
    log_start();
    for (long i = 0; i < FLOOD; i++)
        log_write(LOG_INFO, "line %ld %s", i, PADDING);
    tally_until_idle(&tally, reader);
    cr_assert_gt(tally.lost, 0, "more than pipe and queue hold");
    cr_assert_gt(tally.lines, 1000);
    cr_assert_eq(tally.lines + tally.lost, FLOOD);
    /* All is well again. */
    log_write(LOG_INFO, "line %d %s", FLOOD, PADDING);
    log_close();
    tally_until_idle(&tally, reader);
    cr_assert_eq(tally.last, FLOOD);
    cr_assert_eq(tally.lines + tally.lost, FLOOD + 1);
    close(reader);
    unlink(sink.path);
    rmdir(sink.dir);
}

Test(log, close_does_not_wait_for_a_reader_that_stalls, .timeout = 30)
{
    struct sink sink;
    int reader;

    signal(SIGPIPE, SIG_IGN);
    sink_init(&sink);
    cr_assert_eq(mkfifo(sink.path, 0600), 0);
    reader = open(sink.path, O_RDONLY | O_NONBLOCK);
    sink_open(&sink, LOG_INFO, LOG_TEXT);
    log_start();
    for (long i = 0; i < FLOOD; i++)
        log_write(LOG_INFO, "line %ld %s", i, PADDING);
    log_close();
    unlink(sink.path);
    rmdir(sink.dir);
    close(reader);
}

/* The flag belongs to the open file: another program that has our stderr, too,
 * may have set it. */
Test(log, a_sink_that_was_made_non_blocking_gets_no_half_lines, .timeout = 30)
{
    const struct log_options options = {.level = LOG_INFO};
    struct tally tally = {.last = -1};
    int own = dup(STDERR_FILENO);
    int fds[2];

    cr_assert_eq(pipe2(fds, O_NONBLOCK), 0);
    dup2(fds[1], STDERR_FILENO);
    close(fds[1]);
    cr_assert_eq(log_open(&options), ERR_OK);
    log_start();
    for (long i = 0; i < 1500; i++)
        log_write(LOG_INFO, "line %ld %s", i, PADDING);
    usleep(50000); /* the pipe is full by now, and more waits */
    tally_until_idle(&tally, fds[0]);
    log_write(LOG_INFO, "line %d %s", 1500, PADDING);
    log_close();
    dup2(own, STDERR_FILENO);
    tally_until_idle(&tally, fds[0]);
    cr_assert_eq(tally.last, 1500);
    cr_assert_eq(tally.lines + tally.lost, 1501);
}

Test(log, a_full_disk_is_no_reason_to_stop, .timeout = 30)
{
    const struct log_options options = {.level = LOG_INFO, .path = "/dev/full"};

    cr_assert_eq(log_open(&options), ERR_OK);
    log_write(LOG_ERROR, "lost");
    log_start();
    for (long i = 0; i < FLOOD; i++)
        log_write(LOG_INFO, "line %ld %s", i, PADDING);
    cr_assert_eq(log_reopen(), ERR_OK);
    log_close();
}

/* --- ready ---------------------------------------------------------------- */

Test(log, ready_lines_are_on_stderr_and_in_the_file)
{
    struct sink *sink = new_sink(LOG_QUIET, LOG_TEXT);
    int own = dup(STDERR_FILENO);
    char text[200] = "";
    int fds[2];

    cr_assert_eq(pipe(fds), 0);
    dup2(fds[1], STDERR_FILENO);
    log_ready(false, "not with -q");
    log_ready(true, "listening on %s", "127.0.0.1:1080");
    dup2(own, STDERR_FILENO);
    cr_assert_gt(read(fds[0], text, sizeof(text) - 1), 0);
    cr_assert_str_eq(text, "culvert: listening on 127.0.0.1:1080\n");
    cr_assert_str_eq(sink_text(sink), "culvert: listening on 127.0.0.1:1080\n");
}
