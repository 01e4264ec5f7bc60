/* "slow" has a hash that takes long enough for all that a test does in the
 * meantime, so that the order of the answers tells what was hashed. */
#include "auth/verify.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "auth/users.h"
#include "tests/unit/hashes.h"

#define FAST_ROUNDS 1000
#define SLOW_ROUNDS 500000

/* More than fit into the queue and are hashed while it is filled. */
#define CROWD_MAX (VERIFY_QUEUE_MAX + 50)

/* A verifier on a worker that the test runs itself, and its answers. */
struct bench {
    struct worker *worker;
    struct verifier *verifier;
    char log[64]; /* a letter for each answer: upper case is good */
    size_t logged;
    size_t awaited;
};

/* One check, with the letter that its answer puts into the log. */
struct asked {
    struct bench *bench;
    char letter;
    struct verify *verify;
    struct asked *dooms; /* cancelled when this one is answered, or NULL */
};

static struct users *
users_of(const char *password)
{
    char text[1024];
    char message[256] = "";
    char fast[CRYPT_OUTPUT_SIZE];
    struct users *users = NULL;

    strcpy(fast, hash_of("$6$", FAST_ROUNDS, password));
    snprintf(text, sizeof(text), "fast:%s\nslow:%s\n", fast,
             hash_of("$6$", SLOW_ROUNDS, password));
    cr_assert_eq(
        users_parse(text, strlen(text), "f", &users, message, sizeof(message)),
        ERR_OK, "%s", message);
    return users;
}

static void
bench_open(struct bench *bench)
{
    struct users *users = users_of("pw");

    memset(bench, 0, sizeof(*bench));
    bench->worker = worker_create(0);
    cr_assert(bench->worker);
    cr_assert_eq(verifier_create(users, &bench->verifier), ERR_OK);
    users_unref(users);
}

static void
bench_close(struct bench *bench)
{
    verifier_destroy(bench->verifier);
    worker_destroy(bench->worker);
}

static void
on_done(void *arg, bool good)
{
    struct asked *asked = arg;
    struct bench *bench = asked->bench;
    char letter = asked->letter;

    asked->verify = NULL;
    if (asked->dooms)
        verify_cancel(asked->dooms->verify);
    bench->log[bench->logged++] = good ? (char)(letter - 'a' + 'A') : letter;
    if (bench->logged == bench->awaited)
        worker_stop(bench->worker);
}

static enum err
try_ask(struct bench *bench, struct asked *asked, char letter, const char *user,
        const char *password)
{
    *asked = (struct asked){.bench = bench, .letter = letter};
    return verify_start(bench->verifier, bench->worker, (const uint8_t *)user,
                        strlen(user), (const uint8_t *)password,
                        strlen(password), on_done, asked, &asked->verify);
}

static void
ask(struct bench *bench, struct asked *asked, char letter, const char *user,
    const char *password)
{
    size_t logged = bench->logged;

    cr_assert_eq(try_ask(bench, asked, letter, user, password), ERR_OK);
    cr_assert(asked->verify);
    cr_assert_eq(bench->logged, logged, "answered from inside the call");
}

/* Runs the loop until so many answers have come in all. */
static void
await(struct bench *bench, size_t answers)
{
    bench->awaited = answers;
    if (bench->logged < answers)
        worker_run(bench->worker);
    cr_assert_eq(bench->logged, answers);
}

Test(verify, answers_are_right)
{
    struct bench bench;
    struct asked asked[4];

    bench_open(&bench);
    ask(&bench, &asked[0], 'a', "fast", "pw");
    ask(&bench, &asked[1], 'b', "fast", "no");
    ask(&bench, &asked[2], 'c', "nobody", "pw");
    ask(&bench, &asked[3], 'd', "", "");
    await(&bench, 4);
    cr_expect_str_eq(bench.log, "Abcd");
    bench_close(&bench);
}

Test(verify, nul_bytes_in_a_password_are_kept)
{
    struct bench bench;
    struct asked asked = {.bench = &bench, .letter = 'a'};

    bench_open(&bench);
    cr_assert_eq(verify_start(bench.verifier, bench.worker,
                              (const uint8_t *)"fast", 4,
                              (const uint8_t *)"pw\0", 3, on_done, &asked,
                              &asked.verify),
                 ERR_OK);
    await(&bench, 1);
    cr_expect_str_eq(bench.log, "a");
    bench_close(&bench);
}

Test(verify, answers_come_in_order)
{
    struct bench bench;
    struct asked asked[6];
    char password[2] = "a";

    bench_open(&bench);
    for (int i = 0; i < 6; i++) {
        password[0] = (char)('a' + i);
        ask(&bench, &asked[i], password[0], "fast", password);
    }
    await(&bench, 6);
    cr_expect_str_eq(bench.log, "abcdef");
    bench_close(&bench);
}

Test(verify, good_answer_is_remembered)
{
    struct bench bench;
    struct asked asked[3];

    bench_open(&bench);
    ask(&bench, &asked[0], 'a', "fast", "pw");
    await(&bench, 1);
    ask(&bench, &asked[1], 's', "slow", "pw");
    ask(&bench, &asked[2], 'b', "fast", "pw");
    await(&bench, 3);
    cr_expect_str_eq(bench.log, "ABS");
    bench_close(&bench);
}

Test(verify, bad_answer_is_not_remembered)
{
    struct bench bench;
    struct asked asked[3];

    bench_open(&bench);
    ask(&bench, &asked[0], 'a', "fast", "no");
    await(&bench, 1);
    ask(&bench, &asked[1], 's', "slow", "pw");
    ask(&bench, &asked[2], 'b', "fast", "no");
    await(&bench, 3);
    cr_expect_str_eq(bench.log, "aSb");
    bench_close(&bench);
}

Test(verify, another_password_is_not_let_in_by_a_remembered_one)
{
    struct bench bench;
    struct asked asked[4];

    bench_open(&bench);
    ask(&bench, &asked[0], 'a', "fast", "pw");
    await(&bench, 1);
    ask(&bench, &asked[1], 'b', "fast", "pW");
    ask(&bench, &asked[2], 'c', "fas", "tpw");
    ask(&bench, &asked[3], 'd', "fastp", "w");
    await(&bench, 4);
    cr_expect_str_eq(bench.log, "Abcd");
    bench_close(&bench);
}

Test(verify, equal_checks_share_one_hash)
{
    struct bench bench;
    struct asked first;
    struct asked asked[4];

    bench_open(&bench);
    ask(&bench, &first, 'x', "slow", "keeps the others waiting");
    ask(&bench, &asked[0], 'a', "slow", "pw");
    ask(&bench, &asked[1], 'b', "fast", "pw");
    ask(&bench, &asked[2], 'c', "slow", "pw");
    ask(&bench, &asked[3], 'd', "slow", "no");
    await(&bench, 5);
    cr_expect_str_eq(bench.log, "xACBd");
    bench_close(&bench);
}

Test(verify, cancelled_in_the_queue_is_never_answered)
{
    struct bench bench;
    struct asked asked[3];

    bench_open(&bench);
    ask(&bench, &asked[0], 's', "slow", "pw");
    ask(&bench, &asked[1], 'a', "fast", "pw");
    ask(&bench, &asked[2], 'b', "fast", "no");
    verify_cancel(asked[1].verify);
    await(&bench, 2);
    cr_expect_str_eq(bench.log, "Sb");
    bench_close(&bench);
}

Test(verify, cancelled_while_hashed_is_never_answered)
{
    struct bench bench;
    struct asked asked[3];

    bench_open(&bench);
    ask(&bench, &asked[0], 'a', "fast", "no");
    ask(&bench, &asked[1], 's', "slow", "pw");
    asked[0].dooms = &asked[1];
    await(&bench, 1);
    ask(&bench, &asked[2], 'b', "fast", "pw");
    await(&bench, 2);
    cr_expect_str_eq(bench.log, "aB");
    bench_close(&bench);
}

Test(verify, cancelled_on_its_way_back_is_never_answered)
{
    struct bench bench;
    struct bench other = {.worker = worker_create(1)};
    struct asked asked[3];

    bench_open(&bench);
    other.verifier = bench.verifier;
    ask(&other, &asked[0], 'a', "fast", "pw");
    ask(&bench, &asked[1], 'b', "fast", "no");
    /* In order: the first one's answer has been sent before this comes. */
    await(&bench, 1);
    verify_cancel(asked[0].verify);
    ask(&other, &asked[2], 'c', "fast", "no");
    await(&other, 1);
    cr_expect_str_eq(other.log, "c");
    bench_close(&bench);
    worker_destroy(other.worker);
}

Test(verify, cancelled_when_remembered_is_never_answered)
{
    struct bench bench;
    struct asked asked[3];

    bench_open(&bench);
    ask(&bench, &asked[0], 'a', "fast", "pw");
    await(&bench, 1);
    ask(&bench, &asked[1], 'b', "fast", "pw");
    verify_cancel(asked[1].verify);
    ask(&bench, &asked[2], 'c', "fast", "pw");
    await(&bench, 2);
    cr_expect_str_eq(bench.log, "AC");
    bench_close(&bench);
}

Test(verify, cancel_and_destroy_of_nothing_do_nothing)
{
    verify_cancel(NULL);
    verifier_destroy(NULL);
}

Test(verify, verifier_ends_while_a_cancelled_check_is_hashed)
{
    struct bench bench;
    struct asked asked[2];

    bench_open(&bench);
    ask(&bench, &asked[0], 'a', "fast", "pw");
    ask(&bench, &asked[1], 's', "slow", "pw");
    asked[0].dooms = &asked[1];
    await(&bench, 1);
    bench_close(&bench);
    cr_expect_str_eq(bench.log, "A");
}

/* Asks for what takes long, each with a password of its own, until the queue
 * is full; the helper may take some out meanwhile. Returns how many. */
static size_t
fill_queue(struct bench *crowd, struct asked *asked)
{
    enum err err = ERR_OK;
    size_t taken = 0;

    while (!err && taken < CROWD_MAX) {
        char password[16];

        snprintf(password, sizeof(password), "no%zu", taken);
        err = try_ask(crowd, &asked[taken], 's', "slow", password);
        taken += !err;
    }
    cr_expect_eq(err, ERR_LIMIT);
    cr_expect_geq(taken, VERIFY_QUEUE_MAX);
    cr_expect_null(asked[taken].verify, "an output touched on failure");
    return taken;
}

Test(verify, full_queue_refuses_and_takes_again_when_there_is_room)
{
    static struct asked asked[CROWD_MAX + 1];
    struct bench bench;
    struct bench crowd;
    struct asked known;
    struct asked more;
    size_t taken;

    bench_open(&bench);
    crowd = bench; /* with a log of its own */
    ask(&bench, &known, 'a', "fast", "pw");
    await(&bench, 1);
    taken = fill_queue(&crowd, asked);
    ask(&bench, &known, 'k', "fast", "pw");
    await(&bench, 2);
    cr_expect_str_eq(bench.log, "AK");
    verify_cancel(asked[taken - 1].verify);
    ask(&bench, &more, 'm', "fast", "no");
    for (size_t i = 0; i < taken - 1; i++)
        verify_cancel(asked[i].verify);
    await(&bench, 3);
    cr_expect_str_eq(bench.log, "AKm");
    bench_close(&bench);
}

Test(verify, other_users_count_from_now_on)
{
    struct bench bench;
    struct asked asked[4];
    struct users *users = users_of("new");

    bench_open(&bench);
    ask(&bench, &asked[0], 'a', "fast", "pw");
    await(&bench, 1);
    verifier_set_users(bench.verifier, users);
    users_unref(users);
    ask(&bench, &asked[1], 'b', "fast", "pw");
    ask(&bench, &asked[2], 'c', "fast", "new");
    await(&bench, 3);
    ask(&bench, &asked[3], 'd', "fast", "new");
    await(&bench, 4);
    cr_expect_str_eq(bench.log, "AbCD");
    bench_close(&bench);
}

/* Whether the agent of "alice" is that one. */
static bool
finds_agent(struct verifier *verifier, const char *expected)
{
    char agent[GRANT_AGENT_MAX + 1] = "untouched";
    bool found =
        verifier_find_agent(verifier, (const uint8_t *)"alice", 5, agent);

    cr_expect(found || strcmp(agent, "untouched") == 0, "%s", agent);
    return expected ? found && strcmp(agent, expected) == 0 : !found;
}

Test(verify, agent_is_that_of_the_current_users)
{
    static const char text[] = "alice:" OPENSSL_5 ":agent=";
    char line[256];
    char name[GRANT_AGENT_MAX + 1];
    char message[256] = "";
    struct users *users = NULL;
    struct bench bench;

    memset(name, 'n', GRANT_AGENT_MAX);
    name[GRANT_AGENT_MAX] = 0;
    snprintf(line, sizeof(line), "%s%s", text, name);
    cr_assert_eq(
        users_parse(line, strlen(line), "f", &users, message, sizeof(message)),
        ERR_OK, "%s", message);
    bench_open(&bench);
    cr_expect(finds_agent(bench.verifier, NULL));
    verifier_set_users(bench.verifier, users);
    users_unref(users);
    cr_expect(finds_agent(bench.verifier, name));
    bench_close(&bench);
}

/* Its done starts the next check. */
struct chain {
    struct bench *bench;
    struct asked second;
};

static void
on_first(void *arg, bool good)
{
    struct chain *chain = arg;

    cr_expect(good);
    ask(chain->bench, &chain->second, 'b', "fast", "no");
}

Test(verify, done_may_start_a_check)
{
    struct bench bench;
    struct chain chain = {.bench = &bench};
    struct verify *first;

    bench_open(&bench);
    cr_assert_eq(verify_start(bench.verifier, bench.worker,
                              (const uint8_t *)"fast", 4, (const uint8_t *)"pw",
                              2, on_first, &chain, &first),
                 ERR_OK);
    await(&bench, 1);
    cr_expect_str_eq(bench.log, "b");
    bench_close(&bench);
}
