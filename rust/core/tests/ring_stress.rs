//! The ring under real threads: nothing lost, nothing torn, nothing out of order, and the
//! memory of a burst given back.
#![cfg(not(loom))]
#![allow(clippy::unwrap_used, reason = "a test may panic, in its own functions too")]

use std::{
    sync::atomic::{AtomicU64, Ordering},
    thread,
};

use sluiceway_core::{
    budget::{Budget, Held, Reservation},
    ring::Ring,
    taker::Taker,
    wake::Wake,
};

/// Records of one producer. Miri takes a millisecond for what takes a nanosecond.
const COUNT: u64 = if cfg!(miri) { 12 } else { 60_000 };
const PRODUCERS: u64 = if cfg!(miri) { 3 } else { 8 };
/// What may wait: several pages, so that producers and consumer meet in the same ones.
const MAX_EVENTS: u64 = 4096;
const MAX_BYTES: u64 = 2 << 20;
/// A body longer than this goes to the heap (a quarter page).
const INLINE_BYTES: usize = 16 * 1024;
/// The pages that a ring may keep while it is busy: sixteen mebibytes, and the one it is in.
const BUSY_PAGES: usize = 257;
/// The pages that an empty ring may keep: a mebibyte, and the one it is in.
const IDLE_PAGES: usize = 17;

/// The body of one record: who, which, and bytes that follow from both. Most are small, some
/// fill pages to the last byte, and a few are for the heap.
fn body(producer: u64, index: u64) -> Vec<u8> {
    let mut random = producer << 32 | index;
    let mut next = || {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        random >> 33
    };
    let len = match next() % 512 {
        0 => INLINE_BYTES - 16 + usize::try_from(next() % 32).unwrap(),
        1..=8 => usize::try_from(next() % 20_000).unwrap(),
        _ => usize::try_from(next() % 700).unwrap(),
    };
    let mut body = [producer.to_le_bytes(), index.to_le_bytes()].concat();
    body.extend((0..len.saturating_sub(16)).map(|_| next().to_le_bytes()[0]));
    body
}

/// Who pushed it, and as which; fails if a byte of it is not as it was pushed.
fn read(bytes: &[u8]) -> (u64, u64) {
    let (producer, rest) = bytes.split_first_chunk().unwrap();
    let (index, _) = rest.split_first_chunk().unwrap();
    let (producer, index) = (u64::from_le_bytes(*producer), u64::from_le_bytes(*index));
    assert!(bytes == body(producer, index), "record {index} of {producer} is torn");
    (producer, index)
}

/// Reserves as a blocked producer does: again and again.
fn reserve(budget: &Budget, bytes: u64) {
    while budget.reserve(bytes) != Reservation::Granted {
        thread::yield_now();
    }
}

/// Fails if an empty ring keeps more than it should.
fn assert_kept(ring: &Ring) {
    assert!(ring.pages() <= BUSY_PAGES, "{} pages kept", ring.pages());
    ring.trim();
    assert!(ring.pages() <= IDLE_PAGES, "{} pages kept when idle", ring.pages());
}

#[test]
fn many_producers_one_consumer_nothing_lost_or_torn_or_out_of_order() {
    let (ring, budget) = (Ring::new(MAX_EVENTS, MAX_BYTES), Budget::new(MAX_EVENTS, MAX_BYTES));
    thread::scope(|scope| {
        for producer in 0..PRODUCERS {
            let (ring, budget) = (&ring, &budget);
            scope.spawn(move || {
                for index in 0..COUNT {
                    let body = body(producer, index);
                    reserve(budget, Ring::footprint(body.len()));
                    ring.push(&body).unwrap();
                }
            });
        }
        let mut next = vec![0; usize::try_from(PRODUCERS).unwrap()];
        while next.iter().any(|next| *next < COUNT) {
            let mut reader = ring.reader();
            let Some((producer, index, len)) = reader.front(|bytes| {
                let (producer, index) = read(bytes);
                (producer, index, bytes.len())
            }) else {
                thread::yield_now();
                continue;
            };
            reader.advance();
            reader.release();
            drop(reader);
            budget.release(1, Ring::footprint(len));
            let next = &mut next[usize::try_from(producer).unwrap()];
            assert_eq!(index, *next, "the order of producer {producer}");
            *next += 1;
        }
    });
    assert_eq!(budget.held(), Held::default());
    assert_eq!(ring.backlog_bytes(), 0, "no record left, on the heap neither");
    assert_kept(&ring);
}

/// Producers make room themselves by taking the consumer's role; each record ends once, and
/// those that end do so in order.
#[test]
fn the_oldest_make_room_and_each_record_ends_once() {
    const WAITING: u64 = 64;
    const BYTES: u64 = 512 * 1024;
    let (ring, wake, budget) = (Ring::new(WAITING, BYTES), Wake::default(), Budget::new(WAITING, BYTES));
    let (dropped, refused, pushing) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(PRODUCERS));
    let mut consumed = 0;
    thread::scope(|scope| {
        for producer in 0..PRODUCERS {
            let (ring, wake, budget) = (&ring, &wake, &budget);
            let (dropped, refused, pushing) = (&dropped, &refused, &pushing);
            scope.spawn(move || {
                for index in 0..COUNT {
                    let body = body(producer, index);
                    let footprint = Ring::footprint(body.len());
                    if make_room(ring, wake, budget, footprint, dropped) {
                        ring.push(&body).unwrap();
                        wake.committed(|| false);
                    } else {
                        refused.fetch_add(1, Ordering::Relaxed);
                    }
                }
                pushing.fetch_sub(1, Ordering::Release);
            });
        }
        let mut last = vec![None; usize::try_from(PRODUCERS).unwrap()];
        loop {
            let is_last_look = pushing.load(Ordering::Acquire) == 0;
            let mut taker = Taker::new(&ring, &wake);
            let mut freed = (0, 0);
            while freed.0 < 16
                && let Some((producer, index, len)) = taker.front(|bytes| {
                    let (producer, index) = read(bytes);
                    (producer, index, bytes.len())
                })
            {
                taker.advance();
                freed = (freed.0 + 1, freed.1 + Ring::footprint(len));
                let last = &mut last[usize::try_from(producer).unwrap()];
                assert!(*last < Some(index), "the order of producer {producer}");
                *last = Some(index);
            }
            drop(taker);
            budget.release(freed.0, freed.1);
            consumed += freed.0;
            if is_last_look && freed.0 == 0 {
                break;
            }
            if freed.0 == 0 {
                thread::yield_now();
            }
        }
    });
    let (dropped, refused) = (dropped.into_inner(), refused.into_inner());
    assert_eq!(consumed + dropped + refused, PRODUCERS * COUNT);
    assert_eq!((budget.held(), wake.count()), (Held::default(), 0));
    assert_eq!(ring.head_position(), ring.tail());
    assert!(cfg!(miri) || dropped > 0, "no pressure: {consumed} consumed, {refused} refused");
    assert_kept(&ring);
}

/// A reservation, if need be in place of the oldest records, as `Queue::push` has it.
fn make_room(ring: &Ring, wake: &Wake, budget: &Budget, footprint: u64, dropped: &AtomicU64) -> bool {
    if budget.reserve(footprint) == Reservation::Granted {
        return true;
    }
    let Some(mut taker) = Taker::try_new(ring, wake) else { return false };
    while let Some(freed) = taker.front(|bytes| {
        read(bytes);
        Ring::footprint(bytes.len())
    }) {
        taker.advance();
        taker.publish();
        budget.release(1, freed);
        dropped.fetch_add(1, Ordering::Relaxed);
        if budget.reserve(footprint) == Reservation::Granted {
            return true;
        }
    }
    false
}

/// A burst takes pages as it grows and leaves some behind for the next; idle, few are kept.
#[test]
fn the_pages_of_a_burst_go_back() {
    const BURST: u64 = 24 << 20;
    const LEN: usize = if cfg!(miri) { 40_000 } else { 1000 };
    let ring = Ring::new(BURST / Ring::footprint(LEN), BURST);
    assert_eq!(ring.pages(), 0, "nothing until the first push");
    let body = [7; LEN];
    for _ in 0..3 {
        for _ in 0..BURST / Ring::footprint(LEN) {
            ring.push(&body).unwrap();
        }
        assert!(ring.pages() >= 96, "{} pages for 24 mebibytes", ring.pages());
        let mut reader = ring.reader();
        while let Some(is_whole) = reader.front(|bytes| bytes == body) {
            assert!(is_whole);
            reader.advance();
        }
        reader.release();
        drop(reader);
        assert_eq!(ring.backlog_bytes(), 0);
        assert_kept(&ring);
    }
}

/// What fits the budget fits the ring, whatever the sizes do to the ends of pages.
#[test]
fn what_was_admitted_finds_an_address_whatever_its_size() {
    // The worst: each page ends with almost a quarter unused, and heads and tails of pages in use.
    for len in [0, 1, 8, 600, 65_529, INLINE_BYTES, INLINE_BYTES + 1, 200_000] {
        let footprint = Ring::footprint(len);
        let (bytes, body) = (4 << 20, vec![1; len]);
        let events = (bytes / footprint).min(if cfg!(miri) { 50 } else { 5000 });
        let ring = Ring::new(events, events * footprint);
        let lead = [0; 1000];
        ring.push(&lead).unwrap();
        let mut reader = ring.reader();
        assert!(reader.front(|_| ()).is_some());
        reader.advance();
        reader.release();
        drop(reader);
        for lap in 0..5 {
            for _ in 0..events {
                assert!(ring.push(&body).is_ok(), "{len} bytes, lap {lap}");
            }
            let mut reader = ring.reader();
            for _ in 0..events {
                assert_eq!(reader.front(<[u8]>::len), Some(len));
                reader.advance();
            }
            reader.release();
        }
    }
}

#[test]
fn records_on_the_heap_are_part_of_the_backlog_and_go_with_the_ring() {
    let ring = Ring::with_pages(2);
    let large = vec![1; INLINE_BYTES + 1];
    ring.push(&large).unwrap();
    ring.push(&[2; 10]).unwrap();
    assert!(ring.backlog_bytes() > INLINE_BYTES as u64);
    let mut reader = ring.reader();
    assert_eq!(reader.count_before(u64::MAX), 2);
    assert_eq!(reader.front(<[u8]>::len), Some(INLINE_BYTES + 1));
    reader.advance();
    reader.release();
    drop(reader);
    assert!(ring.backlog_bytes() < 100);
    // Dropped with one of them in it: for miri and the leak checker to judge.
    ring.push(&large).unwrap();
}

#[test]
fn a_ring_of_no_pages_has_one() {
    let ring = Ring::with_pages(0);
    ring.push(b"body").unwrap();
    assert_eq!(ring.reader().front(<[u8]>::len), Some(4));
}
