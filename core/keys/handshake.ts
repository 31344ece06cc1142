// The epoch handshake: how a new key of a channel comes into use at the headend, and goes out of it.
//
// A channel is encrypted under one epoch at a time: a number that only rises, a master key and a master salt. The
// headend, which encrypts, and this server, which hands keys to receivers, must agree on every change of epoch, even
// though each message between them may be lost, come twice or come late, and each of the two may be killed at any
// moment. Three promises make that safe:
//
//   1. Nothing is said that is not on disk. An acknowledgement, an offer and a notice leave after the commit of what
//      they speak of.
//   2. A number has one key for ever, and no headend is given a key that it may have used before it started again: the
//      same key with the same SSRC and packet index gives the same key stream twice (RFC 3711 section 9.1). A number is
//      used up when it is on disk (`lastEpoch`), whatever becomes of the epoch.
//   3. No notice, no switch. The headend switches only after "epoch.accepted", which leaves together with the notice
//      (91).
//
// Who makes the key differs:
//
//   claim 3, headend-made.ts     headend                                    key server
//                                epoch.proposal, key and number       -->   on disk, announced
//                                switches                             <--   epoch.accepted; the notice to everybody
//
//   claim 7, server-made.ts      epoch.wanted, at its start           -->   makes key and number; on disk, offered
//                                                                     <--   epoch.offer, until it is taken
//                                epoch.taken, until it is accepted    -->   on disk, announced
//                                switches                             <--   the notice to everybody; epoch.accepted
//
// A channel of either kind becomes one of the other when its headend says the other word, epoch.wanted or
// epoch.proposal.
//
// The states of an epoch, as it is found when a message names its number:
//
//   ahead     No epoch had this number yet, nor a higher one.
//   offered   Made here and on disk. The headend has not said that it has it: nobody else may have it either.
//   coming    Announced: receivers get it. It is the newest, and its switch lies ahead: the switch may still be moved,
//             and a newer epoch may still take its place.
//   fixed     Announced, and in use, or was, or may be as far as we know: nothing about it changes until it is erased.
//   spent     The number is used up, and its key is not here: erased, replaced before it was used, or of a channel that
//             another server served before.
//
//              a proposal              the time of its switch, a report, a newer number
//   ahead ---------------------> coming ------------------------------------------------> fixed
//     |                          ^    |                                                     |
//     | made here    taken, or   |    | a newer epoch takes its place                       | an overlap after a
//     v              reported    |    v                                                     v newer one is reported
//   offered ---------------------+  spent <-----------------------------------------------+
//     |                               ^
//     +-------------------------------+ a newer offer, or a proposal, takes its place
//
// What a word about an epoch brings is the table HANDSHAKE: a row for each word, a column for each state of the epoch
// that the word names. The words:
//
//   proposal  epoch.proposal: the headend made this key. Another key under a number that we have is "spent".
//   taken     epoch.taken: the headend has the key that was offered.
//   report    stream.report: the headend encrypts under this epoch now.
//
// What follows:
//
//   announce  The epoch goes to disk as announced; once it is there, the headend hears "epoch.accepted" and everybody
//             the notice. A headend that reports an epoch must have taken it, but that word was lost: then only the
//             notice goes out.
//   confirm   The headend missed our answer: it is said again, and nothing changes.
//   use       The epoch is the one in use, and the place in the stream is noted for late joiners.
//   refuse    "epoch.refused" with the last number: the headend continues above it.
//   drop      Counted as "keys.epoch-unknown".
//
// Two more events concern the channel, not one epoch. `epoch.wanted` makes an epoch, or offers the one that waits again
// (server-made.ts says when). A demand (a device lost its right, or the operator wants it) says that every epoch that
// receivers may hold must go out of use: it is put on disk, and stays open until an epoch is announced that was not
// announced then.
//
// One change of a channel is on its way to disk at a time. Until "committed" or "failed" comes for it, whatever needs
// another change is dropped as "keys.committing", and nothing that is due is done: whoever asked asks again, and so do
// we. When it failed, the channel is what it was before.
//
// What time brings to a channel follows from what is on disk alone, so that a server that was killed goes on where it
// was (`nextStep` in epochs.ts; erasing waits for the next report of the epoch in use):
//
//   made by      on disk                        step     what is done
//   headend      a demand is open               demand   epoch.demand, repeated until the demand is settled
//   key server   the newest epoch is offered    offer    epoch.offer, repeated until it is taken
//   key server   the newest is announced        make     a new epoch is made: `leadOf` before the interval of the
//                                                        newest is over, or at once when a demand is open
//   either       epochs before the one in use            they are erased, an overlap after the report: on disk, and
//                                                        their octets in memory are overwritten

/** What a headend may say about one epoch. */
export type EpochWord = "proposal" | "taken" | "report";

/** The state of an epoch when a word names it; explained above. */
export type EpochState = "ahead" | "offered" | "coming" | "fixed" | "spent";

/** What a word brings; explained above. */
export type EpochRule = "announce" | "confirm" | "use" | "refuse" | "drop";

/** Every word in every state. */
export const HANDSHAKE = {
  proposal: { ahead: "announce", offered: "announce", coming: "announce", fixed: "confirm", spent: "refuse" },
  taken: { ahead: "drop", offered: "announce", coming: "confirm", fixed: "confirm", spent: "drop" },
  report: { ahead: "drop", offered: "announce", coming: "use", fixed: "use", spent: "drop" },
} as const satisfies Record<EpochWord, Record<EpochState, EpochRule>>;
