//! Any limits, any events: no batch over a limit, none empty, none out of order, nothing lost, and no view of a batch
//! ends an event twice.
#![no_main]

use std::ops::Range;

use libfuzzer_sys::{
    arbitrary::{Result, Unstructured},
    fuzz_target,
};
use sluiceway_core::{
    batch::Batch,
    batcher::{Batcher, Fit},
    limits::Limits,
};

/// An event of so many bytes that says its number as far as they go.
fn event(number: usize, len: usize) -> Vec<u8> {
    (0..len).map(|place| (number >> (place % 4 * 8)) as u8 ^ (place / 4) as u8).collect()
}

fn offer(batcher: &mut Batcher, number: usize, event: &[u8]) -> Fit {
    batcher.offer(number as u64 + 1, |out| -> Range<usize> {
        out.extend_from_slice(event);
        out.len()..out.len()
    })
}

fn check(batch: &Batch, limits: Limits, envelope: usize, expected: &[(usize, usize)]) {
    assert!(!batch.is_empty() && batch.len() <= limits.batch_events());
    assert!(batch.joined_bytes() + envelope <= limits.batch_bytes(), "over the limit");
    assert_eq!(batch.len(), expected.len(), "lost or doubled");
    for (index, (entry, (number, len))) in batch.entries().zip(expected).enumerate() {
        assert_eq!(entry.token, *number as u64 + 1, "out of order");
        assert_eq!(batch.event(index).unwrap(), event(*number, *len));
    }
}

/// Cuts views out of views, and has some of them end and give back their events.
fn views(bytes: &mut Unstructured<'_>, whole: &Batch) -> Result<()> {
    let (mut ended, mut released) = (0, 0);
    let mut view = whole.clone();
    for _ in 0..bytes.int_in_range(0..=8)? {
        let (at, to) = (bytes.int_in_range(0..=40)?, bytes.int_in_range(0..=40)?);
        view = match bytes.int_in_range(0..=5)? {
            0 => view.slice(at..to),
            1 => view.split_at(at).0,
            2 => view.split_at(at).1,
            3 => view.without(&[at, to, at]),
            4 => {
                ended += view.end();
                continue;
            }
            _ => {
                released += view.release().0;
                continue;
            }
        };
        let joined: usize = view.entries().map(|entry| entry.bytes() + 1).sum();
        assert_eq!(view.joined_bytes(), joined.saturating_sub(1));
        assert_eq!(view.runs().map(|run| run.len() + 1).sum::<usize>().saturating_sub(1), view.joined_bytes());
    }
    assert_eq!(ended + whole.end(), whole.len() as u64);
    assert_eq!(released + whole.release().0, whole.len() as u64);
    Ok(())
}

fn run(bytes: &mut Unstructured<'_>) -> Result<()> {
    let (most, envelope) = (bytes.int_in_range(1..=300)?, bytes.int_in_range(0..=60)?);
    let more = if bytes.arbitrary()? { bytes.int_in_range(0..=200_000)? } else { bytes.int_in_range(0..=400)? };
    let Ok(limits) = Limits::new(most, most + envelope + more, bytes.int_in_range(1..=40)?, envelope) else {
        panic!("these limits are possible");
    };
    let mut batcher = Batcher::new(limits);
    let mut open: Vec<(usize, usize)> = vec![];
    for number in 0..500 {
        if bytes.is_empty() {
            break;
        }
        if bytes.ratio(1, 16)? {
            let sealed = batcher.seal(number as u64);
            assert_eq!(sealed.is_some(), !open.is_empty());
            if let Some(batch) = sealed {
                check(&batch, limits, envelope, &std::mem::take(&mut open));
                views(bytes, &batch)?;
            }
        }
        let len = bytes.int_in_range(1..=most + 2)?;
        let event = event(number, len);
        let mut fit = offer(&mut batcher, number, &event);
        if fit == Fit::Full {
            let batch = batcher.seal(number as u64).expect("full though empty");
            let joined = batch.joined_bytes();
            check(&batch, limits, envelope, &std::mem::take(&mut open));
            // What is too large is told apart before what does not fit, unless the batch was full by its count.
            let no_room = joined + 1 + len + envelope > limits.batch_bytes();
            assert!(batch.len() == limits.batch_events() || no_room && len <= most, "sealed with room left");
            fit = offer(&mut batcher, number, &event);
        }
        match fit {
            Fit::Added => open.push((number, len)),
            Fit::TooLarge(told) => assert!(told == len && len > most),
            Fit::Full => panic!("full though empty"),
        }
        assert_eq!(batcher.len(), open.len());
    }
    if let Some(batch) = batcher.seal(0) {
        check(&batch, limits, envelope, &open);
    }
    Ok(())
}

fuzz_target!(|data: &[u8]| {
    let _ = run(&mut Unstructured::new(data));
});
