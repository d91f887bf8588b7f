//! Shelves: what a sealed batch needs to be put away elsewhere and to be a batch again.

use std::sync::Arc;

use super::{
    Batch, Shown,
    block::{Block, Entry, Origins},
    marks::Marks,
};
use crate::error::RestoreError;

/// Bytes of one event's row in a layout: its length, and where the text of its id starts and
/// ends in it, each 32 bits, little-endian.
const ROW: usize = 12;

impl Batch {
    /// Where each event shown and its id lie in the joined bytes, in rows of twelve bytes.
    #[must_use]
    pub fn layout(&self) -> Vec<u8> {
        let mut layout = Vec::with_capacity(self.len() * ROW);
        for Entry { event, id, .. } in self.entries() {
            for number in [event.end - event.start, id.start - event.start, id.end - event.start] {
                layout.extend_from_slice(&number.to_le_bytes());
            }
        }
        layout
    }

    /// The batch that was put away as `bytes`, the joined events, and their `layout`.
    ///
    /// `tokens` are the index and token of those that somebody wants to be told of, and
    /// `end_position` is what it was. It charges nothing: the budget was given back when the
    /// events left the memory, and is not taken again from those who push now.
    ///
    /// # Errors
    /// The layout is not one of these bytes.
    pub fn restore(
        bytes: Vec<u8>,
        layout: &[u8],
        tokens: &[(usize, u64)],
        end_position: u64,
    ) -> Result<Self, RestoreError> {
        let (rows, rest) = layout.as_chunks::<ROW>();
        if rows.is_empty() || !rest.is_empty() || u32::try_from(bytes.len()).is_err() {
            return Err(RestoreError);
        }
        let mut entries = Vec::with_capacity(rows.len());
        let mut next = 0_usize;
        for row in rows {
            let [len, id_start, id_end] = numbers(row);
            if id_start > id_end || id_end > len {
                return Err(RestoreError);
            }
            let start = u32::try_from(next).map_err(|_| RestoreError)?;
            let end = start.checked_add(len).filter(|end| *end as usize <= bytes.len()).ok_or(RestoreError)?;
            entries.push(Entry { event: start..end, id: start + id_start..start + id_end, token: 0 });
            next = end as usize;
            if entries.len() < rows.len() {
                if bytes.get(next) != Some(&b',') {
                    return Err(RestoreError);
                }
                next += 1;
            }
        }
        if next != bytes.len() {
            return Err(RestoreError);
        }
        for (index, token) in tokens {
            entries.get_mut(*index).ok_or(RestoreError)?.token = *token;
        }
        let events = entries.len();
        let (ended, released) = (Marks::new(events), Marks::new(events));
        released.set(0..events, &mut |_| ());
        let origins = Origins::one(end_position);
        let block = Block { bytes, entries: entries.into(), ended, released, origins, home: None };
        Ok(Self { block: Arc::new(block), shown: Shown::Range(0..events) })
    }
}

/// The three numbers of a row. All of it is taken: a row has as many bytes as they have.
fn numbers(row: &[u8; ROW]) -> [u32; 3] {
    let mut numbers = [0; 3];
    for (number, bytes) in numbers.iter_mut().zip(row.as_chunks().0) {
        *number = u32::from_le_bytes(*bytes);
    }
    numbers
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch() -> Batch {
        let bytes = br#"{"id":"a"},{"id":"bb"},{"id":"ccc"}"#.to_vec();
        let entries = [(0, 10, 1), (11, 22, 2), (23, 35, 3)].map(|(start, end, chars)| Entry {
            event: start..end,
            id: start + 7..start + 7 + chars,
            token: 0,
        });
        Batch::seal(bytes, entries.into(), 7, None)
    }

    fn joined(batch: &Batch) -> Vec<u8> {
        batch.runs().collect::<Vec<_>>().join(&b','.to_owned())
    }

    #[test]
    fn what_is_put_away_comes_back() {
        let view = batch().without(&[1]);
        let back = Batch::restore(joined(&view), &view.layout(), &[(1, 9)], 7).unwrap();
        assert_eq!(joined(&back), joined(&view));
        let ids: Vec<_> = back.entries().map(|entry| back.id(entry).to_vec()).collect();
        assert_eq!(ids, [b"a".to_vec(), b"ccc".to_vec()]);
        assert_eq!(back.entries().map(|entry| entry.token).collect::<Vec<_>>(), [0, 9]);
        assert_eq!((back.end_position(), back.count_before(6), back.count_before(7)), (7, 0, 2));
        assert_eq!((back.release(), back.end(), back.end()), ((0, 0), 2, 0));
    }

    #[test]
    fn a_layout_of_other_bytes_is_refused() {
        let whole = batch();
        let (bytes, layout) = (joined(&whole), whole.layout());
        for place in 0..layout.len() {
            let mut bent = layout.clone();
            bent[place] ^= 0x80;
            assert!(Batch::restore(bytes.clone(), &bent, &[], 0).is_err(), "byte {place}");
        }
        for cut in 0..layout.len() {
            assert!(Batch::restore(bytes.clone(), &layout[..cut], &[], 0).is_err(), "{cut} bytes");
        }
        for cut in 0..bytes.len() {
            assert!(Batch::restore(bytes[..cut].to_vec(), &layout, &[], 0).is_err(), "{cut} bytes");
        }
        assert!(Batch::restore([&bytes[..], b","].concat(), &layout, &[], 0).is_err());
        assert!(Batch::restore(bytes.clone(), &layout, &[(3, 1)], 0).is_err(), "a token of no event");
        assert!(Batch::restore(bytes, &layout, &[(2, 1)], 0).is_ok());
    }
}
