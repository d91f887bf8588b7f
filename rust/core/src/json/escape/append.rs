//! Appending a few bytes without a call to memcpy.
#![allow(unsafe_code, reason = "two overlapping moves of fixed size into reserved capacity")]

/// Appends `bytes` to `out`.
///
/// Up to 32 bytes go as two moves of a fixed size which overlap in the middle: most of what an event is made of is that
/// short, and there the call to memcpy costs more than the copy.
#[inline]
pub fn append(out: &mut Vec<u8>, bytes: &[u8]) {
    // Growing is a call out of line inside `reserve`; what is left here is one comparison.
    out.reserve(bytes.len());
    // SAFETY: the capacity is reserved, and `bytes` cannot lie in it while `out` is borrowed mutably.
    unsafe {
        let end = out.as_mut_ptr().add(out.len());
        if bytes.len() > 32 {
            end.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len());
        } else if bytes.len() >= 16 {
            copy_ends::<16>(bytes, end);
        } else if bytes.len() >= 8 {
            copy_ends::<8>(bytes, end);
        } else if bytes.len() >= 4 {
            copy_ends::<4>(bytes, end);
        } else if bytes.len() >= 2 {
            copy_ends::<2>(bytes, end);
        } else if let Some(byte) = bytes.first() {
            end.write(*byte);
        }
        out.set_len(out.len() + bytes.len());
    }
}

/// Copies the first and the last `N` bytes to their places at `dst`.
///
/// # Safety
///
/// `bytes.len()` is at least `N`, and as many bytes may be written at `dst`.
#[inline]
unsafe fn copy_ends<const N: usize>(bytes: &[u8], dst: *mut u8) {
    let last = bytes.len() - N;
    // SAFETY: both ranges of N bytes end within the length; both are loaded before either is stored, without alignment.
    unsafe {
        let head = bytes.as_ptr().cast::<[u8; N]>().read();
        let tail = bytes.as_ptr().add(last).cast::<[u8; N]>().read();
        dst.cast::<[u8; N]>().write(head);
        dst.add(last).cast::<[u8; N]>().write(tail);
    }
}

#[cfg(test)]
mod tests {
    use super::append;

    #[test]
    fn append_adds_exactly_the_bytes_at_every_length_and_capacity() {
        let bytes: Vec<u8> = (0..=u8::MAX).cycle().skip(1).take(if cfg!(miri) { 70 } else { 300 }).collect();
        for len in 0..bytes.len() {
            for spare in [0, 1, len, len + 40] {
                let mut out = Vec::with_capacity(3 + spare);
                out.extend_from_slice(b"abc");
                append(&mut out, &bytes[..len]);
                assert_eq!(out[..3], *b"abc");
                assert_eq!(out[3..], bytes[..len]);
            }
        }
    }
}
