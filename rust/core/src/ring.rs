//! The ring: bounded, lock-free, many producers, one consumer at a time.
//!
//! Positions only grow. A position names a page (`position / PAGE_BYTES`, modulo the
//! number of slots) and an offset in it. The life of a record:
//!
//! 1. A producer **claims** `need` bytes by moving `tail` with a compare-and-swap. Records
//!    never straddle pages: if the rest of the page is too small, the claim also covers
//!    that rest, and the producer writes a padding record there.
//! 2. It finds its page in the slot, or **installs** one: whoever needs it first.
//! 3. It copies the body behind the commit word's place and **commits** by a release store
//!    of that word (length and kind; zero means "not yet", and pages come zeroed).
//! 4. The consumer reads the word at `head`, stops at zero, reads the body, advances. When
//!    it leaves a page it clears the slot, then **retires** the page, then releases `head`.
//!
//! A record larger than a quarter page lives on the heap; the ring holds its address.
//! A producer that stops between claim and commit holds up the consumer, never another
//! producer; one that dies there does so with its process (a forked child never touches
//! its parent's ring).
#![allow(unsafe_code, reason = "page and heap pointers pass between threads; each block says why that is sound")]

use crate::{
    page::{PAGE_BYTES, Page, Spares},
    sync::{AtomicPtr, AtomicU64, Mutex, MutexGuard, Ordering, OwnLine, lock, try_lock},
};

/// The commit word in front of each record.
const WORD_BYTES: usize = size_of::<u64>();
const PAGE: u64 = PAGE_BYTES as u64;
/// A body above this goes to the heap.
const INLINE_BYTES: usize = PAGE_BYTES / 4;
/// What a heap record leaves in the ring: its address.
const ADDRESS_BYTES: usize = size_of::<u64>();

/// What a commit word says. The low two bits; the length is in the high half.
const INLINE: u64 = 1;
const HEAP: u64 = 2;
const PADDING: u64 = 3;
const KIND_MASK: u64 = 3;
const LENGTH_SHIFT: u32 = 32;

/// The ring had no address left for a claim: the caller admitted more than it was built for.
#[derive(Debug, PartialEq, Eq)]
pub struct Full;

/// The ring of committed records.
#[derive(Debug)]
pub struct Ring {
    /// The next position to claim.
    tail: OwnLine<AtomicU64>,
    /// The next position to read, as producers may know it.
    head: OwnLine<AtomicU64>,
    slots: Box<[AtomicPtr<Page>]>,
    spares: Spares,
    /// Bytes of the records that lie on the heap.
    heap_bytes: AtomicU64,
    /// The consumer's own place. Holding it *is* the consumer's role.
    reader: Mutex<u64>,
}

impl Ring {
    /// A ring that can address `max_events` records of `max_bytes` in all.
    ///
    /// Headers, rounding and page ends are added here, so that whoever holds a reservation
    /// for its body finds an address: a page ends with less than [`INLINE_BYTES`] and a
    /// word unused, hence the third on top; the three pages more are the one being read,
    /// the one being claimed, and the one between.
    #[must_use]
    pub fn new(max_events: u64, max_bytes: u64) -> Self {
        let records = max_bytes + max_events * (2 * WORD_BYTES as u64);
        let pages = (records + records / 3).div_ceil(PAGE) + 3;
        Self::with_pages(usize::try_from(pages).unwrap_or(usize::MAX))
    }

    /// A ring of so many pages, one at least.
    #[must_use]
    pub fn with_pages(pages: usize) -> Self {
        let pages = pages.max(1);
        Self {
            tail: OwnLine(AtomicU64::new(0)),
            head: OwnLine(AtomicU64::new(0)),
            slots: (0..pages).map(|_| AtomicPtr::new(std::ptr::null_mut())).collect(),
            spares: Spares::new(),
            heap_bytes: AtomicU64::new(0),
            reader: Mutex::new(0),
        }
    }

    /// The bytes that a body of `len` takes in memory while it waits here.
    #[must_use]
    #[inline]
    pub fn footprint(len: usize) -> u64 {
        (WORD_BYTES + len.next_multiple_of(WORD_BYTES)) as u64
    }

    /// Appends one record. Never blocks; takes memory from the system only where a page is
    /// entered for the first time.
    ///
    /// # Errors
    /// [`Full`] when the caller has admitted more than [`Ring::new`] was told of.
    #[inline]
    pub fn push(&self, body: &[u8]) -> Result<(), Full> {
        if body.len() > INLINE_BYTES {
            return self.push_heap(body);
        }
        self.commit(INLINE, body)
    }

    /// Sees to it that there is memory for a record of `len`; false if the system has none.
    ///
    /// Asked before anything is reserved, so that an event for which there is no memory can
    /// be refused. Who asks has no claim: another producer may take what was found, and then
    /// the push asks the system again, which has no way back.
    #[inline]
    pub fn has_memory(&self, len: usize) -> bool {
        let len = if len > INLINE_BYTES {
            if Vec::<u8>::new().try_reserve_exact(len).is_err() {
                return false;
            }
            ADDRESS_BYTES
        } else {
            len
        };
        // Relaxed: a guess at where the claim will be.
        let tail = self.tail.load(Ordering::Relaxed);
        let rest = PAGE - tail % PAGE;
        // In a page that somebody has a claim in already, there is nothing to install.
        (rest != PAGE && Self::footprint(len) <= rest) || self.prepare(tail + rest % PAGE)
    }

    /// Installs the page that begins at `start`, if its slot is empty.
    ///
    /// It may be long past: the slot is then that of a page to come, for which one that is
    /// empty is as good. A slot is emptied by the consumer alone, in one store, and filled
    /// only if it is empty, so no page is ever lost.
    #[cold]
    fn prepare(&self, start: u64) -> bool {
        let slot = self.slot(start);
        // Acquire: pairs with the Release of the installing exchange. Whoever claims after us
        // sees with our claim what we saw: the page and its zeroes.
        if !slot.load(Ordering::Acquire).is_null() {
            return true;
        }
        let Some(page) = self.spares.try_take() else { return false };
        let page = Box::into_raw(page);
        // As in `install`.
        if slot.compare_exchange(std::ptr::null_mut(), page, Ordering::Release, Ordering::Acquire).is_err() {
            // SAFETY: ours from `Box::into_raw` above, never published.
            self.spares.give(unsafe { Box::from_raw(page) }, 0);
        }
        true
    }

    #[cold]
    fn push_heap(&self, body: &[u8]) -> Result<(), Full> {
        // The length leads the allocation, so that the address alone can free it.
        let owned = Box::into_raw(Box::new(Box::<[u8]>::from(body)));
        let address = (owned.expose_provenance() as u64).to_ne_bytes();
        // Relaxed: a number. Before the commit, so that `advance` never takes off more
        // than is there.
        self.heap_bytes.fetch_add(body.len() as u64, Ordering::Relaxed);
        self.commit(HEAP, &address).inspect_err(|_| {
            self.heap_bytes.fetch_sub(body.len() as u64, Ordering::Relaxed);
            // SAFETY: `owned` came from `Box::into_raw` just now and was not published.
            drop(unsafe { Box::from_raw(owned) });
        })
    }

    #[inline]
    fn commit(&self, kind: u64, body: &[u8]) -> Result<(), Full> {
        let need = Self::footprint(body.len());
        let (start, claimed) = self.claim(need)?;
        if claimed != start {
            // SAFETY: our claim begins with the rest of the page that `claimed` is in.
            unsafe { self.pad(claimed) };
        }
        let page = self.page(start);
        let offset = offset_of(start);
        // SAFETY: the compare-and-swap in `claim` made `start..start + need` ours until
        // the store below; `claim` keeps it within one page.
        unsafe { page.write(offset + WORD_BYTES, body) };
        let word = ((body.len() as u64) << LENGTH_SHIFT) | kind;
        // Release: publishes the body; pairs with the Acquire load in `Reader::committed`.
        page.word(offset).store(word, Ordering::Release);
        Ok(())
    }

    /// Moves the tail over `need` bytes within one page. Returns where the record starts
    /// and where the claim did (earlier, if it had to skip the rest of a page).
    #[inline]
    fn claim(&self, need: u64) -> Result<(u64, u64), Full> {
        // Acquire, here and where the exchange fails: pairs with the Release of the exchange
        // that made the value read. Whoever claims after another producer has seen the head
        // that this one saw: so its own look at `head` finds the room that the tail proves,
        // and it cannot see what the slot of a page held a lap ago.
        let mut tail = self.tail.load(Ordering::Acquire);
        loop {
            let rest = PAGE - tail % PAGE;
            let start = if need <= rest { tail } else { tail + rest };
            if start.is_multiple_of(PAGE) {
                self.check_address(start)?;
            }
            // Release: passes on what was seen of `head`. No Acquire where it succeeds: the
            // tail never has a value twice, so this reads the very store that `tail` came from.
            match self.tail.compare_exchange_weak(tail, start + need, Ordering::Release, Ordering::Acquire) {
                Ok(claimed) => return Ok((start, claimed)),
                Err(now) => tail = now,
            }
        }
    }

    /// Whether the page that begins at `start` has a slot that the consumer has left.
    #[cold]
    fn check_address(&self, start: u64) -> Result<(), Full> {
        // Acquire: pairs with the Release in `Reader::leave_page`, which cleared the slot
        // before.
        let head = self.head.load(Ordering::Acquire);
        let lap = (self.slots.len() as u64) * PAGE;
        if start + PAGE - head / PAGE * PAGE > lap { Err(Full) } else { Ok(()) }
    }

    /// Marks the rest of the page at `position` as nothing to read.
    ///
    /// # Safety
    /// The caller has claimed from `position` to the page's end.
    #[cold]
    unsafe fn pad(&self, position: u64) {
        // Release: as the commit of a record; the consumer must not leave the page before.
        self.page(position).word(offset_of(position)).store(PADDING, Ordering::Release);
    }

    /// The page that holds `position`, installed now if this is its first use.
    ///
    /// The caller has a claim in that page and has not committed it, so the consumer
    /// cannot leave the page while the reference is in use.
    #[inline]
    fn page(&self, position: u64) -> &Page {
        let slot = self.slot(position);
        // Acquire: pairs with the Release of the installing exchange: the page's zeroes.
        let page = slot.load(Ordering::Acquire);
        let page = if page.is_null() { self.install(slot) } else { page };
        // SAFETY: pages in slots come from boxes, and this one stays: see above.
        unsafe { &*page }
    }

    #[cold]
    fn install(&self, slot: &AtomicPtr<Page>) -> *mut Page {
        let page = Box::into_raw(self.spares.take());
        // Release publishes the zeroes to the Acquire loads in `page` and `Reader::committed`;
        // Acquire, on failure, sees the zeroes of whoever was first. On success there is
        // nothing to acquire: that the slot was empty was known from the claim.
        match slot.compare_exchange(std::ptr::null_mut(), page, Ordering::Release, Ordering::Acquire) {
            Ok(_) => page,
            Err(first) => {
                // SAFETY: ours from `Box::into_raw` above, never published.
                self.spares.give(unsafe { Box::from_raw(page) }, 0);
                first
            }
        }
    }

    fn slot(&self, position: u64) -> &AtomicPtr<Page> {
        let index = (position / PAGE) % self.slots.len() as u64;
        &self.slots[usize::try_from(index).unwrap_or(0)]
    }

    /// Bytes between the reader and the last claim, padding included, and the bytes that
    /// those records have on the heap.
    #[must_use]
    pub fn backlog_bytes(&self) -> u64 {
        // Relaxed: the looks that matter are ordered by the wake word, which each of them
        // has touched before. Two numbers of different moments, hence `saturating`.
        let head = self.head.load(Ordering::Relaxed);
        let in_pages = self.tail.load(Ordering::Relaxed).saturating_sub(head);
        in_pages + self.heap_bytes.load(Ordering::Relaxed)
    }

    /// Hands the pages that a burst left over to the system. To be called when the ring is
    /// empty; one that is not loses nothing but speed.
    pub fn trim(&self) {
        self.spares.trim();
    }

    /// The pages it holds, spares included. For tests and statistics: it looks at each slot.
    #[must_use]
    pub fn pages(&self) -> usize {
        let installed = self.slots.iter().filter(|slot| !slot.load(Ordering::Relaxed).is_null());
        installed.count() + self.spares.count()
    }

    /// The position up to which records were taken, as published last.
    #[must_use]
    pub fn head_position(&self) -> u64 {
        // Acquire: pairs with the Release in `Reader::release`.
        self.head.load(Ordering::Acquire)
    }

    /// The position after the last claim.
    #[must_use]
    pub fn tail(&self) -> u64 {
        // Relaxed: a position, not a permission to look at what lies before it.
        self.tail.load(Ordering::Relaxed)
    }

    /// Takes the consumer's role, waiting while somebody else has it.
    pub fn reader(&self) -> Reader<'_> {
        Reader { head: lock(&self.reader), ring: self }
    }

    /// Takes the consumer's role if nobody has it.
    pub fn try_reader(&self) -> Option<Reader<'_>> {
        Some(Reader { head: try_lock(&self.reader)?, ring: self })
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        // Records still here are dropped with their pages; those on the heap one by one.
        let mut reader = self.reader();
        while reader.front(|_| ()).is_some() {
            reader.advance();
        }
        drop(reader);
        for slot in &self.slots {
            // Relaxed: `&mut self` has already seen everything that was done through `&self`.
            let page = slot.load(Ordering::Relaxed);
            if !page.is_null() {
                // SAFETY: `&mut self`: no producer, no consumer; slots own their pages.
                drop(unsafe { Box::from_raw(page) });
            }
        }
    }
}

/// The consumer's role, held.
#[derive(Debug)]
pub struct Reader<'a> {
    head: MutexGuard<'a, u64>,
    ring: &'a Ring,
}

impl Reader<'_> {
    /// Shows the oldest committed record to `read`, without taking it.
    pub fn front<R>(&mut self, read: impl FnOnce(&[u8]) -> R) -> Option<R> {
        let front = self.committed()?;
        // SAFETY: pages in slots come from boxes; only the consumer, which we are, takes
        // one out, and the record was committed.
        unsafe {
            let page = &*front.page;
            if front.kind == HEAP {
                let body = page.read(front.body, front.len, heap_address);
                Some(read(&*body))
            } else {
                Some(page.read(front.body, front.len, read))
            }
        }
    }

    /// Takes the record that `front` showed.
    pub fn advance(&mut self) {
        let Some(front) = self.committed() else { return };
        if front.kind == HEAP {
            // SAFETY: as in `front`; `push_heap` made the box, and it is taken once: here.
            let body = unsafe { Box::from_raw((*front.page).read(front.body, front.len, heap_address)) };
            // Relaxed: see `push_heap`.
            self.ring.heap_bytes.fetch_sub(body.len() as u64, Ordering::Relaxed);
        }
        *self.head += Ring::footprint(front.len);
        if self.head.is_multiple_of(PAGE) {
            self.leave_page(*self.head - 1, PAGE_BYTES);
        }
    }

    /// The position of the next record.
    #[must_use]
    pub fn position(&self) -> u64 {
        *self.head
    }

    /// Counts the committed records in front of `mark`, up to the first that is not: how
    /// long that one will be, and thus what lies behind it, is not known yet.
    ///
    /// It starts at the reader's own place, so it does not matter how much was published.
    #[must_use]
    pub fn count_before(&self, mark: u64) -> u64 {
        let (mut position, mut count) = (*self.head, 0);
        while position < mark {
            // Acquire: pairs with the installing exchange, as in `committed`.
            let page = self.ring.slot(position).load(Ordering::Acquire);
            if page.is_null() {
                break;
            }
            // Relaxed: the length is in the word itself; no body is looked at.
            // SAFETY: between head and tail pages stay, and only we retire them.
            let word = unsafe { &*page }.word(offset_of(position)).load(Ordering::Relaxed);
            match word & KIND_MASK {
                0 => break,
                PADDING => position += PAGE - position % PAGE,
                _ => {
                    position += Ring::footprint(length(word));
                    count += 1;
                }
            }
        }
        count
    }

    /// The record at the head, padding skipped; none if it is not committed yet.
    fn committed(&mut self) -> Option<Front> {
        loop {
            // Acquire: pairs with the installing exchange.
            let page = self.ring.slot(*self.head).load(Ordering::Acquire);
            if page.is_null() {
                return None;
            }
            let offset = offset_of(*self.head);
            // Acquire: pairs with the Release stores in `commit` and `pad`.
            // SAFETY: pages in slots come from boxes, and we retire them.
            let word = unsafe { &*page }.word(offset).load(Ordering::Acquire);
            match word & KIND_MASK {
                0 => return None,
                PADDING => {
                    let padded = *self.head;
                    *self.head += PAGE - padded % PAGE;
                    self.leave_page(padded, offset + WORD_BYTES);
                }
                kind => return Some(Front { page, body: offset + WORD_BYTES, len: length(word), kind }),
            }
        }
    }

    /// Takes the page of `position` out of its slot, then lets producers know.
    fn leave_page(&self, position: u64, used: usize) {
        let slot = self.ring.slot(position);
        // Relaxed load: we are the only one who takes pages out, and we have read from it.
        let page = slot.load(Ordering::Relaxed);
        // Relaxed store: the Release below orders it for the producers of the next lap.
        slot.store(std::ptr::null_mut(), Ordering::Relaxed);
        // SAFETY: each claim in this page was committed, so its producers are done with it.
        self.ring.spares.give(unsafe { Box::from_raw(page) }, used);
        self.release();
    }

    /// Publishes the head. Called when a page is left, and by whoever ends a run of reads.
    pub fn release(&self) {
        // Release: pairs with the Acquires in `check_address` and `head_position`.
        self.ring.head.store(*self.head, Ordering::Release);
    }
}

/// A committed record as the consumer finds it.
struct Front {
    page: *const Page,
    /// Where its body begins in the page.
    body: usize,
    len: usize,
    kind: u64,
}

fn length(word: u64) -> usize {
    usize::try_from(word >> LENGTH_SHIFT).unwrap_or(0)
}

fn offset_of(position: u64) -> usize {
    usize::try_from(position % PAGE).unwrap_or(0)
}

/// The address that a heap record left in the ring.
fn heap_address(body: &[u8]) -> *mut Box<[u8]> {
    let mut address = [0; ADDRESS_BYTES];
    address.copy_from_slice(body);
    std::ptr::with_exposed_provenance_mut(usize::try_from(u64::from_ne_bytes(address)).unwrap_or(0))
}
