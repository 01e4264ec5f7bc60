/* The contract of streams on a channel of a real sshd, whose other end is the
 * socket that the server has dialled. */
#include <unistd.h>

#include "tests/unit/loop_help.h"
#include "tests/unit/ssh_bed.h"
#include "tests/unit/stream_contract.h"
#include "transport/stream_tcp.h"

/* One per test, and each has its own process. */
static struct ssh_bed bed;

static void
make(struct worker *worker, struct stream *ends[2], int near)
{
    int fd;

    ssh_bed_start(&bed, "");
    ssh_bed_link(&bed, worker);
    ends[near] = ssh_bed_connect(&bed, &fd);
    ends[1 - near] = stream_tcp_create(worker, fd);
    cr_assert(ends[1 - near]);
}

static void
make_near(struct worker *worker, struct stream *ends[2])
{
    make(worker, ends, 0);
}

static void
make_far(struct worker *worker, struct stream *ends[2])
{
    make(worker, ends, 1);
}

static void
unmake(void)
{
    ssh_bed_end(&bed);
}

/* The protocol knows no reset: what aborts is seen to end. */
static const struct stream_maker near_maker = {make_near, false, unmake};
static const struct stream_maker far_maker = {make_far, false, unmake};

STREAM_CONTRACT(stream_ssh, near_maker)
STREAM_CONTRACT(stream_ssh_far, far_maker)
