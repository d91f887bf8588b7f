//! Sixteen bytes side by side: what the copying loop asks of a machine's vectors.
#![allow(unsafe_code, reason = "loads and stores go through pointers, as the machine's own intrinsics do")]

use super::clean;

/// Bytes in a vector.
pub(super) const LANES: usize = 16;

/// The vectors of the machine the crate is compiled for; Miri gets those without intrinsics.
#[cfg(all(target_arch = "x86_64", not(miri)))]
pub(super) type Native = super::sse2::Sse2;
#[cfg(all(target_arch = "aarch64", target_feature = "neon", not(miri)))]
pub(super) type Native = super::neon::Neon;
#[cfg(any(miri, not(any(target_arch = "x86_64", all(target_arch = "aarch64", target_feature = "neon")))))]
pub(super) type Native = super::scalar::Scalar;

/// Sixteen bytes, or a flag for each of them.
pub(super) trait Lanes: Copy {
    /// No flag set.
    fn clear() -> Self;

    /// Two words side by side.
    fn from_words(head: u64, tail: u64) -> Self;

    /// Reads sixteen bytes.
    ///
    /// # Safety
    ///
    /// `src` may be read, aligned or not.
    unsafe fn load(src: *const [u8; LANES]) -> Self;

    /// Writes sixteen bytes.
    ///
    /// # Safety
    ///
    /// `dst` may be written, aligned or not.
    unsafe fn store(self, dst: *mut [u8; LANES]);

    /// Flags the bytes which JSON wants escaped.
    fn escapes(self) -> Self;

    /// The flags of both.
    fn or(self, other: Self) -> Self;

    /// Is any flag set?
    fn any(self) -> bool;

    /// Is any of the first `len` flags of `low` and then `high` set? `len` is at most twice [`LANES`].
    fn any_of_first(low: Self, high: Self, len: usize) -> bool;

    /// `clean::copy_long` with the widest vectors to be had.
    ///
    /// # Safety
    ///
    /// As for `clean::copy_long`.
    #[inline]
    unsafe fn copy_wide(src: &[u8], dst: *mut u8) -> usize {
        // SAFETY: handed on.
        unsafe { clean::copy_long::<Self>(src, dst) }
    }
}
