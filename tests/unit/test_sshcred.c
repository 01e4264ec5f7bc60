#include "transport/ssh/sshcred.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

/* Somebody who gives numbered answers. */
struct person {
    struct sshask ask;
    unsigned asked;
    unsigned patience; /* gives up after so many; 0: never */
    enum sshask_kind kind;
    char prompt[64];
};

static enum err
answer(void *arg, enum sshask_kind kind, const char *prompt, char *text,
       size_t size)
{
    struct person *person = arg;

    person->asked++;
    person->kind = kind;
    snprintf(person->prompt, sizeof(person->prompt), "%s", prompt);
    if (person->patience && person->asked > person->patience)
        return ERR_PEER_GONE;
    snprintf(text, size, "answer %u", person->asked);
    return ERR_OK;
}

static struct sshcred *
create(struct person *person)
{
    struct sshcred *cred;

    person->ask = (struct sshask){.ask = answer, .arg = person};
    cr_assert_eq(sshcred_create(&person->ask, &cred), ERR_OK);
    return cred;
}

Test(sshcred, an_answer_is_kept)
{
    struct person person = {0};
    struct sshcred *cred = create(&person);
    char text[64];
    bool asked = false;

    cr_assert_eq(sshcred_secret(cred, "k", "Key: ", 0, &asked, text, 64),
                 ERR_OK);
    cr_expect(asked);
    cr_expect_eq(person.kind, SSHASK_SECRET);
    cr_expect_str_eq(person.prompt, "Key: ");
    asked = false;
    memset(text, 0, sizeof(text));
    cr_assert_eq(sshcred_secret(cred, "k", "Key: ", 0, &asked, text, 64),
                 ERR_OK);
    cr_expect_not(asked);
    cr_expect_str_eq(text, "answer 1");
    cr_assert_eq(sshcred_secret(cred, "other", "Other: ", 0, &asked, text, 64),
                 ERR_OK);
    cr_expect_str_eq(text, "answer 2");
    sshcred_destroy(cred);
}

Test(sshcred, a_wrong_one_is_asked_for_anew)
{
    struct person person = {0};
    struct sshcred *cred = create(&person);
    char text[64];
    bool asked = false;

    sshcred_secret(cred, "k", "", 0, &asked, text, 64);
    cr_assert_eq(sshcred_secret(cred, "k", "", 1, &asked, text, 64), ERR_OK);
    cr_expect_str_eq(text, "answer 2");
    sshcred_forget(cred, "k");
    sshcred_forget(cred, "never there");
    cr_assert_eq(sshcred_secret(cred, "k", "", 0, &asked, text, 64), ERR_OK);
    cr_expect_str_eq(text, "answer 3");
    sshcred_destroy(cred);
}

Test(sshcred, one_that_another_login_has_asked_for_is_taken)
{
    struct person person = {0};
    struct sshcred *cred = create(&person);
    char mine[64];
    char theirs[64];
    bool asked = false;

    sshcred_secret(cred, "k", "", 0, &asked, mine, 64);
    sshcred_secret(cred, "k", "", 0, &asked, theirs, 64);
    sshcred_secret(cred, "k", "", 1, &asked, theirs, 64);
    asked = false;
    cr_assert_eq(sshcred_secret(cred, "k", "", 1, &asked, mine, 64), ERR_OK);
    cr_expect_not(asked);
    cr_expect_str_eq(mine, theirs);
    cr_expect_eq(person.asked, 2);
    sshcred_destroy(cred);
}

Test(sshcred, nobody_is_asked_when_there_is_nobody)
{
    struct person person = {.patience = 1};
    struct sshcred *cred = create(&person);
    struct sshcred *alone;
    char text[64];
    bool asked = false;

    sshcred_secret(cred, "k", "", 0, &asked, text, 64);
    asked = false;
    cr_expect_eq(sshcred_secret(cred, "l", "", 0, &asked, text, 64),
                 ERR_PEER_GONE);
    cr_expect_not(asked);
    sshcred_end_asking(cred);
    cr_expect_eq(sshcred_ask(cred, SSHASK_TEXT, "?", text, 64), ERR_PEER_GONE);
    cr_expect_eq(person.asked, 2, "asked all the same");
    cr_expect_eq(sshcred_secret(cred, "k", "", 0, &asked, text, 64), ERR_OK);
    cr_expect_str_eq(text, "answer 1");
    sshcred_destroy(cred);
    cr_assert_eq(sshcred_create(NULL, &alone), ERR_OK);
    cr_expect_eq(sshcred_ask(alone, SSHASK_TEXT, "?", text, 64), ERR_PEER_GONE);
    sshcred_destroy(alone);
    sshcred_destroy(NULL);
}

Test(sshcred, a_question_of_any_kind_is_passed_on_and_not_kept)
{
    struct person person = {0};
    struct sshcred *cred = create(&person);
    char text[64];

    cr_expect_eq(sshcred_ask(cred, SSHASK_CONFIRM, "Sure? ", text, 64), ERR_OK);
    cr_expect_eq(person.kind, SSHASK_CONFIRM);
    cr_expect_eq(sshcred_ask(cred, SSHASK_TEXT, "Sure? ", text, 64), ERR_OK);
    cr_expect_eq(person.kind, SSHASK_TEXT);
    cr_expect_eq(person.asked, 2);
    sshcred_destroy(cred);
}

Test(sshcred, a_note_is_new_once)
{
    struct person person = {0};
    struct sshcred *cred = create(&person);

    cr_expect_not(sshcred_has_note(cred, "a"));
    cr_expect(sshcred_note(cred, "a"));
    cr_expect(sshcred_has_note(cred, "a"));
    cr_expect_not(sshcred_note(cred, "a"));
    cr_expect(sshcred_note(cred, "b"));
    sshcred_destroy(cred);
}

Test(sshcred, it_lives_as_long_as_its_last_holder)
{
    struct person person = {0};
    struct sshcred *cred = create(&person);
    struct sshcred *held = sshcred_hold(cred);
    char text[64];
    bool asked = false;

    sshcred_secret(cred, "k", "", 0, &asked, text, 64);
    sshcred_destroy(cred);
    asked = false;
    cr_expect_eq(sshcred_secret(held, "k", "", 0, &asked, text, 64), ERR_OK);
    cr_expect_not(asked);
    sshcred_destroy(held);
}

/* The page of a secret: locked as far as the limit allows, not in dumps. */
Test(sshcred, secrets_are_in_no_core_dump)
{
    struct person person = {0};
    struct sshcred *cred = create(&person);
    char text[64];
    char line[256];
    bool asked = false;
    unsigned left_out = 0;
    FILE *maps = fopen("/proc/self/smaps", "r");

    cr_assert(maps);
    sshcred_secret(cred, "k", "", 0, &asked, text, 64);
    while (fgets(line, sizeof(line), maps))
        left_out += strncmp(line, "VmFlags:", 8) == 0 && strstr(line, " dd");
    fclose(maps);
    cr_expect_geq(left_out, 1, "no mapping is left out of dumps");
    sshcred_destroy(cred);
}
