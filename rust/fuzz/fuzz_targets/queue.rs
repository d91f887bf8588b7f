//! Any calls of the queue: each accepted event is handed out once and in order, or its loss is counted; no batch is over
//! a limit; and at the end the accounts are at zero.
#![no_main]

use std::{collections::HashMap, time::Duration};

use libfuzzer_sys::{
    arbitrary::{Result, Unstructured},
    fuzz_target,
};
use sluiceway_core::{
    batch::Batch,
    budget::Held,
    limits::Limits,
    outcome::{End, Outcome},
    queue::{Next, Queue, Settings},
    record::Stamps,
    shape::{Field, Kind, Shape, TimeFormat},
    tape::Tape,
};

const ENVELOPE: usize = 40;

fn queue(bytes: &mut Unstructured<'_>) -> Result<(Queue, Limits)> {
    let event_bytes = if bytes.arbitrary()? { 300 } else { 5000 };
    let batch_bytes = event_bytes + ENVELOPE + bytes.int_in_range(0..=20_000)?;
    let limits = Limits::new(event_bytes, batch_bytes, bytes.int_in_range(1..=40)?, ENVELOPE).expect("possible limits");
    let shape = Shape {
        id_key: "id".into(),
        time_key: "t".into(),
        time_format: TimeFormat::EpochMillis,
        ..Shape::new(b"{", [Field::new("text", Kind::Text)])
    };
    let made = Queue::new(Settings {
        shapes: vec![shape],
        limits,
        max_queue_events: bytes.int_in_range(1..=1000)?,
        max_queue_bytes: bytes.int_in_range(500..=2_000_000)?,
        flush_at: bytes.int_in_range(1..=20)?,
        flush_interval: if bytes.arbitrary()? { Duration::ZERO } else { Duration::MAX },
        flush_first: bytes.arbitrary()?,
        drop_oldest: bytes.arbitrary()?,
    });
    Ok((made, limits))
}

/// The number that an event has for its id.
fn numbers(batch: &Batch) -> Vec<u64> {
    let number = |id: &[u8]| {
        let hex = String::from_utf8(id.to_vec()).expect("an id is text").replace('-', "");
        u64::try_from(u128::from_str_radix(&hex, 16).expect("an id is hexadecimal")).expect("a number of ours")
    };
    batch.entries().map(|entry| number(batch.id(entry))).collect()
}

#[derive(Default)]
struct Seen {
    pushed: u64,
    accepted: u64,
    handed_out: u64,
    next: u64,
    out: Vec<Batch>,
}

impl Seen {
    fn push(&mut self, queue: &Queue, text: &[u8]) {
        let mut tape = Tape::default();
        let id = Some(u128::from(self.pushed).to_be_bytes());
        Stamps { id, unix_nanoseconds: 0, is_time_given: false, shape: 0, token: self.pushed % 3 }.begin(&mut tape);
        tape.text(text);
        self.pushed += 1;
        if matches!(queue.push(&tape), Outcome::Accepted | Outcome::Unattended) {
            self.accepted += 1;
        }
    }

    fn take(&mut self, batch: Batch, limits: Limits) {
        assert!(!batch.is_empty() && batch.len() <= limits.batch_events());
        assert!(batch.joined_bytes() + ENVELOPE <= limits.batch_bytes(), "over the limit");
        let body = [b"[", batch.runs().collect::<Vec<_>>().join(&b","[..]).as_slice(), b"]"].concat();
        let parsed: Vec<serde_json::Value> = serde_json::from_slice(&body).expect("a body is JSON");
        assert_eq!(parsed.len(), batch.len());
        for number in numbers(&batch) {
            assert!(number >= self.next && number < self.pushed, "out of order, doubled or from nowhere");
            self.next = number + 1;
        }
        self.handed_out += batch.len() as u64;
        self.out.push(batch);
    }
}

fn run(bytes: &mut Unstructured<'_>) -> Result<()> {
    let (queue, limits) = queue(bytes)?;
    let mut seen = Seen::default();
    let mut ended = 0;
    for _ in 0..300 {
        if bytes.is_empty() {
            break;
        }
        match bytes.int_in_range(0..=15)? {
            0..=6 => {
                let byte = bytes.arbitrary::<u8>()? & 0x7f;
                let len =
                    if bytes.ratio(1, 4)? { bytes.int_in_range(0..=6000)? } else { bytes.int_in_range(0..=200)? };
                seen.push(&queue, &vec![byte; len]);
            }
            7..=10 => {
                if let Next::Batch(batch) = queue.next_batch(Some(Duration::ZERO)) {
                    seen.take(batch, limits);
                }
            }
            11 => {
                let mark = queue.flush_mark();
                assert!(queue.count_before(mark) <= queue.waiting());
            }
            12 | 13 if !seen.out.is_empty() => {
                let index = bytes.choose_index(seen.out.len())?;
                let batch = &seen.out[index];
                let part = if bytes.arbitrary()? { batch.clone() } else { batch.split_at(batch.len() / 2).1 };
                ended += queue.settle(&part, End::Delivered);
                queue.release(&part);
            }
            14 if bytes.ratio(1, 8)? => drop(queue.purge()),
            15 if bytes.ratio(1, 8)? => queue.close(),
            _ => {}
        }
        assert!(queue.held().events <= queue.settings().max_queue_events, "more than may wait");
    }
    queue.close();
    loop {
        match queue.next_batch(Some(Duration::from_secs(15))) {
            Next::Batch(batch) => seen.take(batch, limits),
            Next::Closed => break,
            // Somebody's event was lost: to be told before the rest is handed out.
            Next::Interrupted => drop(queue.take_lost()),
            Next::Timeout => panic!("asleep though closed"),
        }
    }
    for batch in &seen.out {
        ended += queue.settle(batch, End::Delivered);
        queue.release(batch);
    }
    let counters: HashMap<String, u64> = queue.counters().read().into_iter().collect();
    let lost = |prefix: &str| counters.iter().filter(|(name, _)| name.starts_with(prefix)).map(|(_, n)| n).sum::<u64>();
    assert_eq!((ended, counters["delivered"]), (seen.handed_out, seen.handed_out), "an event ends once");
    assert_eq!(
        seen.accepted,
        seen.handed_out + lost("dropped.") + lost("failed."),
        "every accepted event is accounted for"
    );
    assert_eq!((queue.held(), queue.waiting()), (Held::default(), 0));
    Ok(())
}

fuzz_target!(|data: &[u8]| {
    let _ = run(&mut Unstructured::new(data));
});
