/* A far dial: one that is made on another worker than the session's, for a
 * session that cannot go there, since its client's stream belongs to its worker
 * (an SSH channel). What comes of it stays there too, bridged to one end of a
 * socket pair; the other end is the session's stream.
 *
 *   session's worker                     the way out's home
 *   fardial_start ------- mail --------> dial_start
 *   done <--------------- mail --------- outcome, or the engine's end
 *   fardial_cancel ------ mail --------> dial_cancel, unless it is over
 *   freed <-------------- mail --------- heard
 *
 * The far side sends exactly one outcome, or none after a cancel; each cancel
 * is answered. So the session's side knows when nothing more is under way. */
#ifndef CULVERT_PROXY_FARDIAL_H
#define CULVERT_PROXY_FARDIAL_H

#include "proxy/engine.h"
#include "transport/transport.h"

struct fardial;

/* Starts dial (borrowed until done or fardial_cancel, its target too) by the
 * other engine's way out of that number. dial->done is called as a transport
 * would call it, on home's worker: with the outcome and its true reason,
 * ERR_AGAIN among them; ERR_SHUTDOWN when the other engine ends. dial->permit
 * is not asked: the rules are, of which any thread may. The memory is given
 * back by itself once both workers have done with it.
 * Returns it, valid until done or fardial_cancel; or NULL when out of memory.
 * Thread: home's worker. */
struct fardial *fardial_start(struct engine *home, struct engine *far,
                              unsigned way, struct dial *dial);

/* done will not run. NULL does nothing. Thread: home's worker. */
void fardial_cancel(struct fardial *fardial);

/* What it would mean to give up now (dial->late). Thread: home's worker. */
enum err fardial_late(const struct fardial *fardial);

/* Ends the dials that are made on this engine for others, with ERR_SHUTDOWN,
 * and the bridges of those that were. Those that come later end as they come.
 * Thread: the engine's worker. */
void fardial_end_all(struct engine *engine);

#endif
