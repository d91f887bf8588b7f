//! The laws of batches: never over a limit, never empty, nothing lost or out of order, and
//! however a batch is cut up, each event ends once.
#![cfg(not(loom))]
#![allow(clippy::unwrap_used, reason = "a test may panic, in its own functions too")]

use std::{collections::BTreeSet, ops::Range};

use proptest::prelude::*;
use sluiceway_core::{
    batch::Batch,
    batcher::{Batcher, Fit},
    limits::Limits,
};

/// An event of exactly `len` bytes that differs from its neighbours.
fn event(number: usize, len: usize) -> Vec<u8> {
    number
        .to_le_bytes()
        .into_iter()
        .chain((0..).map(|place: usize| (place * 7 + number).to_le_bytes()[0]))
        .take(len)
        .collect()
}

/// Offers an event whose id is all but its first byte.
fn offer(batcher: &mut Batcher, number: usize, event: &[u8]) -> Fit {
    batcher.offer(number as u64 + 1, |out| {
        let start = out.len() + 1;
        out.extend_from_slice(event);
        start.min(out.len())..out.len()
    })
}

/// The body of the request that carries `batch`, in an envelope of so many bytes.
fn body(batch: &Batch, envelope: usize) -> Vec<u8> {
    let mut body = vec![b'{'; envelope / 2];
    for (index, run) in batch.runs().enumerate() {
        if index > 0 {
            body.push(b',');
        }
        body.extend_from_slice(run);
    }
    body.resize(body.len() + envelope - envelope / 2, b'}');
    body
}

/// Batches the events as a caller does: seals when one does not fit, and offers it again.
/// Returns the batches and which events are in them.
fn batches(limits: Limits, events: &[Vec<u8>]) -> (Vec<Batch>, Vec<usize>) {
    let mut batcher = Batcher::new(limits);
    let (mut sealed, mut kept) = (Vec::new(), Vec::new());
    for (number, event) in events.iter().enumerate() {
        let mut fit = offer(&mut batcher, number, event);
        if fit == Fit::Full {
            assert!(!batcher.is_empty(), "nothing can be in the way of an event in an empty batch");
            sealed.extend(batcher.seal(number as u64));
            fit = offer(&mut batcher, number, event);
        }
        match fit {
            Fit::Added => kept.push(number),
            Fit::TooLarge(len) => assert!(len == event.len() && len > limits.event_bytes()),
            Fit::Full => unreachable!("full though empty"),
        }
    }
    sealed.extend(batcher.seal(events.len() as u64));
    assert!(batcher.seal(0).is_none(), "an empty batch is none");
    (sealed, kept)
}

/// Limits around the sizes below, and an envelope.
fn limits() -> impl Strategy<Value = (Limits, usize)> {
    (1_usize..40, 0_usize..30, prop_oneof![Just(0_usize), 0_usize..200], 1_usize..12).prop_map(
        |(event, envelope, more, count)| {
            (Limits::new(event, event + envelope + more, count, envelope).unwrap(), envelope)
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: if cfg!(miri) { 3 } else { 4000 }, ..ProptestConfig::default() })]

    #[test]
    fn bodies_are_within_limits_in_order_and_complete(
        (limits, envelope) in limits(),
        sizes in prop::collection::vec(1_usize..45, 0..60),
    ) {
        let events: Vec<_> = sizes.iter().enumerate().map(|(number, size)| event(number, *size)).collect();
        let (batches, kept) = batches(limits, &events);
        let mut left = kept.iter().copied();
        let mut before: Option<(usize, usize)> = None;
        for batch in &batches {
            let own: Vec<usize> = left.by_ref().take(batch.len()).collect();
            prop_assert!(!batch.is_empty() && batch.len() <= limits.batch_events());
            let body = body(batch, envelope);
            prop_assert!(body.len() <= limits.batch_bytes(), "{} over {}", body.len(), limits.batch_bytes());
            prop_assert_eq!(body.len(), batch.joined_bytes() + envelope);
            let expected = own.iter().map(|number| events[*number].as_slice()).collect::<Vec<_>>().join(&b","[..]);
            prop_assert_eq!(&body[envelope / 2..][..batch.joined_bytes()], expected);
            for (index, (number, entry)) in own.iter().zip(batch.entries()).enumerate() {
                prop_assert_eq!(batch.event(index).unwrap(), events[*number].as_slice());
                prop_assert_eq!(batch.id(entry), &events[*number][1..]);
                prop_assert_eq!(entry.token, *number as u64 + 1);
            }
            // No batch was sealed with room for the next event: neither by count nor by bytes.
            if let Some((len, bytes)) = before {
                let first = events[own[0]].len();
                prop_assert!(len == limits.batch_events() || bytes + 1 + first > limits.batch_bytes());
            }
            before = Some((batch.len(), body.len()));
        }
        prop_assert_eq!(left.next(), None, "an event that was added is in no batch");
        let too_large = events.iter().filter(|event| event.len() > limits.event_bytes()).count();
        prop_assert_eq!(kept.len() + too_large, events.len());
    }
}

#[test]
fn an_event_is_too_large_from_the_first_byte_over_its_limit() {
    let limits = Limits::new(10, 100, 9, 20).unwrap();
    let mut batcher = Batcher::new(limits);
    assert_eq!(offer(&mut batcher, 0, &event(0, 9)), Fit::Added);
    assert_eq!(offer(&mut batcher, 1, &event(1, 10)), Fit::Added);
    assert_eq!(offer(&mut batcher, 2, &event(2, 11)), Fit::TooLarge(11));
    assert_eq!(batcher.seal(0).unwrap().joined_bytes(), 9 + 1 + 10, "what was too large left nothing behind");
}

#[test]
fn a_batch_is_full_from_the_first_byte_over_its_limit() {
    // The envelope, two events of ten bytes, two commas, and what is left for the third.
    for (third, fit) in [(6, Fit::Added), (7, Fit::Added), (8, Fit::Full)] {
        let mut batcher = Batcher::new(Limits::new(10, 20 + 10 + 1 + 10 + 1 + 7, 9, 20).unwrap());
        assert_eq!(offer(&mut batcher, 0, &event(0, 10)), Fit::Added);
        assert_eq!(offer(&mut batcher, 1, &event(1, 10)), Fit::Added);
        assert_eq!(offer(&mut batcher, 2, &event(2, third)), fit, "{third} bytes");
    }
    for (events, fit) in [(2, Fit::Added), (3, Fit::Full)] {
        let mut batcher = Batcher::new(Limits::new(10, 100, 3, 20).unwrap());
        for number in 0..events {
            assert_eq!(offer(&mut batcher, number, &event(number, 1)), Fit::Added);
        }
        assert_eq!(offer(&mut batcher, events, &event(events, 1)), fit, "after {events} events");
    }
}

#[test]
fn the_largest_event_fits_the_smallest_batch_alone() {
    let limits = Limits::new(10, 30, 9, 20).unwrap();
    let mut batcher = Batcher::new(limits);
    assert_eq!(offer(&mut batcher, 0, &event(0, 10)), Fit::Added);
    assert_eq!(offer(&mut batcher, 1, &event(1, 1)), Fit::Full);
    assert_eq!(body(&batcher.seal(0).unwrap(), 20).len(), 30);
    assert!(Limits::new(11, 30, 9, 20).is_err() && Limits::new(10, 29, 9, 20).is_err());
}

/// Buffers of large batches are used again: never while a view of them is alive.
#[test]
fn no_batch_is_written_over_while_somebody_holds_a_view() {
    let mut batcher = Batcher::new(Limits::new(30_000, 200_000, 100, 0).unwrap());
    let mut held: Vec<(Batch, Vec<u8>)> = Vec::new();
    for round in 0..if cfg!(miri) { 9 } else { 200_usize } {
        let (mut expected, mut number) = (Vec::new(), round * 1000);
        // Small ones, which are copied out of the buffer, between large ones, which take it.
        let count = if round % 3 == 0 { 2 } else { 100 };
        while number < round * 1000 + count {
            let event = event(number, 10_000 + number % 999);
            if offer(&mut batcher, number, &event) == Fit::Full {
                break;
            }
            if !expected.is_empty() {
                expected.push(b',');
            }
            expected.extend(event);
            number += 1;
        }
        let batch = batcher.seal(0).unwrap();
        // The last view of a batch may be any.
        let view = if round % 2 == 0 { batch.slice(0..batch.len()) } else { batch.without(&[]) };
        drop(batch);
        held.push((view, expected));
        if round % 5 != 0 {
            held.swap_remove(round % held.len());
        }
        for (view, expected) in &held {
            assert!(view.runs().eq([expected.as_slice()]), "a batch changed while it was held");
        }
    }
}

/// One way to cut a view out of another.
#[derive(Clone, Debug)]
enum Cut {
    Slice(Range<usize>),
    Left(usize),
    Right(usize),
    Without(Vec<usize>),
}

fn cut() -> impl Strategy<Value = Cut> {
    prop_oneof![
        (0_usize..35, 0_usize..35).prop_map(|(start, end)| Cut::Slice(start..end)),
        (0_usize..35).prop_map(Cut::Left),
        (0_usize..35).prop_map(Cut::Right),
        prop::collection::vec(0_usize..35, 0..10).prop_map(Cut::Without),
    ]
}

impl Cut {
    fn of(&self, batch: &Batch) -> Batch {
        match self {
            Self::Slice(range) => batch.slice(range.clone()),
            Self::Left(index) => batch.split_at(*index).0,
            Self::Right(index) => batch.split_at(*index).1,
            Self::Without(indices) => batch.without(indices),
        }
    }

    /// What it should be: the same on a list.
    fn of_list(&self, list: &[usize]) -> Vec<usize> {
        match self {
            Self::Slice(range) => list.iter().copied().take(range.end).skip(range.start).collect(),
            Self::Left(index) => list.iter().copied().take(*index).collect(),
            Self::Right(index) => list.iter().copied().skip(*index).collect(),
            Self::Without(indices) => {
                let kept = list.iter().enumerate().filter(|(index, _)| !indices.contains(index));
                kept.map(|(_, number)| *number).collect()
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: if cfg!(miri) { 3 } else { 4000 }, ..ProptestConfig::default() })]

    #[test]
    fn views_of_views_show_what_was_cut_and_each_event_ends_once(
        sizes in prop::collection::vec(1_usize..20, 1..150),
        paths in prop::collection::vec(prop::collection::vec(cut(), 0..5), 1..8),
    ) {
        let events: Vec<_> = sizes.iter().enumerate().map(|(number, size)| event(number, *size)).collect();
        let limits = Limits::new(20, 10_000, 1000, 0).unwrap();
        let (batches, _) = batches(limits, &events);
        let whole = &batches[0];
        let (mut ended, mut released) = (BTreeSet::new(), BTreeSet::new());
        for (turn, path) in paths.iter().enumerate() {
            let (mut view, mut list) = (whole.clone(), (0..events.len()).collect::<Vec<_>>());
            for cut in path {
                // Both halves of a cut are the whole, and cutting does not change what is cut.
                let (left, right) = view.split_at(view.len() / 2);
                prop_assert_eq!(left.len() + right.len(), view.len());
                (view, list) = (cut.of(&view), cut.of_list(&list));
            }
            prop_assert_eq!((view.len(), view.is_empty()), (list.len(), list.is_empty()));
            prop_assert_eq!(view.end_position(), whole.end_position());
            let expected: Vec<_> = list.iter().map(|number| events[*number].as_slice()).collect();
            prop_assert_eq!(body(&view, 0), expected.join(&b","[..]));
            prop_assert_eq!(view.joined_bytes(), body(&view, 0).len());
            let own: Vec<_> = (0..view.len()).map(|index| view.event(index).unwrap()).collect();
            prop_assert_eq!(own, expected);
            prop_assert!(view.event(view.len()).is_none());
            let tokens: Vec<_> = view.entries().map(|entry| entry.token).collect();
            prop_assert_eq!(tokens, list.iter().map(|number| *number as u64 + 1).collect::<Vec<_>>());
            let charge = |list: &[usize]| list.iter().map(|number| events[*number].len() as u64 + 1).sum::<u64>();
            prop_assert_eq!(view.charge(), charge(&list));
            // Ends and releases, each once and apart from each other, whatever the views.
            if turn % 2 == 0 {
                let fresh = list.iter().filter(|number| ended.insert(**number)).count() as u64;
                prop_assert_eq!((view.end(), view.end()), (fresh, 0));
            }
            if turn % 3 != 1 {
                let fresh: Vec<_> = list.iter().copied().filter(|number| released.insert(*number)).collect();
                prop_assert_eq!(view.release(), (fresh.len() as u64, charge(&fresh)));
                prop_assert_eq!(view.release(), (0, 0));
            }
        }
        prop_assert_eq!(whole.end() + ended.len() as u64, events.len() as u64);
        prop_assert_eq!(whole.release().0 + released.len() as u64, events.len() as u64);
    }
}

#[test]
fn views_on_many_threads_end_each_event_once() {
    let events: Vec<_> = (0..2000).map(|number| event(number, 5)).collect();
    let (batches, _) = batches(Limits::new(20, 100_000, 5000, 0).unwrap(), &events);
    let whole = &batches[0];
    let counts = std::thread::scope(|scope| {
        let threads = [0_usize, 300, 600, 900].map(|start| {
            scope.spawn(move || {
                let part = whole.slice(start..start + 1100);
                let part = if start % 600 == 0 { part } else { part.without(&[]) };
                (part.end(), part.release())
            })
        });
        threads.map(|thread| thread.join().unwrap())
    });
    assert_eq!(counts.iter().map(|(ended, _)| ended).sum::<u64>(), 2000);
    assert_eq!(counts.iter().map(|(_, (events, _))| events).sum::<u64>(), 2000);
    assert_eq!(counts.iter().map(|(_, (_, bytes))| bytes).sum::<u64>(), whole.charge());
}
