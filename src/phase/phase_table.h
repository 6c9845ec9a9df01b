/* SPDX-License-Identifier: MIT */
/* Room phase (floor 5): the rows. Everything that says what follows what, who does what and who
 * answers which request stands here once; phase.c executes the rows, a tool renders them.
 * Labels are permanent: comments, traces and tests cite them.
 */
#ifndef RESHARD_PHASE_PHASE_TABLE_H
#define RESHARD_PHASE_PHASE_TABLE_H

/* PHASE(name, writer, reader, invariant): who admits writes and reads while the phase lasts. */
#define RESHARD__PHASE_ROWS(ROW) \
    ROW(NONE, "owner", "owner", "no migration") \
    ROW(PREPARE, "source", "source", "both record their intent before any data moves") \
    ROW(COPY, "source", "source", "capture was opened before the first chunk was read") \
    ROW(CATCHUP, "source", "source", "copy plus captured tail equal the source's data") \
    ROW(MOVE, "one per key", "one per key", "a key is served where it is") \
    ROW(FREEZE, "nobody", "source", "nothing changes; the source may still end it by its clock") \
    ROW(HOLD, "nobody", "nobody", "the source has voted and waits for the decision") \
    ROW(COMMIT, "nobody", "nobody", "source held and target ready under one attempt") \
    ROW(SETTLE, "target, once active", "target, once active", \
        "the decision is durable: forward only") \
    ROW(LINGER, "target", "target", "the source keeps its data, hidden") \
    ROW(CLEANUP, "target", "target", "the source purges under a durable record") \
    ROW(DONE, "target", "target", "the source holds nothing of the slots") \
    ROW(ABORT, "as before", "as before", "the decision against it is being recorded") \
    ROW(UNMOVE, "one per key", "one per key", "keys return; no new key is made at the target") \
    ROW(UNDO, "source", "source", "the decision is durable: back only") \
    ROW(REVERTED, "source", "source", "the target holds nothing of the slots")

/* EVENT(name, meaning): what the coordinator's input is classified into. */
#define RESHARD__EVENT_ROWS(ROW) \
    ROW(OPENED, "the migration's opening is durable") \
    ROW(PREPARED_SNAPSHOT, "both sides prepared, mode snapshot") \
    ROW(PREPARED_KEYWISE, "both sides prepared, mode keywise") \
    ROW(COPIED, "all exported chunks are applied at the target") \
    ROW(CAUGHT_UP, "the lag fits the freeze budget") \
    ROW(READY, "source frozen, target durable at the final position, digests equal") \
    ROW(EMPTY, "the source holds no key of the slots, nothing in flight") \
    ROW(HELD, "the source's hold is durable") \
    ROW(COMMITTED, "the commit is durable in the journal") \
    ROW(ABORTED_SNAPSHOT, "the abort is durable, mode snapshot") \
    ROW(ABORTED_KEYWISE, "the abort is durable, mode keywise") \
    ROW(SETTLED, "source released, target active") \
    ROW(GRACE_OVER, "the linger time is over") \
    ROW(PURGED, "the source's data is gone") \
    ROW(UNMOVED, "the target holds no key of the slots, nothing in flight") \
    ROW(UNDONE, "both sides forgot") \
    ROW(LOST_SOURCE, "the source lost its capture, freeze or stream") \
    ROW(LOST_TARGET, "the target lost its copy or stream") \
    ROW(MISMATCH, "the digests differ") \
    ROW(REFUSED, "the source is not frozen under this attempt") \
    ROW(EXPIRED, "the freeze budget ran out") \
    ROW(EPOCH_CHANGED, "a fail-over gave a side a new primary") \
    ROW(ABORT_ASKED, "the operator or a limit asks for an abort") \
    ROW(PAUSE_ASKED, "the operator asks for a pause") \
    ROW(LOST_MOVE, "the target has no record of MOVE, mode keywise")

/* MOVE(label, from, event, to). A move gives a new order; to = from orders the same again. */
#define RESHARD__MOVE_ROWS(ROW) \
    /* Entry: a new migration, or a successor's recovery from the journal. */ \
    ROW(T01, NONE, OPENED, PREPARE) \
    ROW(T02, NONE, COMMITTED, SETTLE) \
    ROW(T03, NONE, ABORTED_SNAPSHOT, UNDO) \
    ROW(T04, NONE, ABORTED_KEYWISE, UNMOVE) \
    /* The straight path. */ \
    ROW(T10, PREPARE, PREPARED_SNAPSHOT, COPY) \
    ROW(T11, COPY, COPIED, CATCHUP) \
    ROW(T12, CATCHUP, CAUGHT_UP, FREEZE) \
    ROW(T13, FREEZE, READY, HOLD) \
    ROW(T14, PREPARE, PREPARED_KEYWISE, MOVE) \
    ROW(T15, MOVE, EMPTY, HOLD) \
    ROW(T16, HOLD, HELD, COMMIT) \
    ROW(T17, COMMIT, COMMITTED, SETTLE) \
    ROW(T18, SETTLE, SETTLED, LINGER) \
    ROW(T19, LINGER, GRACE_OVER, CLEANUP) \
    ROW(T20, CLEANUP, PURGED, DONE) \
    /* Abort, up to the decision record. In COMMIT it is too late to ask, not to lose the race. */ \
    ROW(T30, PREPARE, ABORT_ASKED, ABORT) \
    ROW(T31, COPY, ABORT_ASKED, ABORT) \
    ROW(T32, CATCHUP, ABORT_ASKED, ABORT) \
    ROW(T33, FREEZE, ABORT_ASKED, ABORT) \
    ROW(T34, HOLD, ABORT_ASKED, ABORT) \
    ROW(T35, MOVE, ABORT_ASKED, ABORT) \
    ROW(T36, ABORT, ABORTED_SNAPSHOT, UNDO) \
    ROW(T37, ABORT, ABORTED_KEYWISE, UNMOVE) \
    ROW(T38, UNMOVE, UNMOVED, UNDO) \
    ROW(T39, UNDO, UNDONE, REVERTED) \
    ROW(T40, COMMIT, ABORTED_SNAPSHOT, UNDO) \
    ROW(T41, COMMIT, ABORTED_KEYWISE, UNMOVE) \
    ROW(T42, ABORT, COMMITTED, SETTLE) \
    /* Back-off (R14). */ \
    ROW(T50, FREEZE, EXPIRED, CATCHUP) \
    ROW(T51, HOLD, REFUSED, CATCHUP) \
    ROW(T52, FREEZE, MISMATCH, COPY) \
    ROW(T53, FREEZE, PAUSE_ASKED, CATCHUP) \
    ROW(T60, COPY, LOST_SOURCE, PREPARE) \
    ROW(T61, CATCHUP, LOST_SOURCE, PREPARE) \
    ROW(T62, FREEZE, LOST_SOURCE, PREPARE) \
    ROW(T63, HOLD, LOST_SOURCE, PREPARE) \
    ROW(T64, MOVE, LOST_SOURCE, PREPARE) \
    ROW(T65, COPY, LOST_TARGET, COPY) \
    ROW(T66, CATCHUP, LOST_TARGET, COPY) \
    ROW(T67, FREEZE, LOST_TARGET, COPY) \
    ROW(T68, HOLD, LOST_TARGET, COPY) \
    ROW(T69, UNMOVE, LOST_TARGET, UNMOVE) \
    /* Fail-over (R14, R25, R26): collect again from the current primaries. */ \
    ROW(T70, PREPARE, EPOCH_CHANGED, PREPARE) \
    ROW(T71, COPY, EPOCH_CHANGED, PREPARE) \
    ROW(T72, CATCHUP, EPOCH_CHANGED, PREPARE) \
    ROW(T73, FREEZE, EPOCH_CHANGED, FREEZE) \
    ROW(T74, HOLD, EPOCH_CHANGED, HOLD) \
    ROW(T75, COMMIT, EPOCH_CHANGED, HOLD) \
    ROW(T76, MOVE, EPOCH_CHANGED, PREPARE) \
    ROW(T77, SETTLE, EPOCH_CHANGED, SETTLE) \
    ROW(T78, CLEANUP, EPOCH_CHANGED, CLEANUP) \
    ROW(T79, UNMOVE, EPOCH_CHANGED, UNMOVE) \
    ROW(T80, UNDO, EPOCH_CHANGED, UNDO) \
    /* keywise: HOLD rests on no copy; both record MOVE anew. */ \
    ROW(T81, HOLD, LOST_MOVE, PREPARE)

/* IGNORE(label, from, event): accepted, and nothing changes. */
#define RESHARD__IGNORE_ROWS(ROW) \
    ROW(I01, ABORT, ABORT_ASKED) \
    ROW(I02, UNMOVE, ABORT_ASKED) \
    ROW(I03, UNDO, ABORT_ASKED) \
    ROW(I04, PREPARE, PAUSE_ASKED) \
    ROW(I05, COPY, PAUSE_ASKED) \
    ROW(I06, CATCHUP, PAUSE_ASKED) \
    ROW(I07, MOVE, PAUSE_ASKED) \
    ROW(I08, HOLD, PAUSE_ASKED) \
    ROW(I09, LINGER, EPOCH_CHANGED) \
    ROW(I10, ABORT, EPOCH_CHANGED)

/* DUTY(phase, source's duty, target's duty): what an order makes a participant do. */
#define RESHARD__DUTY_ROWS(ROW) \
    ROW(PREPARE, PREPARE, STAGE) \
    ROW(COPY, EXPORT, RECEIVE) \
    ROW(CATCHUP, STREAM, RECEIVE) \
    ROW(MOVE, GIVE, TAKE) \
    ROW(FREEZE, FREEZE, SEAL) \
    ROW(HOLD, HOLD, KEEP) \
    ROW(SETTLE, RELEASE, ACTIVATE) \
    ROW(LINGER, KEEP, KEEP) \
    ROW(CLEANUP, PURGE, KEEP) \
    ROW(UNMOVE, TAKE_BACK, GIVE_BACK) \
    ROW(UNDO, RESUME, DISCARD)

/* NEED(phase, source's result, target's result, event): the reports that a phase waits for. ANY
 * waits for no report of that side. PREPARE's event depends on the mode, CATCHUP's on the lag, and
 * FREEZE's on equal digests: the coordinator's reports.c. */
#define RESHARD__NEED_ROWS(ROW) \
    ROW(PREPARE, PREPARED, PREPARED, PREPARED_SNAPSHOT) \
    ROW(COPY, COPIED, ANY, COPIED) \
    ROW(CATCHUP, STREAMING, ANY, CAUGHT_UP) \
    ROW(MOVE, EMPTY, ANY, EMPTY) \
    ROW(FREEZE, FROZEN, READY, READY) \
    ROW(HOLD, HELD, READY, HELD) \
    ROW(SETTLE, SETTLED, SETTLED, SETTLED) \
    ROW(CLEANUP, PURGED, ANY, PURGED) \
    ROW(UNMOVE, ANY, EMPTY, UNMOVED) \
    ROW(UNDO, UNDONE, UNDONE, UNDONE)

/* SETBACK(result, source's event, target's event): reports that lead back in any phase whose
 * transition row takes the event. */
#define RESHARD__SETBACK_ROWS(ROW) \
    ROW(LOST, LOST_SOURCE, LOST_TARGET) \
    ROW(REFUSED, REFUSED, REFUSED) \
    ROW(EXPIRED, EXPIRED, EXPIRED) \
    ROW(MISMATCH, MISMATCH, MISMATCH) \
    ROW(LEFTOVERS, ABORT_ASKED, ABORT_ASKED)

/* STANCE(name, read, write, remove, meaning): how a node answers by slot alone. */
#define RESHARD__STANCE_ROWS(ROW) \
    ROW(UNOWNED, DOWN, DOWN, DOWN, "nobody owns the slot") \
    ROW(FOREIGN, MOVED, MOVED, MOVED, "another shard owns the slot") \
    ROW(OWNER, SERVE, SERVE, SERVE, "own slot at rest") \
    ROW(OWNER_REPLICA, SERVE, MOVED, MOVED, "own shard's slot at rest, on a replica") \
    ROW(SOURCE_SERVE, SERVE, SERVE, SERVE, "source, nothing captured") \
    ROW(SOURCE_CAPTURE, SERVE, SERVE_CAPTURE, SERVE_CAPTURE, "source, COPY and CATCHUP") \
    ROW(SOURCE_THROTTLE, SERVE, PARK, PARK, "source, the tail is at its limit") \
    ROW(SOURCE_FROZEN, SERVE, PARK, PARK, "source in FREEZE") \
    ROW(SOURCE_HELD, PARK, PARK, PARK, "source in HOLD") \
    ROW(SOURCE_RELEASED, MOVED, MOVED, MOVED, "source from SETTLE on") \
    ROW(SOURCE_MOVE, LOOKUP, LOOKUP, LOOKUP, "keywise source in MOVE") \
    ROW(SOURCE_GUARD, LOOKUP, LOOKUP, LOOKUP, "keywise source, marks not settled: R18") \
    ROW(SOURCE_UNMOVE, LOOKUP, LOOKUP, LOOKUP, "keywise source in UNMOVE") \
    ROW(TARGET_STAGED, MOVED, MOVED, MOVED, "target, copy hidden") \
    ROW(TARGET_SEALED, PARK, PARK, PARK, "target past READY") \
    ROW(TARGET_ACTIVE, SERVE, SERVE, SERVE, "target from SETTLE on") \
    ROW(TARGET_MOVE, LOOKUP, LOOKUP, LOOKUP, "keywise target in PREPARE, MOVE and HOLD") \
    ROW(TARGET_UNMOVE, LOOKUP, LOOKUP, LOOKUP, "keywise target in UNMOVE")

/* Whether a request came by ASK, and how its keys stand here. */
#define RESHARD__ASKING_ROWS(ROW) \
    ROW(NO, "no ASKING, or the token of another migration or direction") \
    ROW(TOKEN, "ASKING with this migration's token and direction") \
    ROW(BARE, "ASKING by a protocol that carries no token")

#define RESHARD__PRESENCE_ROWS(ROW) \
    ROW(ALL, "all its keys are here") \
    ROW(SOME, "some are") \
    ROW(NONE, "none is") \
    ROW(LOCKED, "one of them is in flight from here") \
    ROW(MARKED, "one of them is here under a mark that is not settled (R18)")

/* KEYED(stance, asking, presence, read, write, remove): the answer where keys decide. Pairs without
 * a row answer MOVED at a target and PARK at a source. R16 ... R22. Before UNMOVE nobody is sent to
 * a source by ASK: who comes BARE means another migration, or a target that is ahead. */
#define RESHARD__KEYED_ROWS(ROW) \
    ROW(SOURCE_MOVE, NO, ALL, SERVE, SERVE, SERVE) \
    ROW(SOURCE_MOVE, NO, SOME, TRYAGAIN, TRYAGAIN, TRYAGAIN) \
    ROW(SOURCE_MOVE, NO, NONE, ASK, ASK, ASK) \
    ROW(SOURCE_MOVE, NO, LOCKED, SERVE, PARK, PARK) \
    ROW(SOURCE_MOVE, BARE, ALL, SERVE, SERVE, SERVE) \
    ROW(SOURCE_MOVE, BARE, SOME, TRYAGAIN, TRYAGAIN, TRYAGAIN) \
    ROW(SOURCE_MOVE, BARE, NONE, ASK, ASK, ASK) \
    ROW(SOURCE_MOVE, BARE, LOCKED, SERVE, PARK, PARK) \
    ROW(SOURCE_GUARD, NO, ALL, SERVE, SERVE, PARK) \
    ROW(SOURCE_GUARD, NO, SOME, TRYAGAIN, TRYAGAIN, TRYAGAIN) \
    ROW(SOURCE_GUARD, NO, NONE, ASK, ASK, ASK) \
    ROW(SOURCE_GUARD, NO, LOCKED, SERVE, PARK, PARK) \
    ROW(SOURCE_GUARD, BARE, ALL, SERVE, SERVE, PARK) \
    ROW(SOURCE_GUARD, BARE, SOME, TRYAGAIN, TRYAGAIN, TRYAGAIN) \
    ROW(SOURCE_GUARD, BARE, NONE, ASK, ASK, ASK) \
    ROW(SOURCE_GUARD, BARE, LOCKED, SERVE, PARK, PARK) \
    ROW(SOURCE_UNMOVE, NO, ALL, SERVE, SERVE, SERVE) \
    ROW(SOURCE_UNMOVE, NO, SOME, TRYAGAIN, TRYAGAIN, TRYAGAIN) \
    ROW(SOURCE_UNMOVE, NO, NONE, ASK, ASK, ASK) \
    ROW(SOURCE_UNMOVE, NO, MARKED, ASK, ASK, ASK) \
    ROW(SOURCE_UNMOVE, TOKEN, ALL, SERVE, SERVE, SERVE) \
    ROW(SOURCE_UNMOVE, TOKEN, SOME, SERVE, SERVE, SERVE) \
    ROW(SOURCE_UNMOVE, TOKEN, NONE, SERVE, SERVE, SERVE) \
    ROW(SOURCE_UNMOVE, BARE, ALL, SERVE, SERVE, SERVE) \
    ROW(SOURCE_UNMOVE, BARE, SOME, TRYAGAIN, TRYAGAIN, TRYAGAIN) \
    ROW(SOURCE_UNMOVE, BARE, NONE, TRYAGAIN, TRYAGAIN, TRYAGAIN) \
    ROW(TARGET_MOVE, TOKEN, ALL, SERVE, SERVE, SERVE) \
    ROW(TARGET_MOVE, TOKEN, SOME, SERVE, SERVE, SERVE) \
    ROW(TARGET_MOVE, TOKEN, NONE, SERVE, SERVE, SERVE) \
    ROW(TARGET_MOVE, TOKEN, MARKED, PARK, PARK, PARK) \
    ROW(TARGET_MOVE, BARE, ALL, SERVE, SERVE, SERVE) \
    ROW(TARGET_MOVE, BARE, SOME, TRYAGAIN, TRYAGAIN, TRYAGAIN) \
    ROW(TARGET_MOVE, BARE, NONE, TRYAGAIN, TRYAGAIN, TRYAGAIN) \
    ROW(TARGET_MOVE, BARE, MARKED, PARK, PARK, PARK) \
    ROW(TARGET_UNMOVE, TOKEN, ALL, SERVE, SERVE, SERVE) \
    ROW(TARGET_UNMOVE, TOKEN, SOME, TRYAGAIN, TRYAGAIN, TRYAGAIN) \
    ROW(TARGET_UNMOVE, TOKEN, NONE, ASK, ASK, ASK) \
    ROW(TARGET_UNMOVE, TOKEN, LOCKED, SERVE, PARK, PARK) \
    ROW(TARGET_UNMOVE, TOKEN, MARKED, PARK, PARK, PARK) \
    ROW(TARGET_UNMOVE, BARE, ALL, SERVE, SERVE, SERVE) \
    ROW(TARGET_UNMOVE, BARE, SOME, TRYAGAIN, TRYAGAIN, TRYAGAIN) \
    ROW(TARGET_UNMOVE, BARE, NONE, ASK, ASK, ASK) \
    ROW(TARGET_UNMOVE, BARE, LOCKED, SERVE, PARK, PARK) \
    ROW(TARGET_UNMOVE, BARE, MARKED, PARK, PARK, PARK)

#endif
