/* Costs are in microseconds of delay that a small request may meet, measured
 * on loopback or argued; only their order matters.
 *
 * Links are not used in turn: one that has streams is preferred as long as they
 * are quiet. Uploads that start together share a link so, as none of them is
 * seen to be busy yet: where sshd has Nagle on, four uploads on four links are
 * slower than on one. */
#include "transport/ssh/sshpick.h"

#define COST_PER_OPENING 20.0
#define COST_PER_CHANNEL 0.1   /* libssh looks them up in a list */
#define COST_ACTIVE      300.0 /* streams move: whoever comes may be bulk */
#define COST_LONELY      200.0 /* moves to where others are */
#define COST_SCOUTS      3000.0
#define COST_PER_UNSENT  (1.0 / 16)
#define COST_PER_RATE    1e-5
#define COST_RATE_MAX    2000.0
#define COST_STALLED     10000.0
#define COST_OTHER_WORKER                               \
    80.0 /* a session moves for 30, and more is lost in \
          * going to and fro */

/* A scout goes where the fewest streams would stand still with it. */
#define SCOUT_PER_CHANNEL 10.0
#define SCOUT_FIRST       50.0

/* So many links are worth making for a scout's sake: one for bulk, one for
 * what keeps off it, one for names. */
#define SCOUT_LINKS 3

/* From here on a link has bulk on it, which delays others. */
#define BUSY_RATE   (2u * 1024 * 1024)
#define BUSY_UNSENT (64u * 1024)

/* And from here on one that is worth a second link on its worker: a storm of
 * small requests is not. */
#define VERY_BUSY_RATE (8u * 1024 * 1024)

/* So many opens at once are worth another thread of ours and another process
 * of the server's. */
#define BUSY_OPENING 8

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
scout_cost(const struct sshpick_row *row, bool is_first)
{
    return row->channels * SCOUT_PER_CHANNEL + row->opening * COST_PER_OPENING +
           (is_first ? SCOUT_FIRST : 0);
}

static bool
is_first_up(const struct sshpick_question *question, unsigned index)
{
    while (index > 0)
        if (question->rows[--index].up)
            return false;
    return true;
}

static bool
is_unused(const struct sshpick_row *row)
{
    return row->channels == 0 && row->opening == 0;
}

/* Others have streams, this one has none. */
static bool
is_lonely(const struct sshpick_question *question, unsigned index)
{
    if (!is_unused(&question->rows[index]))
        return false;
    for (unsigned i = 0; i < question->count; i++)
        if (question->rows[i].up && !is_unused(&question->rows[i]))
            return true;
    return false;
}

static double
cost_of(const struct sshpick_question *question, unsigned index)
{
    const struct sshpick_row *row = &question->rows[index];
    double cost = row->stalled > SSHPICK_STALLED_SECONDS ? COST_STALLED : 0;

    if (question->is_scout)
        return cost + scout_cost(row, is_first_up(question, index));
    cost += row->opening * COST_PER_OPENING + row->channels * COST_PER_CHANNEL +
            row->unsent * COST_PER_UNSENT + rate_cost(row);
    if (row->rate > 0 && !is_unused(row))
        cost += COST_ACTIVE;
    if (is_lonely(question, index))
        cost += COST_LONELY;
    if (row->scouts > 0)
        cost += COST_SCOUTS;
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

/* Whether there should be one more, on that worker. A second one as soon as
 * the first has anything to do: what comes to it later may be bulk, or a name
 * that takes long. Beyond that, when the best is busy: bulk
 * is worth a link of its own for whoever comes next; less than that is worth
 * only another thread. */
static bool
is_worth(const struct sshpick_question *question,
         const struct sshpick_row *best, unsigned worker, unsigned taken)
{
    if (taken == 1 && (best->channels > 0 || best->rate > 0))
        return true;
    if (question->is_scout && taken < SCOUT_LINKS && best->channels > 0)
        return true;
    if (best->rate >= VERY_BUSY_RATE || best->stalled > SSHPICK_STALLED_SECONDS)
        return true;
    return place_of(question, worker).links == 0 &&
           (best->rate >= BUSY_RATE || best->unsent >= BUSY_UNSENT ||
            best->opening >= BUSY_OPENING);
}

struct sshpick_answer
sshpick(const struct sshpick_question *question)
{
    struct sshpick_answer answer = {.use = cheapest(question), .add = -1};
    const struct sshpick_row *best =
        answer.use < 0 ? NULL : &question->rows[answer.use];
    unsigned up = 0;
    bool is_made = false;
    unsigned taken = 0;
    int empty = -1;

    for (unsigned i = 0; i < question->count; i++) {
        const struct sshpick_row *row = &question->rows[i];

        taken += row->taken;
        up += row->up;
        is_made = is_made || (row->taken && !row->up);
        if (!row->taken && empty < 0)
            empty = (int)i;
    }
    if (!best)
        return answer;
    /* No more than one at a time. */
    if (!is_made && empty >= 0 && taken < question->limit &&
        question->may_add) {
        answer.on_worker = emptiest(question);
        if (is_worth(question, best, answer.on_worker, taken))
            answer.add = empty;
    }
    answer.hold = question->is_scout && up < SCOUT_LINKS &&
                  best->channels > 0 && (is_made || answer.add >= 0);
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
