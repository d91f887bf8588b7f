//! JSON numbers: integers as they are, floats in the shortest form that reads back as the same float.

#![allow(unsafe_code, reason = "digits are written where they belong, into reserved memory")]

use super::escape::{self, append};

/// What stands for a float JSON has no number for.
const NON_FINITE: &[u8; 4] = b"null";
/// What [`put_i64`] and [`put_f64`] may write, whatever they count.
pub(super) const ROOM_BYTES: usize = size_of::<zmij::Buffer>();

/// Appends `number`, one to twenty bytes.
#[inline]
pub fn write_i64(out: &mut Vec<u8>, number: i64) {
    append(out, itoa::Buffer::new().format(number).as_bytes());
}

/// Appends `number`, one to twenty bytes.
#[inline]
pub fn write_u64(out: &mut Vec<u8>, number: u64) {
    append(out, itoa::Buffer::new().format(number).as_bytes());
}

/// Appends `number`; a NaN or an infinity becomes `null`, and the answer is then false.
///
/// A whole number keeps a fraction or an exponent (`1.0`, `1e300`), so that a reader which tells integers from floats
/// reads a float again, and the sign of a zero stays.
#[inline]
#[must_use = "a float that became null is counted"]
pub fn write_f64(out: &mut Vec<u8>, number: f64) -> bool {
    let finite = number.is_finite();
    if finite {
        append(out, zmij::Buffer::new().format_finite(number).as_bytes());
    } else {
        append(out, NON_FINITE);
    }
    finite
}

/// Writes `number` at `dst`; returns how many bytes that were, twenty at most.
///
/// # Safety
///
/// [`ROOM_BYTES`] may be written at `dst`.
#[inline]
pub(super) unsafe fn put_i64(number: i64, dst: *mut u8) -> usize {
    let mut buffer = itoa::Buffer::new();
    let text = buffer.format(number).as_bytes();
    // SAFETY: the text has at most twenty bytes.
    unsafe { escape::copy(text, dst) };
    text.len()
}

/// Writes `number` at `dst`, `null` if it is not finite; returns how many bytes that were.
///
/// # Safety
///
/// [`ROOM_BYTES`] may be written at `dst`.
#[inline]
pub(super) unsafe fn put_f64(number: f64, dst: *mut u8) -> usize {
    if !number.is_finite() {
        // SAFETY: shorter than ROOM_BYTES.
        unsafe { dst.cast::<[u8; 4]>().write(*NON_FINITE) };
        return NON_FINITE.len();
    }
    const { assert!(align_of::<zmij::Buffer>() == 1) };
    // SAFETY: a buffer takes ROOM_BYTES, anywhere; made in its place, its digits need no copy.
    unsafe {
        let buffer = dst.cast::<zmij::Buffer>();
        buffer.write(zmij::Buffer::new());
        let text = (*buffer).format_finite(number).as_bytes();
        let (from, len) = (text.as_ptr(), text.len());
        if from != dst.cast_const() {
            std::ptr::copy(from, dst, len);
        }
        len
    }
}

/// How many bytes [`write_i64`] appends.
#[inline]
#[must_use]
pub fn len_i64(number: i64) -> usize {
    usize::from(number < 0) + len_u64(number.unsigned_abs())
}

/// How many bytes [`write_u64`] appends.
#[inline]
#[must_use]
pub fn len_u64(number: u64) -> usize {
    1 + number.checked_ilog10().unwrap_or(0) as usize
}

/// How many bytes [`write_f64`] appends. Only the digits themselves tell, so they are made and thrown away.
#[must_use]
pub fn len_f64(number: f64) -> usize {
    if number.is_finite() { zmij::Buffer::new().format_finite(number).len() } else { NON_FINITE.len() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn float(number: f64) -> (String, bool) {
        let mut out = Vec::new();
        let finite = write_f64(&mut out, number);
        assert_eq!(out.len(), len_f64(number), "{number:e}");
        (String::from_utf8(out).unwrap(), finite)
    }

    #[test]
    fn whole_floats_stay_floats() {
        for (number, text) in [
            (0.0, "0.0"),
            (-0.0, "-0.0"),
            (1.0, "1.0"),
            (-17.0, "-17.0"),
            (0.1, "0.1"),
            (123_456_789.125, "123456789.125"),
            (9_007_199_254_740_993.0, "9007199254740992.0"),
            (1e300, "1e+300"),
            (5e-324, "5e-324"),
            (f64::MAX, "1.7976931348623157e+308"),
            (f64::MIN_POSITIVE, "2.2250738585072014e-308"),
        ] {
            assert_eq!(float(number), (text.to_owned(), true));
        }
    }

    #[test]
    fn non_finite_floats_become_null_and_say_so() {
        for number in [f64::NAN, -f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert_eq!(float(number), ("null".to_owned(), false));
        }
    }

    #[test]
    fn integers_are_exact_around_every_power_of_ten_and_of_two() {
        let tens = (0..20).map(|power| 10_u64.pow(power));
        let twos = (0..64).map(|power| 1_u64 << power);
        for edge in tens.chain(twos).chain([0, u64::MAX]) {
            for number in [edge.wrapping_sub(1), edge, edge.wrapping_add(1)] {
                let mut out = Vec::new();
                write_u64(&mut out, number);
                assert_eq!((out.as_slice(), out.len()), (number.to_string().as_bytes(), len_u64(number)));
                for number in [number.cast_signed(), number.cast_signed().wrapping_neg()] {
                    let mut out = Vec::new();
                    write_i64(&mut out, number);
                    assert_eq!((out.as_slice(), out.len()), (number.to_string().as_bytes(), len_i64(number)));
                }
            }
        }
    }
}
