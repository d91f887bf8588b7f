//! A batch put away and restored is the same batch; any other layout is refused or describes just its bytes.
#![no_main]

use libfuzzer_sys::{
    arbitrary::{Result, Unstructured},
    fuzz_target,
};
use sluiceway_core::batch::Batch;

/// Bytes of one event's row in a layout.
const ROW: usize = 12;

/// Rows that are likely to fit: lengths of a few bytes, ids within, now and then any number.
fn layout(bytes: &mut Unstructured<'_>) -> Result<(Vec<u8>, usize)> {
    let (mut layout, mut joined) = (vec![], 0_usize);
    for _ in 0..bytes.int_in_range(0..=12)? {
        let len: u32 = if bytes.ratio(1, 30)? { bytes.arbitrary()? } else { bytes.int_in_range(0..=20)? };
        let start = if bytes.ratio(1, 30)? { bytes.arbitrary()? } else { bytes.int_in_range(0..=len)? };
        let end = if bytes.ratio(1, 30)? { bytes.arbitrary()? } else { bytes.int_in_range(start.min(len)..=len)? };
        layout.extend([len, start, end].iter().flat_map(|number| number.to_le_bytes()));
        joined = joined.wrapping_add(len as usize).wrapping_add(1);
    }
    if bytes.ratio(1, 20)? {
        layout.truncate(layout.len().saturating_sub(bytes.int_in_range(1..=ROW)?));
    }
    Ok((layout, joined.wrapping_sub(1)))
}

fn run(bytes: &mut Unstructured<'_>) -> Result<()> {
    let (layout, joined) = layout(bytes)?;
    let len = if bytes.ratio(1, 10)? { bytes.int_in_range(0..=300)? } else { joined.min(300) };
    let mut events = vec![b','; len];
    for byte in &mut events {
        if bytes.ratio(1, 40)? {
            *byte = bytes.arbitrary()?;
        }
    }
    let tokens = if bytes.ratio(1, 3)? { vec![(bytes.int_in_range(0..=12)?, bytes.arbitrary()?)] } else { vec![] };
    let Ok(batch) = Batch::restore(events.clone(), &layout, &tokens, 7) else { return Ok(()) };
    assert!(!batch.is_empty() && batch.len() * ROW == layout.len());
    assert_eq!(batch.joined_bytes(), events.len());
    assert_eq!(batch.runs().collect::<Vec<_>>().join(&b","[..]), events);
    assert_eq!(batch.layout(), layout);
    for (index, entry) in batch.entries().enumerate() {
        assert!(batch.event(index).is_some_and(|event| event.len() == entry.bytes()));
        assert_eq!(batch.id(entry).len(), (entry.id.end - entry.id.start) as usize);
    }
    assert_eq!((batch.release(), batch.end(), batch.end()), ((0, 0), batch.len() as u64, 0));
    // A part of it, put away in its turn.
    let part = batch.without(&[0]);
    if !part.is_empty() {
        let joined = part.runs().collect::<Vec<_>>().join(&b","[..]);
        assert_eq!(Batch::restore(joined, &part.layout(), &[], 7).map(|back| back.len()), Ok(part.len()));
    }
    Ok(())
}

fuzz_target!(|data: &[u8]| {
    let _ = run(&mut Unstructured::new(data));
});
