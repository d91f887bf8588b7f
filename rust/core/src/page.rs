//! A page of the ring: memory that comes zeroed, holds records, and goes back to the system.
#![allow(unsafe_code, reason = "records are written through raw pointers by their one owner")]

use crate::sync::{AtomicPtr, Ordering};

pub(crate) use memory::{PAGE_BYTES, Page};

/// How many empty pages are kept once a burst is over: one mebibyte of them.
const KEPT: usize = if cfg!(loom) { 1 } else { (1 << 20) / PAGE_BYTES };
/// How many are kept while it lasts: a backlog that rises and falls by less than this
/// asks the system for nothing. Mapping and unmapping were a tenth of a burst.
const SPARES: usize = if cfg!(loom) { 1 } else { (16 << 20) / PAGE_BYTES };

/// The empty pages kept ready.
#[derive(Debug)]
pub(crate) struct Spares([AtomicPtr<Page>; SPARES]);

impl Spares {
    pub(crate) fn new() -> Self {
        Self(std::array::from_fn(|_| AtomicPtr::new(std::ptr::null_mut())))
    }

    /// An empty page: a spare one, or a new one from the system.
    #[cold]
    #[expect(clippy::unnecessary_box_returns, reason = "a slot holds its address")]
    pub(crate) fn take(&self) -> Box<Page> {
        self.0.iter().find_map(Self::empty).unwrap_or_else(|| Box::new(Page::new()))
    }

    /// The same; `None` if the system has no memory.
    #[cold]
    pub(crate) fn try_take(&self) -> Option<Box<Page>> {
        self.0.iter().find_map(Self::empty).or_else(|| Page::try_new().map(Box::new))
    }

    /// Hands all but a few pages to the system. To be called when the ring is empty.
    pub(crate) fn trim(&self) {
        self.0[KEPT..].iter().filter_map(Self::empty).for_each(drop);
    }

    /// Takes the page that is at `place`.
    fn empty(place: &AtomicPtr<Page>) -> Option<Box<Page>> {
        if place.load(Ordering::Relaxed).is_null() {
            return None;
        }
        // Acquire: pairs with the Release in `give`; the page's zeroes come with it.
        let page = place.swap(std::ptr::null_mut(), Ordering::Acquire);
        // SAFETY: `give` made this pointer from a box, and the swap made us the only one to
        // have it.
        (!page.is_null()).then(|| unsafe { Box::from_raw(page) })
    }

    /// Takes back a page whose first `used` bytes may hold anything: zeroes and keeps it,
    /// or hands it to the system.
    pub(crate) fn give(&self, mut page: Box<Page>, used: usize) {
        let Some(place) = self.0.iter().find(|place| place.load(Ordering::Relaxed).is_null()) else {
            return;
        };
        page.clear(used);
        let page = Box::into_raw(page);
        // Release: pairs with the Acquire in `take`. Acquire: whoever was faster has written
        // the zeroes of the page that we would drop.
        let other = place.swap(page, Ordering::AcqRel);
        if !other.is_null() {
            // SAFETY: as in `take`. Another thread gave a page in the meantime; that one
            // goes to the system in place of ours.
            drop(unsafe { Box::from_raw(other) });
        }
    }

    /// How many pages are here.
    pub(crate) fn count(&self) -> usize {
        self.0.iter().filter(|place| !place.load(Ordering::Relaxed).is_null()).count()
    }
}

impl Drop for Spares {
    fn drop(&mut self) {
        for place in &self.0 {
            // Relaxed: whoever drops us has seen all there was; see `Ring`'s.
            let page = place.load(Ordering::Relaxed);
            if !page.is_null() {
                // SAFETY: `&mut self`: nobody else can take it any more.
                drop(unsafe { Box::from_raw(page) });
            }
        }
    }
}

#[cfg(not(loom))]
mod memory {
    use std::sync::atomic::AtomicU64;

    use memmap2::{MmapMut, MmapOptions};

    /// 64 KiB: some 100 records of 600 bytes. The producer that needs a new page has it populated,
    /// which is its length in the tail of latencies while nothing is given back: with 256 KiB, one
    /// call in 600 took 115 us. Smaller pages made a burst into cold memory 3 % slower.
    pub(crate) const PAGE_BYTES: usize = 64 * 1024;

    /// An anonymous map, so that giving it back really gives it back: freed heap blocks
    /// of this size were measured as staying resident.
    #[derive(Debug)]
    pub(crate) struct Page {
        map: Map,
        base: *mut u8,
    }

    #[derive(Debug)]
    enum Map {
        Anonymous(MmapMut),
        /// The system refused a map (`RLIMIT_AS`, no more maps): zeroed heap instead. A vector,
        /// since a box that moves ends the life of the pointers into it.
        Heap(Vec<u64>),
    }

    // SAFETY: a page owns its memory; records in it are handed between threads by the
    // commit word of each (see ring.rs).
    unsafe impl Send for Page {}
    // SAFETY: as above; shared access goes through atomics or through the one owner of a
    // claimed range.
    unsafe impl Sync for Page {}

    impl Page {
        /// A page; without memory for one, the process ends.
        pub(crate) fn new() -> Self {
            Self::try_new().unwrap_or_else(|| Self::of(Map::Heap(vec![0; PAGE_BYTES / size_of::<u64>()])))
        }

        /// A page, or `None` if the system has no memory.
        pub(crate) fn try_new() -> Option<Self> {
            // Populated: one fault for the page instead of one for each 4 KiB of it. Miri does
            // not know that flag, and so tries the heap.
            let map = if cfg!(miri) { None } else { MmapOptions::new().len(PAGE_BYTES).populate().map_anon().ok() };
            if let Some(map) = map {
                return Some(Self::of(Map::Anonymous(map)));
            }
            let mut words = Vec::new();
            words.try_reserve_exact(PAGE_BYTES / size_of::<u64>()).ok()?;
            words.resize(PAGE_BYTES / size_of::<u64>(), 0);
            Some(Self::of(Map::Heap(words)))
        }

        fn of(mut map: Map) -> Self {
            let base = match &mut map {
                Map::Anonymous(map) => map.as_mut_ptr(),
                Map::Heap(words) => words.as_mut_ptr().cast(),
            };
            Self { map, base }
        }

        /// Zeroes the first `used` bytes, so that each word reads as uncommitted again.
        pub(crate) fn clear(&mut self, used: usize) {
            let used = used.min(PAGE_BYTES);
            self.base = match &mut self.map {
                Map::Anonymous(map) => {
                    map[..used].fill(0);
                    map.as_mut_ptr()
                }
                Map::Heap(words) => {
                    words[..used.div_ceil(size_of::<u64>())].fill(0);
                    words.as_mut_ptr().cast()
                }
            };
        }

        /// The commit word at `offset`, a multiple of eight below the page's end.
        #[inline]
        pub(crate) fn word(&self, offset: usize) -> &AtomicU64 {
            debug_assert!(offset.is_multiple_of(size_of::<u64>()) && offset < PAGE_BYTES);
            // SAFETY: in bounds and aligned (asserted above; maps are page-aligned, the
            // heap holds u64s). This word is only ever accessed as an atomic while the
            // page is shared: payloads never cover a header's place.
            unsafe { AtomicU64::from_ptr(self.base.add(offset).cast()) }
        }

        /// Writes a record's body.
        ///
        /// # Safety
        /// The caller has claimed `offset..offset + body.len()` of this page and has not
        /// committed it yet.
        #[inline]
        pub(crate) unsafe fn write(&self, offset: usize, body: &[u8]) {
            debug_assert!(offset + body.len() <= PAGE_BYTES);
            // SAFETY: in bounds; the claim makes us the range's only user until commit.
            unsafe { std::ptr::copy_nonoverlapping(body.as_ptr(), self.base.add(offset), body.len()) }
        }

        /// Reads a record's body.
        ///
        /// # Safety
        /// The caller has seen the record's commit word and is the one consumer.
        #[inline]
        pub(crate) unsafe fn read<R>(&self, offset: usize, len: usize, reader: impl FnOnce(&[u8]) -> R) -> R {
            debug_assert!(offset + len <= PAGE_BYTES);
            // SAFETY: in bounds; committed, so its producer is done with it, and only the
            // one consumer reads or recycles it.
            reader(unsafe { std::slice::from_raw_parts(self.base.add(offset), len) })
        }
    }
}

/// The same page for the model checker: four words, so that two records of eight bytes
/// fill it, with each body in a cell that loom watches for races.
#[cfg(loom)]
mod memory {
    use loom::{cell::UnsafeCell, sync::atomic::AtomicU64};

    pub(crate) const PAGE_BYTES: usize = 32;

    #[derive(Debug)]
    pub(crate) struct Page {
        words: [AtomicU64; 4],
        cells: [UnsafeCell<u64>; 4],
    }

    // SAFETY: loom checks each access to the cells; that is what the model is for.
    unsafe impl Send for Page {}
    // SAFETY: as above.
    unsafe impl Sync for Page {}

    impl Drop for Page {
        /// Giving memory back is one more access to all of it.
        fn drop(&mut self) {
            if !std::thread::panicking() {
                self.clear(PAGE_BYTES);
            }
        }
    }

    impl Page {
        pub(crate) fn try_new() -> Option<Self> {
            Some(Self::new())
        }

        pub(crate) fn new() -> Self {
            Self {
                words: std::array::from_fn(|_| AtomicU64::new(0)),
                cells: std::array::from_fn(|_| UnsafeCell::new(0)),
            }
        }

        pub(crate) fn clear(&mut self, _used: usize) {
            for word in &mut self.words {
                word.with_mut(|word| *word = 0);
            }
            for cell in &self.cells {
                // SAFETY: `&mut self`.
                cell.with_mut(|cell| unsafe { *cell = 0 });
            }
        }

        pub(crate) fn word(&self, offset: usize) -> &AtomicU64 {
            &self.words[offset / 8]
        }

        pub(crate) unsafe fn write(&self, offset: usize, body: &[u8]) {
            if body.is_empty() {
                return;
            }
            let mut value = [0; 8];
            value[..body.len()].copy_from_slice(body);
            // SAFETY: promised by the caller, checked by loom.
            self.cells[offset / 8].with_mut(|cell| unsafe { *cell = u64::from_ne_bytes(value) });
        }

        pub(crate) unsafe fn read<R>(&self, offset: usize, len: usize, reader: impl FnOnce(&[u8]) -> R) -> R {
            if len == 0 {
                return reader(&[]);
            }
            // SAFETY: promised by the caller, checked by loom.
            let value = self.cells[offset / 8].with(|cell| unsafe { *cell });
            reader(&value.to_ne_bytes()[..len])
        }
    }
}
