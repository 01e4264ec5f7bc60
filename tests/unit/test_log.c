#include "transport/base/log.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/log_sink.h"

/* What the log holds, a line of JSON, without its time: all that differs. */
static char *
json_line(struct log_sink *sink)
{
    static const char before[] = "\"time\":\"2026-01-02T03:04:05.678Z\",";
    char *from;

    log_sink_text(sink);
    from = strstr(sink->text, "\"time\":\"");
    cr_assert(from);
    memmove(from, from + strlen(before), strlen(from + strlen(before)) + 1);
    return sink->text;
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

Test(log, word_of_a_peer_is_quoted_where_it_could_be_more)
{
    struct log_word word;
    char value[600];

    cr_expect_str_eq(log_word(&word, "home"), "home");
    cr_expect_str_eq(log_word(&word, ""), "\"\"");
    cr_expect_str_eq(log_word(&word, "a=b"), "\"a=b\"");
    cr_expect_str_eq(log_word(&word, "a\n\"b\x9b"), "\"a\\x0a\\\"b\\x9b\"");
    memset(value, 'x', sizeof(value));
    value[sizeof(word.text) - 1] = 0;
    cr_expect_str_eq(log_word(&word, value), value);
    value[sizeof(word.text) - 1] = 'x';
    value[sizeof(value) - 1] = 0;
    log_word(&word, value);
    cr_expect_eq(strlen(word.text), sizeof(word.text) - 1);
    cr_expect_str_eq(word.text + sizeof(word.text) - 4, "...");
}

Test(log, text_event_has_fields_in_order)
{
    struct log_sink *sink = log_sink_new(LOG_INFO, LOG_TEXT);
    struct log_event event;

    log_begin(&event, LOG_INFO, "session");
    log_string(&event, "client", "[::1]:80");
    log_number(&event, "in", 18446744073709551615u);
    log_number(&event, "out", 0);
    log_seconds(&event, "seconds", 61005);
    log_send(&event);
    log_sink_text(sink);
    cr_assert(strstr(sink->text, "culvert: session time=2"));
    cr_assert(strstr(sink->text,
                     "Z client=[::1]:80 in=18446744073709551615 out=0 "
                     "seconds=61.005\n"));
    cr_assert_eq(strchr(sink->text, '\n'), strrchr(sink->text, '\n'));
}

Test(log, json_event_is_one_object)
{
    struct log_sink *sink = log_sink_new(LOG_INFO, LOG_JSON);
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
        struct log_sink *sink = log_sink_new(LOG_INFO, LOG_TEXT);
        char expected[200];

        send_values(cases[i].value, "end");
        snprintf(expected, sizeof(expected), " a=%s b=end\n", cases[i].written);
        log_sink_text(sink);
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
        struct log_sink *sink = log_sink_new(LOG_INFO, LOG_JSON);
        char expected[200];

        send_values(cases[i].value, "end");
        snprintf(expected, sizeof(expected), ",\"a\":\"%s\",\"b\":\"end\"}\n",
                 cases[i].written);
        log_sink_text(sink);
        cr_assert(strstr(sink->text, expected), "%s in %s", expected,
                  sink->text);
    }
}

Test(log, no_byte_of_a_value_ends_or_colours_a_line)
{
    for (int format = LOG_TEXT; format <= LOG_JSON; format++) {
        struct log_sink *sink = log_sink_new(LOG_INFO, (enum log_format)format);

        for (int c = 1; c < 256; c++) {
            const char value[] = {'v', (char)c, 0};

            send_values(value, "end");
        }
        log_sink_text(sink);
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
    struct log_sink *sink = log_sink_new(LOG_INFO, LOG_TEXT);

    memset(longest, 'x', sizeof(longest) - 1);
    send_values(longest, "end");
    log_sink_text(sink);
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
            struct log_sink sink;
            FILE *file;
            char line[4200];
            unsigned lines = 0;

            log_sink_init(&sink);
            log_sink_open(&sink, LOG_INFO, (enum log_format)format);
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
            log_sink_text(&sink);
        }
    }
}

Test(log, messages_are_cut_at_their_end_and_have_no_control_bytes)
{
    static char longest[4000];
    struct log_sink *sink = log_sink_new(LOG_INFO, LOG_TEXT);

    memset(longest, 'x', sizeof(longest) - 1);
    log_write(LOG_INFO, "a\nb\x1b[0m\x7f %s", longest);
    log_sink_text(sink);
    cr_assert_eq(strncmp(sink->text, "culvert: a?b?[0m? xxx", 21), 0);
    cr_assert_eq(sink->text[strlen(sink->text) - 1], '\n');
    cr_assert_gt(strlen(sink->text), 1000);
    cr_assert_lt(strlen(sink->text), 1100);
}

/* A path may be long, and of letters that take six bytes each in JSON. */
Test(log, a_long_message_is_in_the_json_line_all_the_same)
{
    static char longest[600];
    struct log_sink *sink = log_sink_new(LOG_INFO, LOG_JSON);

    memset(longest, 0xd0, sizeof(longest) - 1);
    log_write(LOG_INFO, "cannot listen on %s", longest);
    log_sink_text(sink);
    cr_assert(strstr(sink->text, "\"message\":\"cannot listen on \\u00d0"),
              "%s", sink->text);
}

/* --- what is said --------------------------------------------------------- */

Test(log, levels_up_to_the_chosen_one_are_said)
{
    for (int level = LOG_QUIET; level <= LOG_DEBUG; level++) {
        struct log_sink *sink = log_sink_new((enum log_level)level, LOG_TEXT);

        for (int each = LOG_FATAL; each <= LOG_DEBUG; each++) {
            struct log_event event;

            cr_assert_eq(log_enabled((enum log_level)each), each <= level);
            log_write((enum log_level)each, "message %d", each);
            log_begin(&event, (enum log_level)each, "event");
            log_number(&event, "level", (uint64_t)each);
            log_send(&event);
        }
        log_sink_text(sink);
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
    struct log_sink *sink = log_sink_new(LOG_INFO, LOG_TEXT);
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
    log_sink_text(sink);
    cr_assert_eq(count_lines(sink->text, "culvert: flood "), 6);
    cr_assert_eq(count_lines(sink->text, "995 messages like the next"), 1);
    cr_assert_eq(count_lines(sink->text, "another\n"), 1);
    cr_assert_eq(count_lines(sink->text, "too quiet"), 0);
}

Test(log, a_file_is_appended_to_and_for_its_owner_alone)
{
    struct log_sink *sink = log_sink_new(LOG_INFO, LOG_TEXT);
    struct stat st;

    log_write(LOG_INFO, "one");
    log_close();
    cr_assert_eq(stat(sink->path, &st), 0);
    cr_assert_eq(st.st_mode & 077, 0);
    log_sink_open(sink, LOG_INFO, LOG_TEXT);
    log_write(LOG_INFO, "two");
    cr_assert_str_eq(log_sink_text(sink), "culvert: one\nculvert: two\n");
}

Test(log, a_file_that_cannot_be_opened_is_an_error)
{
    const struct log_options options = {.level = LOG_INFO,
                                        .path = "/nonexistent/culvert/log"};

    cr_assert_eq(log_open(&options), ERR_NO_SUCH_PATH);
}

/* --- ready ---------------------------------------------------------------- */

Test(log, ready_lines_are_on_stderr_and_in_the_file)
{
    struct log_sink *sink = log_sink_new(LOG_QUIET, LOG_TEXT);
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
    cr_assert_str_eq(log_sink_text(sink),
                     "culvert: listening on 127.0.0.1:1080\n");
}

Test(log, json_keeps_text_that_is_utf8)
{
    struct log_sink *sink = log_sink_new(LOG_INFO, LOG_JSON);

    send_values("\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80", "\xc2\x85 \xff");
    log_sink_text(sink);
    cr_assert(strstr(sink->text, "\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80"));
    cr_assert(strstr(sink->text, "\\u00c2\\u0085 \\u00ff"));
}
