/* Memory for libev when there is none. */
#ifndef CULVERT_TRANSPORT_LOOP_RESERVE_H
#define CULVERT_TRANSPORT_LOOP_RESERVE_H

/* Has libev take its memory from us: from the heap, and where that fails from
 * a reserve, since libev ends the program when an array of its own cannot
 * grow. Out of memory is to cost one session, not all of them.
 * Thread: any; to be called before a loop is made, as often as one likes. */
void reserve_install(void);

#endif
