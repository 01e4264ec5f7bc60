/* Rules: lines "+PATTERN" permit, "-PATTERN" deny, "?HOST" asks for a target,
 * "@ADDRESS" says what a name leads to, "=PORT" sets the port of what follows.
 * Every target is judged by rules made of all the patterns. */
#include "tests/fuzz/fuzz.h"

#include "auth/pattern.h"
#include "auth/rules.h"

#define LINES_MAX 64

struct script {
    char *lines[LINES_MAX];
    size_t count;
};

/* Cuts text into lines, in place. */
static void
read_script(char *text, struct script *script)
{
    char *rest = text;
    char *line;

    script->count = 0;
    while (script->count < LINES_MAX && (line = strsep(&rest, "\n")))
        if (*line)
            script->lines[script->count++] = line;
}

static void
add_line(struct rules *rules, const char *line)
{
    bool empty = rules_empty(rules);
    const char *why = NULL;
    enum err err;

    if (*line != '+' && *line != '-')
        return;
    err = rules_add(rules, *line == '+' ? RULE_PERMIT : RULE_DENY, line + 1,
                    &why);
    FUZZ_CHECK(err == ERR_OK || (err == ERR_MALFORMED && why));
    FUZZ_CHECK(rules_empty(rules) == (empty && err));
}

/* All the rules of a script, from the first line or from the last. */
static struct rules *
make_rules(const struct script *script, bool reverse)
{
    struct rules *rules = rules_create();

    FUZZ_CHECK(rules);
    for (size_t i = 0; i < script->count; i++)
        add_line(rules, script->lines[reverse ? script->count - 1 - i : i]);
    return rules;
}

/* '*' and '?' by a table of all beginnings: the slow and obvious way. */
static bool
glob_by_table(const char *glob, const char *name)
{
    static bool table[TARGET_NAME_MAX + 2][TARGET_NAME_MAX + 2];
    size_t glob_len = strlen(glob);
    size_t name_len = strlen(name);

    for (size_t g = 0; g <= glob_len; g++)
        for (size_t n = 0; n <= name_len; n++) {
            char c = g ? glob[g - 1] : 0;

            if (g == 0)
                table[g][n] = n == 0;
            else if (c == '*')
                table[g][n] = table[g - 1][n] || (n && table[g][n - 1]);
            else
                table[g][n] =
                    n && table[g - 1][n - 1] && (c == '?' || c == name[n - 1]);
        }
    return table[glob_len][name_len];
}

static void
check_globs(const struct script *script, const struct target *target)
{
    struct pattern_subject subject;

    pattern_subject_set(&subject, target, NULL);
    for (size_t i = 0; i < script->count; i++) {
        struct pattern pattern;
        const char *why;

        if (pattern_parse(&pattern, script->lines[i] + 1, &why))
            continue;
        if (pattern.kind == PATTERN_GLOB && pattern.port_count == 0)
            FUZZ_CHECK((pattern_match(&pattern, &subject) == PATTERN_YES) ==
                       glob_by_table(pattern.name, subject.name));
        pattern_clear(&pattern);
    }
}

/* With an address there is always a verdict, and one that was certain by the
 * name alone stays. */
static void
check_addr(const struct rules *rules, const struct target *target,
           enum rule_verdict by_name, const char *text)
{
    union addr addr;
    enum rule_verdict verdict;

    if (!addr_parse(&addr, text, strlen(text), target->port))
        return;
    verdict = rules_judge(rules, target, &addr);
    FUZZ_CHECK(verdict != RULE_NEEDS_ADDR);
    FUZZ_CHECK(target->kind != TARGET_NAME || by_name == RULE_NEEDS_ADDR ||
               verdict == by_name);
}

static void
check_spelling(const struct rules *rules, const struct target *target,
               enum rule_verdict expected)
{
    struct target other = *target;
    size_t len = strlen(other.name);

    for (size_t i = 0; i < len; i++)
        if (other.name[i] >= 'a' && other.name[i] <= 'z')
            other.name[i] = (char)(other.name[i] - 32);
    if (len < TARGET_NAME_MAX)
        strcpy(other.name + len, ".");
    FUZZ_CHECK(rules_judge(rules, &other, NULL) == expected);
}

static void
check_target(const struct script *script, const struct target *target)
{
    struct rules *rules = make_rules(script, false);
    struct rules *reverse = make_rules(script, true);
    enum rule_verdict verdict = rules_judge(rules, target, NULL);
    enum rule_verdict again;

    FUZZ_CHECK(rules_judge(reverse, target, NULL) == verdict);
    FUZZ_CHECK(!rules_empty(rules) || verdict == RULE_ALLOWED);
    if (target->kind == TARGET_NAME) {
        check_globs(script, target);
        check_spelling(rules, target, verdict);
    } else {
        FUZZ_CHECK(verdict != RULE_NEEDS_ADDR);
    }
    check_addr(rules, target, verdict, "10.1.2.3");
    check_addr(rules, target, verdict, "::1");
    for (size_t i = 0; i < script->count; i++)
        if (script->lines[i][0] == '@')
            check_addr(rules, target, verdict, script->lines[i] + 1);
    /* The denial of all takes nothing from what is permitted. */
    add_line(reverse, "-*");
    again = rules_judge(reverse, target, NULL);
    FUZZ_CHECK(again == verdict || again == RULE_DENIED);
    FUZZ_CHECK(!rules_empty(rules) || again == RULE_DENIED);
    rules_destroy(rules);
    rules_destroy(reverse);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    char *text = strndup((const char *)bytes, len);
    struct script script;
    struct target target;
    uint16_t port = 80;

    FUZZ_CHECK(text);
    read_script(text, &script);
    for (size_t i = 0; i < script.count; i++) {
        const char *line = script.lines[i];

        if (*line == '=')
            port = (uint16_t)atoi(line + 1);
        else if (*line == '?' &&
                 !target_set_host(&target, line + 1, strlen(line + 1), port))
            check_target(&script, &target);
        else if (*line == '/' && !target_set_unix(&target, line))
            check_target(&script, &target);
    }
    free(text);
    return 0;
}
