//! The laws of joining: the events of any views lie in one block as they lay in theirs, and wherever they went, each
//! ends once and gives its budget back once.
#![cfg(not(loom))]
#![allow(clippy::unwrap_used, reason = "a test may panic, in its own functions too")]

use std::{collections::HashMap, thread};

use proptest::prelude::*;
use sluiceway_core::{
    batch::{Batch, Entry},
    error::JoinError,
};

/// A batch of events that say their numbers, of various lengths; every third somebody waits for.
fn batch(numbers: impl Iterator<Item = u64>, end_position: u64) -> Batch {
    let (mut bytes, mut entries) = (Vec::new(), Vec::new());
    let narrow = |offset: usize| u32::try_from(offset).unwrap();
    for number in numbers {
        if !entries.is_empty() {
            bytes.push(b',');
        }
        let start = bytes.len();
        bytes.extend_from_slice(json(number).as_bytes());
        let id = narrow(start + 7)..narrow(start + 7 + number.to_string().len());
        entries.push(Entry { event: narrow(start)..narrow(bytes.len()), id, token: token(number) });
    }
    Batch::seal(bytes, entries, end_position, None)
}

fn json(number: u64) -> String {
    format!(r#"{{"id":"{number}","text":"{}"}}"#, "x".repeat(usize::try_from(number % 11).unwrap()))
}

fn token(number: u64) -> u64 {
    if number.is_multiple_of(3) { number + 1 } else { 0 }
}

/// The numbers of the events, by their ids, once all else of them is shown to be theirs.
fn numbers(batch: &Batch) -> Vec<u64> {
    let joined: Vec<u8> = batch.runs().collect::<Vec<_>>().join(&b","[..]);
    assert_eq!(joined.len(), batch.joined_bytes());
    let mut ends = batch.ends();
    let numbers: Vec<u64> = batch
        .entries()
        .enumerate()
        .map(|(index, entry)| {
            let number = std::str::from_utf8(batch.id(entry)).unwrap().parse().unwrap();
            assert_eq!(batch.event(index).unwrap(), json(number).as_bytes());
            assert_eq!(entry.token, token(number));
            let (end, bytes) = ends.next().unwrap();
            assert_eq!(&joined[end - bytes..end], json(number).as_bytes());
            number
        })
        .collect();
    assert_eq!(ends.next(), None);
    numbers
}

/// What may be done to one of the views so far, or with it.
#[derive(Clone, Debug)]
enum Action {
    Slice { view: prop::sample::Index, from: prop::sample::Index, to: prop::sample::Index },
    Without { view: prop::sample::Index, indices: Vec<prop::sample::Index> },
    Join { views: Vec<prop::sample::Index> },
    End { view: prop::sample::Index },
    Release { view: prop::sample::Index },
}

fn action() -> impl Strategy<Value = Action> {
    let index = any::<prop::sample::Index>;
    prop_oneof![
        3 => (index(), index(), index()).prop_map(|(view, from, to)| Action::Slice { view, from, to }),
        3 => (index(), prop::collection::vec(index(), 0..6))
            .prop_map(|(view, indices)| Action::Without { view, indices }),
        4 => prop::collection::vec(index(), 1..5).prop_map(|views| Action::Join { views }),
        1 => index().prop_map(|view| Action::End { view }),
        1 => index().prop_map(|view| Action::Release { view }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: if cfg!(miri) { 3 } else { 1500 }, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_joined_each_event_ends_once(
        sizes in prop::collection::vec(1_u64..90, 1..5),
        actions in prop::collection::vec(action(), 1..30),
    ) {
        let mut views = Vec::new();
        let mut positions = HashMap::new();
        let mut next = 0;
        for (batch_number, size) in sizes.iter().enumerate() {
            let end_position = 1000 - batch_number as u64 * 7;
            positions.extend((next..next + size).map(|number| (number, end_position)));
            views.push(batch(next..next + size, end_position));
            next += size;
        }
        let originals = views.clone();
        let (mut ended, mut released) = (0, (0, 0));
        for action in actions {
            let view = |index: prop::sample::Index| views[index.index(views.len())].clone();
            let made = match action {
                Action::Slice { view: index, from, to } => {
                    let view = view(index);
                    let (from, to) = (from.index(view.len()), to.index(view.len()));
                    view.slice(from.min(to)..from.max(to) + 1)
                }
                Action::Without { view: index, indices } => {
                    let view = view(index);
                    view.without(&indices.iter().map(|index| index.index(view.len())).collect::<Vec<_>>())
                }
                Action::Join { views: indices } => {
                    let joined: Vec<_> = indices.into_iter().map(view).collect();
                    let batch = Batch::join(&joined).unwrap();
                    prop_assert_eq!(numbers(&batch), joined.iter().flat_map(numbers).collect::<Vec<_>>());
                    prop_assert_eq!(batch.charge(), joined.iter().map(Batch::charge).sum::<u64>());
                    prop_assert!(batch.block_bytes() < batch.joined_bytes() + 16, "{}", batch.block_bytes());
                    batch
                }
                Action::End { view: index } => {
                    ended += view(index).end();
                    continue;
                }
                Action::Release { view: index } => {
                    let (events, bytes) = view(index).release();
                    released = (released.0 + events, released.1 + bytes);
                    continue;
                }
            };
            if made.is_empty() {
                continue;
            }
            let end_positions: Vec<u64> = numbers(&made).iter().map(|number| positions[number]).collect();
            let max = *end_positions.iter().max().unwrap();
            prop_assert_eq!(made.end_position(), max);
            for mark in [max - 7, max - 1, max, 970, 1000] {
                let before = end_positions.iter().filter(|position| **position <= mark).count();
                prop_assert_eq!(made.count_before(mark), before);
            }
            views.push(made);
        }
        // Whichever view is asked first, the events end in the one where they are.
        for view in &views {
            ended += view.end();
            let (events, bytes) = view.release();
            released = (released.0 + events, released.1 + bytes);
        }
        prop_assert_eq!(ended, next);
        prop_assert_eq!(released, (next, originals.iter().map(Batch::charge).sum()));
    }
}

#[test]
fn nothing_is_no_batch() {
    assert_eq!(Batch::join(&[]).unwrap_err(), JoinError::Empty);
    let none = batch(0..3, 5).without(&[0, 1, 2]);
    assert_eq!(Batch::join(&[none.clone(), none.clone()]).unwrap_err(), JoinError::Empty);
    let one = Batch::join(&[none.clone(), batch(4..5, 5), none]).unwrap();
    assert_eq!(numbers(&one), [4]);
}

#[test]
fn an_event_that_ended_before_stays_ended_and_its_neighbours_do_not() {
    let all = batch(0..70, 5);
    assert_eq!(all.slice(2..66).end(), 64);
    assert_eq!(all.slice(69..70).release().0, 1);
    let joined = Batch::join(&[all.slice(60..70), all.slice(0..10)]).unwrap();
    assert_eq!(all.end(), 50 - 50, "moved, or ended before");
    assert_eq!(joined.end(), 4 + 2);
    assert_eq!((joined.release().0, all.release().0), (19, 50));
}

/// Old views are ended while their events move: each of them ends in one place or the other.
#[test]
fn joining_and_ending_at_once_counts_each_event_once() {
    const EVENTS: u64 = if cfg!(miri) { 60 } else { 3_000 };
    for _ in 0..if cfg!(miri) { 3 } else { 50 } {
        let all = batch(0..EVENTS, 5);
        let (ended, joined) = thread::scope(|scope| {
            let ending = scope.spawn(|| {
                (0..EVENTS)
                    .rev()
                    .map(|index| {
                        let index = usize::try_from(index).unwrap();
                        all.slice(index..index + 1).end()
                    })
                    .sum::<u64>()
            });
            let joining = scope.spawn(|| Batch::join(std::slice::from_ref(&all)).unwrap());
            (ending.join().unwrap(), joining.join().unwrap())
        });
        assert_eq!(ended + joined.end() + all.end(), EVENTS);
    }
}
