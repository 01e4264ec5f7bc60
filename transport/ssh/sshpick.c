/* Costs are in microseconds of delay that a small request may meet, measured
 * on loopback or argued; only their order matters.
 *
 * Not taken into account: which way the bytes of a busy link go. Four uploads
 * on four links are slower than on one where sshd has Nagle on, but uploads
 * that start together share a link anyway, as none of them is seen to be busy
 * yet. */
#include "transport/ssh/sshpick.h"

#define COST_PER_OPENING 20.0
#define COST_PER_CHANNEL 0.1 /* libssh looks them up in a list */
#define COST_PER_UNSENT  (1.0 / 16)
#define COST_PER_RATE    1e-5
#define COST_RATE_MAX    2000.0
#define COST_STALLED     10000.0
#define COST_OTHER_WORKER                               \
    80.0 /* a session moves for 30, and more is lost in \
          * going to and fro */

/* From here on a link has bulk on it, which delays others. */
#define BUSY_RATE   (2u * 1024 * 1024)
#define BUSY_UNSENT (64u * 1024)

/* And from here on one that is worth a second link on its worker: a storm of
 * small requests is not. */
#define VERY_BUSY_RATE (8u * 1024 * 1024)

/* So many opens at once are worth another thread of ours and another process
 * of the server's. */
#define BUSY_OPENING 8

/* A name that takes sshd longer than this holds up all of its link. */
#define STALLED_SECONDS 0.3

#define RETRY_FIRST_SECONDS    0.5
#define RETRY_MOST_SECONDS     30.0
#define RETRY_HOPELESS_SECONDS 60.0
#define RETRY_HOPELESS_MOST    300.0
#define RETRY_JITTER_SECONDS   0.1
#define EXTRA_FIRST_SECONDS    15.0
#define EXTRA_MOST_SECONDS     600.0
#define EXTRA_HOPELESS_SECONDS 600.0
#define EXTRA_HOPELESS_MOST    3600.0

static double
rate_cost(const struct sshpick_row *row)
{
    double cost = row->rate * COST_PER_RATE;

    return cost < COST_RATE_MAX ? cost : COST_RATE_MAX;
}

static double
cost_of(const struct sshpick_question *question, unsigned index)
{
    const struct sshpick_row *row = &question->rows[index];
    double cost = row->opening * COST_PER_OPENING +
                  row->channels * COST_PER_CHANNEL +
                  row->unsent * COST_PER_UNSENT + rate_cost(row);

    if (row->stalled > STALLED_SECONDS)
        cost += COST_STALLED;
    if (row->worker != question->asker)
        cost += COST_OTHER_WORKER;
    /* Its thread is another's, too. */
    for (unsigned i = 0; i < question->count; i++)
        if (i != index && question->rows[i].up &&
            question->rows[i].worker == row->worker)
            cost += rate_cost(&question->rows[i]) / 2;
    return cost;
}

static int
cheapest(const struct sshpick_question *question)
{
    double best_cost = 0;
    int best = -1;

    for (unsigned i = 0; i < question->count; i++) {
        const struct sshpick_row *row = &question->rows[i];
        double cost;

        if (!row->up ||
            (question->asker_only && row->worker != question->asker))
            continue;
        cost = cost_of(question, i);
        if (best < 0 || cost < best_cost) {
            best = (int)i;
            best_cost = cost;
        }
    }
    return best;
}

struct place {
    unsigned links;
    double rate;
};

static struct place
place_of(const struct sshpick_question *question, unsigned worker)
{
    struct place place = {0};

    for (unsigned i = 0; i < question->count; i++) {
        const struct sshpick_row *row = &question->rows[i];

        if (row->taken && row->worker == worker) {
            place.links++;
            place.rate += row->rate;
        }
    }
    return place;
}

/* The one with the fewest links, then with the least to do, then the asker. */
static unsigned
emptiest(const struct sshpick_question *question)
{
    unsigned best = question->asker;
    struct place least = place_of(question, best);

    for (unsigned i = 0; i < question->workers; i++) {
        struct place place = place_of(question, i);

        if (place.links < least.links ||
            (place.links == least.links && place.rate < least.rate)) {
            best = i;
            least = place;
        }
    }
    return best;
}

/* Whether there should be one more, on that worker, as the best is busy. Bulk
 * is worth a link of its own for whoever comes next; less than that is worth
 * only another thread. */
static bool
is_worth(const struct sshpick_question *question,
         const struct sshpick_row *best, unsigned worker)
{
    if (best->rate >= VERY_BUSY_RATE || best->stalled > STALLED_SECONDS)
        return true;
    return place_of(question, worker).links == 0 &&
           (best->rate >= BUSY_RATE || best->unsent >= BUSY_UNSENT ||
            best->opening >= BUSY_OPENING);
}

struct sshpick_answer
sshpick(const struct sshpick_question *question)
{
    struct sshpick_answer answer = {.use = cheapest(question), .add = -1};
    unsigned taken = 0;
    int empty = -1;

    for (unsigned i = 0; i < question->count; i++) {
        const struct sshpick_row *row = &question->rows[i];

        if (row->taken && !row->up)
            return answer; /* one is being made: no second at a time */
        if (row->taken)
            taken++;
        else if (empty < 0)
            empty = (int)i;
    }
    if (answer.use < 0 || empty < 0 || taken >= question->limit ||
        !question->may_add)
        return answer;
    answer.on_worker = emptiest(question);
    if (is_worth(question, &question->rows[answer.use], answer.on_worker))
        answer.add = empty;
    return answer;
}

/* first, doubled with each failure up to the most, and a quarter of it at
 * random. */
static double
doubled(double first, double most, unsigned failures, double spread)
{
    double wait = first;

    for (unsigned i = 0; i < failures && wait < most; i++)
        wait *= 2;
    if (wait > most)
        wait = most;
    return wait * (0.875 + spread / 4);
}

double
sshpick_retry_seconds(unsigned failures, bool hopeless, double spread)
{
    if (failures == 0)
        return spread * RETRY_JITTER_SECONDS;
    return hopeless ? doubled(RETRY_HOPELESS_SECONDS, RETRY_HOPELESS_MOST,
                              failures - 1, spread)
                    : doubled(RETRY_FIRST_SECONDS, RETRY_MOST_SECONDS,
                              failures - 1, spread);
}

double
sshpick_extra_seconds(unsigned failures, bool hopeless, double spread)
{
    return hopeless ? doubled(EXTRA_HOPELESS_SECONDS, EXTRA_HOPELESS_MOST,
                              failures - 1, spread)
                    : doubled(EXTRA_FIRST_SECONDS, EXTRA_MOST_SECONDS,
                              failures - 1, spread);
}
