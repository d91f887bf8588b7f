//! The lock-free parts under a model checker: two producers and one consumer in every order
//! that loom tells apart, up to the bound on preemptions, and with every value that a weak
//! memory may show them.
//!
//! Run with `make loom`. A page has 32 bytes here: two records with a body of eight bytes, or
//! four empty ones. Whatever a producer puts into a page is a cell that loom watches, so a
//! body read before it was published, or a page retired while in use, fails a model.
//!
//! Each ordering in `ring.rs`, `page.rs`, `wake.rs` and `budget.rs` is weakened alone by
//! `weaken.py`, and a model must fail (or a comment there says why none can).
#![cfg(loom)]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a model fails by panicking, and says how many executions it took"
)]
#![allow(unsafe_code, reason = "loom's cells are opened through raw pointers")]

use std::time::Instant;

use loom::{
    cell::UnsafeCell,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};
use sluiceway_core::{
    budget::{Budget, Held, Reservation},
    ring::Ring,
    taker::Taker,
    wake::Wake,
};

/// What one record with a body of eight bytes takes.
const RECORD: u64 = 16;
/// Preemptions explored when `LOOM_MAX_PREEMPTIONS` does not say.
const PREEMPTIONS: usize = 3;

/// Explores `model` to the end and prints how many executions that took.
fn explore(law: &str, model: impl Fn() + Send + Sync + 'static) {
    let executions = std::sync::Arc::new(std::sync::atomic::AtomicU64::new(0));
    let counted = std::sync::Arc::clone(&executions);
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = builder.preemption_bound.or(Some(PREEMPTIONS));
    let start = Instant::now();
    builder.check(move || {
        counted.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        step();
        model();
    });
    let executions = executions.load(std::sync::atomic::Ordering::Relaxed);
    let preemptions = builder.preemption_bound.unwrap();
    println!("{law}: {executions} executions, {preemptions} preemptions, {:.1?}", start.elapsed());
}

loom::lazy_static! {
    static ref STEPS: AtomicU64 = AtomicU64::new(0);
}

/// Stands before each step of a thread, so that every order of steps is explored.
///
/// Left alone, loom misses some: of an atomic it remembers the last access only, so a store
/// that follows a load of its own thread (as in any claim) is not tried before the loads of
/// others. A relaxed read-modify-write of one word conflicts with all others and orders nothing.
fn step() {
    STEPS.fetch_add(1, Ordering::Relaxed);
}

/// The body of the record number `index` of a producer.
fn body(producer: u64, index: u64) -> [u8; 8] {
    (producer << 32 | index).to_ne_bytes()
}

/// Pushes one record that has room.
fn push(ring: &Ring, producer: u64, index: u64) {
    step();
    ring.push(&body(producer, index)).unwrap();
}

/// Takes the oldest record, if it is there.
fn pop(ring: &Ring) -> Option<u64> {
    step();
    let mut reader = ring.reader();
    let popped = reader.front(number)?;
    reader.advance();
    Some(popped)
}

/// What `body` wrote; an empty body is zero.
fn number(bytes: &[u8]) -> u64 {
    bytes.try_into().map_or(0, u64::from_ne_bytes)
}

/// Fails unless each producer's records are those it pushed, once and in order.
fn assert_whole(popped: &[u64], pushed: &[(u64, u64)]) {
    assert_eq!(popped.len() as u64, pushed.iter().map(|(_, count)| count).sum::<u64>());
    for (producer, count) in pushed {
        let own: Vec<u64> = popped.iter().filter(|number| **number >> 32 == *producer).copied().collect();
        let expected: Vec<u64> = (0..*count).map(|index| producer << 32 | index).collect();
        assert_eq!(own, expected);
    }
}

/// A ring whose first `records` places were used before the model begins.
fn used(pages: usize, records: usize) -> Ring {
    let ring = Ring::with_pages(pages);
    for _ in 0..records {
        push(&ring, 0, 0);
        assert!(pop(&ring).is_some());
    }
    ring.reader().release();
    ring
}

// ---- (a) Records.

#[test]
fn records_arrive_whole_once_and_in_each_producers_order() {
    explore("records_arrive_whole_once_and_in_each_producers_order", || {
        let ring = Arc::new(Ring::with_pages(2));
        let producers = [(1, 2), (2, 1)].map(|(producer, count)| {
            let ring = Arc::clone(&ring);
            thread::spawn(move || (0..count).for_each(|index| push(&ring, producer, index)))
        });
        // Looks while they push, as often as there is something to see; the rest after.
        let mut popped: Vec<u64> = (0..3).filter_map(|_| pop(&ring)).collect();
        for producer in producers {
            producer.join().unwrap();
        }
        popped.extend(std::iter::from_fn(|| pop(&ring)));
        assert_whole(&popped, &[(1, 2), (2, 1)]);
    });
}

#[test]
fn records_on_the_heap_arrive_too() {
    explore("records_on_the_heap_arrive_too", || {
        let ring = Arc::new(Ring::with_pages(2));
        let producer = {
            let ring = Arc::clone(&ring);
            thread::spawn(move || {
                step();
                ring.push(b"more than eight bytes").unwrap();
            })
        };
        push(&ring, 2, 0);
        let is_heap_next = || {
            step();
            let mut reader = ring.reader();
            let is_heap = reader.front(|bytes| bytes == b"more than eight bytes")?;
            reader.advance();
            Some(is_heap)
        };
        let mut seen: Vec<bool> = (0..2).filter_map(|_| is_heap_next()).collect();
        producer.join().unwrap();
        seen.extend(std::iter::from_fn(is_heap_next));
        assert!(seen == [true, false] || seen == [false, true]);
        assert_eq!(ring.backlog_bytes(), ring.tail() - ring.head_position());
    });
}

// ---- (b) Pages.

#[test]
fn producers_that_enter_a_page_together_share_it() {
    explore("producers_that_enter_a_page_together_share_it", || {
        let ring = Arc::new(used(2, 2));
        let producers = [1, 2].map(|producer| {
            let ring = Arc::clone(&ring);
            thread::spawn(move || push(&ring, producer, 0))
        });
        let mut popped: Vec<u64> = pop(&ring).into_iter().collect();
        for producer in producers {
            producer.join().unwrap();
        }
        popped.extend(std::iter::from_fn(|| pop(&ring)));
        assert_whole(&popped, &[(1, 1), (2, 1)]);
        // The page that was installed and left, and the one that lost the race or was spare.
        assert!(ring.pages() <= 1, "one spare is kept, the rest is given back");
    });
}

/// One slot: the page must be left before anybody may enter the next one. No budget, so the
/// head is all that says so.
#[test]
fn a_full_ring_takes_the_record_once_its_page_was_left() {
    explore("a_full_ring_takes_the_record_once_its_page_was_left", || {
        let ring = Arc::new(used(1, 1));
        let producers = [(1, 2), (2, 1)].map(|(producer, count)| {
            let ring = Arc::clone(&ring);
            let push = move |index: &u64| {
                step();
                ring.push(&body(producer, *index)).is_ok()
            };
            thread::spawn(move || (0..count).take_while(push).count())
        });
        let mut popped: Vec<u64> = (0..3).filter_map(|_| pop(&ring)).collect();
        let [first, second] = producers.map(|producer| producer.join().unwrap() as u64);
        popped.extend(std::iter::from_fn(|| pop(&ring)));
        assert_whole(&popped, &[(1, first), (2, second)]);
        push(&ring, 0, 0);
    });
}

/// The ring is as small as it may be for its budget (one record and one page), and a second
/// lap goes through the same slot: whoever has a reservation must find an address.
#[test]
fn a_reservation_finds_an_address() {
    explore("a_reservation_finds_an_address", || {
        let ring = Arc::new(used(1, 1));
        let budget = Arc::new(Budget::new(1, RECORD));
        let producers = [1, 2].map(|producer| {
            let (ring, budget) = (Arc::clone(&ring), Arc::clone(&budget));
            thread::spawn(move || {
                step();
                let is_granted = budget.reserve(RECORD) == Reservation::Granted;
                if is_granted {
                    push(&ring, producer, 0);
                }
                u64::from(is_granted)
            })
        });
        let pop_and_release = || {
            pop(&ring).inspect(|_| {
                step();
                budget.release(1, RECORD);
            })
        };
        let mut popped: Vec<u64> = (0..2).filter_map(|_| pop_and_release()).collect();
        let [first, second] = producers.map(|producer| producer.join().unwrap());
        popped.extend(std::iter::from_fn(pop_and_release));
        assert_whole(&popped, &[(1, first), (2, second)]);
        assert_eq!(budget.held(), Held::default());
    });
}

/// As above, but what makes the room is a batch whose JSON is shorter than its tape.
#[test]
fn a_reservation_in_the_room_of_a_seal_finds_an_address() {
    explore("a_reservation_in_the_room_of_a_seal_finds_an_address", || {
        let ring = Arc::new(used(1, 1));
        let budget = Arc::new(Budget::new(2, RECORD + 8));
        assert_eq!(budget.reserve(RECORD), Reservation::Granted);
        push(&ring, 1, 0);
        let producer = {
            let (ring, budget) = (Arc::clone(&ring), Arc::clone(&budget));
            thread::spawn(move || {
                step();
                let is_granted = budget.reserve(RECORD) == Reservation::Granted;
                if is_granted {
                    push(&ring, 2, 0);
                }
                is_granted
            })
        };
        assert_eq!(pop(&ring), Some(1 << 32));
        step();
        budget.seal(1, RECORD, 8);
        let is_granted = producer.join().unwrap();
        assert_eq!(pop(&ring), is_granted.then_some(2 << 32));
    });
}

/// A producer that reserved long ago claims behind others that have seen a newer head: what
/// they prove by the tail, it must see too.
#[test]
fn a_late_claim_sees_the_head_that_the_tail_proves() {
    explore("a_late_claim_sees_the_head_that_the_tail_proves", || {
        // Two records may wait; two pages are enough for them wherever they begin.
        let ring = Arc::new(used(2, 3));
        let late = {
            let ring = Arc::clone(&ring);
            thread::spawn(move || push(&ring, 2, 0))
        };
        let (mut popped, mut pushed) = (Vec::new(), 0);
        // One reservation is the late one's for as long as its record was not popped.
        while pushed < 3 && 1 + pushed - (popped.len() as u64) < 2 {
            push(&ring, 1, pushed);
            pushed += 1;
            popped.extend(pop(&ring));
        }
        late.join().unwrap();
        popped.extend(std::iter::from_fn(|| pop(&ring)));
        assert_whole(&popped, &[(1, pushed), (2, 1)]);
    });
}

/// Two are in the last places of a page, one of them goes on into a retired page.
#[test]
fn a_page_that_was_left_serves_again() {
    explore("a_page_that_was_left_serves_again", || {
        let ring = Arc::new(Ring::with_pages(2));
        push(&ring, 0, 0);
        let producers = [(1, 2), (2, 1)].map(|(producer, count)| {
            let ring = Arc::clone(&ring);
            thread::spawn(move || (0..count).for_each(|index| push(&ring, producer, index)))
        });
        let mut popped: Vec<u64> = (0..3).filter_map(|_| pop(&ring)).collect();
        for producer in producers {
            producer.join().unwrap();
        }
        popped.extend(std::iter::from_fn(|| pop(&ring)));
        assert_whole(&popped, &[(0, 1), (1, 2), (2, 1)]);
    });
}

/// Who asks for memory has no claim: while it installs a page, others may go through that
/// page and leave it, and the slot is that of the next lap.
#[test]
fn a_page_that_was_prepared_late_serves_the_next_lap() {
    explore("a_page_that_was_prepared_late_serves_the_next_lap", || {
        let ring = Arc::new(used(1, 1));
        let late = {
            let ring = Arc::clone(&ring);
            thread::spawn(move || {
                step();
                assert!(ring.has_memory(8));
            })
        };
        let pusher = {
            let ring = Arc::clone(&ring);
            thread::spawn(move || {
                let push = |index: &u64| {
                    step();
                    ring.has_memory(8) && ring.push(&body(1, *index)).is_ok()
                };
                (0..3).take_while(push).count() as u64
            })
        };
        let mut popped: Vec<u64> = (0..3).filter_map(|_| pop(&ring)).collect();
        late.join().unwrap();
        let pushed = pusher.join().unwrap();
        popped.extend(std::iter::from_fn(|| pop(&ring)));
        assert_whole(&popped, &[(1, pushed)]);
        push(&ring, 0, 0);
        assert!(ring.pages() <= 2, "no page is lost or kept for nothing");
    });
}

#[test]
fn what_was_taken_before_the_head_is_seen_with_it() {
    explore("what_was_taken_before_the_head_is_seen_with_it", || {
        let ring = Arc::new(used(2, 1));
        push(&ring, 1, 0);
        push(&ring, 1, 1);
        let mark = ring.tail();
        let batch = Arc::new(UnsafeCell::new(0));
        let asking = {
            let (ring, batch) = (Arc::clone(&ring), Arc::clone(&batch));
            thread::spawn(move || {
                step();
                if ring.head_position() >= mark {
                    // SAFETY: the head says that the consumer is done; loom checks.
                    assert_eq!(batch.with(|batch| unsafe { *batch }), 2);
                }
            })
        };
        step();
        let mut reader = ring.reader();
        while reader.front(|_| ()).is_some() {
            reader.advance();
            // SAFETY: as above.
            batch.with_mut(|batch| unsafe { *batch += 1 });
        }
        reader.release();
        drop(reader);
        asking.join().unwrap();
    });
}

#[test]
fn records_before_a_mark_are_counted_across_pages() {
    explore("records_before_a_mark_are_counted_across_pages", || {
        let ring = Arc::new(used(3, 1));
        let producer = {
            let ring = Arc::clone(&ring);
            thread::spawn(move || (0..2).for_each(|index| push(&ring, 1, index)))
        };
        step();
        let mark = ring.tail();
        step();
        let before = ring.reader().count_before(mark);
        // At most what is claimed before it, and less while that is not committed.
        let claimed = (mark - RECORD) / RECORD;
        assert!(before <= claimed);
        let popped = pop(&ring).is_some();
        producer.join().unwrap();
        assert_eq!(ring.reader().count_before(ring.tail()), 2 - u64::from(popped));
        assert_eq!(ring.reader().count_before(mark), claimed.saturating_sub(popped.into()));
    });
}

// ---- (c) Padding.

#[test]
fn a_record_that_does_not_fit_pads_the_page() {
    explore("a_record_that_does_not_fit_pads_the_page", || {
        let ring = Arc::new(Ring::with_pages(2));
        ring.push(&[]).unwrap();
        let producers = [1, 2].map(|producer| {
            let ring = Arc::clone(&ring);
            thread::spawn(move || push(&ring, producer, 0))
        });
        let mut popped: Vec<u64> = (0..3).filter_map(|_| pop(&ring)).collect();
        for producer in producers {
            producer.join().unwrap();
        }
        popped.extend(std::iter::from_fn(|| pop(&ring)));
        assert_eq!(popped.remove(0), 0);
        assert_whole(&popped, &[(1, 1), (2, 1)]);
        assert_eq!(ring.tail(), 48);
    });
}

/// Whoever pads may be the first to come to the page: the record before it is claimed, its
/// page not installed.
#[test]
fn padding_may_install_the_page() {
    explore("padding_may_install_the_page", || {
        let ring = Arc::new(used(2, 2));
        let small = {
            let ring = Arc::clone(&ring);
            thread::spawn(move || {
                for _ in 0..3 {
                    step();
                    ring.push(&[]).unwrap();
                }
            })
        };
        let ring_of_large = Arc::clone(&ring);
        let large = thread::spawn(move || push(&ring_of_large, 2, 0));
        let mut popped: Vec<u64> = pop(&ring).into_iter().collect();
        small.join().unwrap();
        large.join().unwrap();
        popped.extend(std::iter::from_fn(|| pop(&ring)));
        popped.sort_unstable();
        assert_eq!(popped, [0, 0, 0, 2 << 32]);
    });
}

// ---- (d) Wake.

/// Pushes and counts one record.
fn commit(ring: &Ring, wake: &Wake, producer: u64, index: u64) {
    push(ring, producer, index);
    step();
    wake.committed(|| false);
}

/// Takes all that is committed and counted.
fn take_all(ring: &Ring, wake: &Wake) -> Vec<u64> {
    step();
    let mut taker = Taker::new(ring, wake);
    std::iter::from_fn(|| {
        let front = taker.front(number)?;
        taker.advance();
        Some(front)
    })
    .collect()
}

/// Runs `consume` while two producers commit one record each.
///
/// On a thread of its own, which joins nobody: loom's `join` would take a token left over
/// from a wake-up for its own.
fn while_two_commit(consume: fn(&Ring, &Wake) -> Vec<u64>) -> Vec<u64> {
    let (ring, wake) = (Arc::new(Ring::with_pages(2)), Arc::new(Wake::default()));
    let producer = {
        let (ring, wake) = (Arc::clone(&ring), Arc::clone(&wake));
        thread::spawn(move || commit(&ring, &wake, 1, 0))
    };
    let consumer = {
        let (ring, wake) = (Arc::clone(&ring), Arc::clone(&wake));
        thread::spawn(move || consume(&ring, &wake))
    };
    commit(&ring, &wake, 2, 0);
    producer.join().unwrap();
    consumer.join().unwrap()
}

#[test]
fn each_commit_wakes_who_waits_for_one() {
    explore("each_commit_wakes_who_waits_for_one", || {
        let popped = while_two_commit(|ring, wake| {
            let mut popped = Vec::new();
            while popped.len() < 2 {
                let taken = take_all(ring, wake);
                if taken.is_empty() && wake.count() > 0 {
                    // Counted, but behind a record that is not committed: let its producer finish.
                    thread::yield_now();
                } else if taken.is_empty() {
                    // A lost wake-up is a deadlock, and loom reports it.
                    step();
                    wake.sleep(1, None, || false);
                }
                popped.extend(taken);
            }
            assert_eq!(wake.count(), 0);
            popped
        });
        assert_whole(&popped, &[(1, 1), (2, 1)]);
    });
}

#[test]
fn the_second_commit_wakes_who_waits_for_two() {
    explore("the_second_commit_wakes_who_waits_for_two", || {
        let popped = while_two_commit(|ring, wake| {
            while wake.count() < 2 {
                step();
                wake.sleep(2, None, || false);
            }
            // Both are counted, so both are there, and whole.
            take_all(ring, wake)
        });
        assert_whole(&popped, &[(1, 1), (2, 1)]);
    });
}

#[test]
fn what_is_counted_is_there() {
    explore("what_is_counted_is_there", || {
        let (ring, wake) = (Arc::new(Ring::with_pages(1)), Arc::new(Wake::default()));
        let producer = {
            let (ring, wake) = (Arc::clone(&ring), Arc::clone(&wake));
            thread::spawn(move || (0..2).for_each(|index| commit(&ring, &wake, 1, index)))
        };
        step();
        let counted = wake.count();
        assert!(take_all(&ring, &wake).len() as u64 >= counted);
        producer.join().unwrap();
    });
}

/// The timer may fire at any moment, a commit may be rousing at that moment, and its token
/// may be left over for the sleep after.
#[test]
fn a_sleep_after_a_timer_loses_nothing() {
    explore("a_sleep_after_a_timer_loses_nothing", || {
        let popped = while_two_commit(|ring, wake| {
            step();
            wake.sleep(1, Some(Instant::now()), || false);
            while wake.count() < 2 {
                step();
                wake.sleep(2, None, || false);
            }
            take_all(ring, wake)
        });
        assert_whole(&popped, &[(1, 1), (2, 1)]);
    });
}

/// Flush and close: they change something and rouse; the sleeper waits for more events than
/// will come.
#[test]
fn a_rouse_is_never_lost_and_brings_its_change() {
    explore("a_rouse_is_never_lost_and_brings_its_change", || {
        let wake = Arc::new(Wake::default());
        let epoch = Arc::new(AtomicU64::new(0));
        let sleeper = {
            let (wake, epoch) = (Arc::clone(&wake), Arc::clone(&epoch));
            thread::spawn(move || {
                step();
                wake.sleep(2, None, || epoch.load(Ordering::Relaxed) == 1);
                assert_eq!(epoch.load(Ordering::Relaxed), 1, "nothing else wakes it: one event is not two");
                // Loom does not see that to be awake before one is unparked is a case of its
                // own. With another sleep the handle is between the two, and it tries that.
                step();
                wake.sleep(2, None, || true);
            })
        };
        let pushing = {
            let wake = Arc::clone(&wake);
            thread::spawn(move || {
                step();
                wake.committed(|| false);
            })
        };
        epoch.store(1, Ordering::Relaxed);
        step();
        wake.rouse();
        pushing.join().unwrap();
        sleeper.join().unwrap();
    });
}

/// The byte trigger: what makes the batch due is not the count, so the sleeper asks for it
/// after its announcement and the producer while somebody sleeps.
#[test]
fn a_due_backlog_is_never_lost() {
    explore("a_due_backlog_is_never_lost", || {
        let (ring, wake) = (Arc::new(Ring::with_pages(2)), Arc::new(Wake::default()));
        let producers = [1, 2].map(|producer| {
            let (ring, wake) = (Arc::clone(&ring), Arc::clone(&wake));
            thread::spawn(move || {
                push(&ring, producer, 0);
                step();
                wake.committed(|| ring.backlog_bytes() >= 2 * RECORD);
            })
        });
        step();
        wake.sleep(9, None, || wake.count() > 0 && ring.backlog_bytes() >= 2 * RECORD);
        assert_eq!(ring.backlog_bytes(), 2 * RECORD);
        for producer in producers {
            producer.join().unwrap();
        }
    });
}

/// As in `next_batch`, whoever sleeps has the turn; the handle to unpark is another's then.
#[test]
fn sleepers_in_turn_are_each_woken() {
    explore("sleepers_in_turn_are_each_woken", || {
        let (turn, wake) = (Arc::new(Mutex::new(())), Arc::new(Wake::default()));
        let sleepers = [(); 2].map(|()| {
            let (turn, wake) = (Arc::clone(&turn), Arc::clone(&wake));
            thread::spawn(move || {
                step();
                let _turn = turn.lock().unwrap();
                while wake.count() == 0 {
                    step();
                    wake.sleep(1, None, || false);
                }
                wake.taken(1);
            })
        });
        step();
        wake.committed(|| false);
        step();
        wake.committed(|| false);
        for sleeper in sleepers {
            sleeper.join().unwrap();
        }
        assert_eq!(wake.count(), 0);
    });
}

// ---- (e) Budget.

#[test]
fn two_hold_what_there_is_one_of_in_turn() {
    explore("two_hold_what_there_is_one_of_in_turn", || {
        let (budget, held) = (Arc::new(Budget::new(1, 8)), Arc::new(UnsafeCell::new(0)));
        let take_a_turn = |budget: &Budget, held: &UnsafeCell<u64>| {
            step();
            if budget.reserve(8) == Reservation::Granted {
                // SAFETY: there is one reservation; loom checks.
                held.with_mut(|held| unsafe { *held += 1 });
                step();
                budget.release(1, 8);
            }
        };
        let others = [(); 2].map(|()| {
            let (budget, held) = (Arc::clone(&budget), Arc::clone(&held));
            thread::spawn(move || take_a_turn(&budget, &held))
        });
        take_a_turn(&budget, &held);
        for other in others {
            other.join().unwrap();
        }
        assert_eq!(budget.held(), Held::default());
    });
}

#[test]
fn a_reservation_is_before_the_close_or_refused() {
    explore("a_reservation_is_before_the_close_or_refused", || {
        let budget = Arc::new(Budget::new(2, 64));
        let producers = [(); 2].map(|()| {
            let budget = Arc::clone(&budget);
            thread::spawn(move || {
                step();
                budget.reserve(8) == Reservation::Granted
            })
        });
        step();
        budget.close();
        step();
        let held = budget.held().events;
        assert!(budget.is_closed());
        assert_eq!(budget.reserve(8), Reservation::Closed);
        let granted = producers.map(|producer| producer.join().unwrap());
        assert_eq!(granted.iter().filter(|granted| **granted).count() as u64, held, "none after the close");
        assert_eq!(budget.is_drained(), held == 0);
    });
}

#[test]
fn drained_is_not_said_while_an_event_is_in_the_ring() {
    explore("drained_is_not_said_while_an_event_is_in_the_ring", || {
        let budget = Arc::new(Budget::new(3, 64));
        assert_eq!(budget.reserve(8), Reservation::Granted);
        assert_eq!(budget.reserve(8), Reservation::Granted);
        budget.close();
        let worker = {
            let budget = Arc::clone(&budget);
            // Hands one event out and ends it; the other stays where it is.
            thread::spawn(move || {
                step();
                budget.seal(1, 8, 10);
                step();
                budget.release_sealed(1, 10);
            })
        };
        for _ in 0..2 {
            step();
            assert!(!budget.is_drained());
        }
        worker.join().unwrap();
        assert!(!budget.is_drained());
        budget.seal(1, 8, 8);
        assert!(budget.is_drained());
    });
}

// ---- (f) The consumer's role.

/// What `Queue::push` does with a full budget.
fn push_over_the_oldest(ring: &Ring, wake: &Wake, budget: &Budget, producer: u64) -> (Option<u64>, bool) {
    let mut dropped = None;
    step();
    if budget.reserve(RECORD) != Reservation::Granted {
        step();
        let Some(mut taker) = Taker::try_new(ring, wake) else { return (None, false) };
        dropped = taker.front(number);
        if dropped.is_none() {
            return (None, false);
        }
        taker.advance();
        taker.publish();
        budget.release(1, RECORD);
        if budget.reserve(RECORD) != Reservation::Granted {
            return (dropped, false);
        }
    }
    commit(ring, wake, producer, 0);
    (dropped, true)
}

/// Every record ends once: taken by the consumer, or dropped by a producer in its role. The
/// count never falls below zero, though records are in the ring before they are counted.
fn drop_oldest(bound: u64, pages: usize) {
    let (ring, wake) = (Arc::new(used(pages, 1)), Arc::new(Wake::default()));
    let budget = Arc::new(Budget::new(bound, 64));
    assert_eq!(budget.reserve(RECORD), Reservation::Granted);
    commit(&ring, &wake, 0, 0);
    let producers = [1, 2].map(|producer| {
        let (ring, wake, budget) = (Arc::clone(&ring), Arc::clone(&wake), Arc::clone(&budget));
        thread::spawn(move || push_over_the_oldest(&ring, &wake, &budget, producer))
    });
    let mut ended = take_all(&ring, &wake);
    let mut pushed = vec![(0, 1)];
    for (producer, outcome) in (1..).zip(producers.map(|producer| producer.join().unwrap())) {
        ended.extend(outcome.0);
        pushed.push((producer, outcome.1.into()));
    }
    assert!(wake.count() <= bound, "not below zero");
    ended.extend(take_all(&ring, &wake));
    assert_whole(&ended, &pushed);
    assert_eq!(wake.count(), 0);
    assert_eq!(ring.head_position(), ring.tail());
}

#[test]
fn the_role_is_one_threads_when_one_event_may_wait() {
    explore("the_role_is_one_threads_when_one_event_may_wait", || drop_oldest(1, 2));
}

#[test]
fn the_role_is_one_threads_when_two_events_may_wait() {
    explore("the_role_is_one_threads_when_two_events_may_wait", || drop_oldest(2, 3));
}
