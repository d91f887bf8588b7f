//! JSON numbers: integers as they are, floats in the shortest form that reads back as the same float.

#![allow(unsafe_code, reason = "digits are written where they belong, into reserved memory")]

/// What stands for a float JSON has no number for.
const NON_FINITE: &[u8; 4] = b"null";
/// What a `put` may write, whatever it counts.
pub(super) const ROOM_BYTES: usize = size_of::<zmij::Buffer>();

/// Appends `number`, one to twenty bytes.
pub fn write_i64(out: &mut Vec<u8>, number: i64) {
    // SAFETY: `append_with` has the room.
    unsafe { append_with(out, |end| put_i64(number, end)) };
}

/// Appends `number`, one to twenty bytes.
pub fn write_u64(out: &mut Vec<u8>, number: u64) {
    // SAFETY: `append_with` has the room.
    unsafe { append_with(out, |end| put_u64(number, end)) };
}

/// Appends `number`; a NaN or an infinity becomes `null`, and the answer is then false.
///
/// A whole number keeps a fraction or an exponent (`1.0`, `1e300`), so that a reader which tells integers from floats
/// reads a float again, and the sign of a zero stays.
#[must_use = "a float that became null is counted"]
pub fn write_f64(out: &mut Vec<u8>, number: f64) -> bool {
    // SAFETY: `append_with` has the room.
    unsafe { append_with(out, |end| put_f64(number, end)) };
    number.is_finite()
}

/// Lets `put` write behind `out`.
///
/// # Safety
///
/// It writes no more than [`ROOM_BYTES`], and as many of them as it answers.
unsafe fn append_with(out: &mut Vec<u8>, put: impl FnOnce(*mut u8) -> usize) {
    out.reserve(ROOM_BYTES);
    // SAFETY: reserved, and written.
    unsafe {
        let len = put(out.as_mut_ptr().add(out.len()));
        out.set_len(out.len() + len);
    }
}

/// Writes `number` at `end`; returns how many bytes that are.
///
/// # Safety
///
/// [`ROOM_BYTES`] may be written there.
#[inline(never)]
pub(super) unsafe fn put_i64(number: i64, end: *mut u8) -> usize {
    let sign = usize::from(number < 0);
    // SAFETY: a sign and nineteen digits fit; a sign that is none is written over.
    unsafe {
        end.write(b'-');
        sign + put_u64(number.unsigned_abs(), end.add(sign))
    }
}

/// As [`put_i64`].
///
/// # Safety
///
/// As for [`put_i64`], less the sign.
#[inline]
pub(super) unsafe fn put_u64(number: u64, end: *mut u8) -> usize {
    if number >= 10_000 {
        // SAFETY: handed on.
        return unsafe { put_large(number, end) };
    }
    // Most integers of an event: four digits in a register, zeros in front shifted out.
    let len = 1 + usize::from(number >= 10) + usize::from(number >= 100) + usize::from(number >= 1_000);
    // SAFETY: a word fits.
    unsafe { end.cast::<[u8; 4]>().write((four_digits(number) >> (8 * (4 - len))).to_le_bytes()) };
    len
}

/// [`put_u64`] of what has more than four digits.
///
/// # Safety
///
/// As for [`put_u64`].
#[inline(never)]
unsafe fn put_large(number: u64, end: *mut u8) -> usize {
    let mut buffer = itoa::Buffer::new();
    let digits = buffer.format(number).as_bytes();
    // SAFETY: at most twenty bytes, for which there is room.
    unsafe { digits.as_ptr().copy_to_nonoverlapping(end, digits.len()) };
    digits.len()
}

/// Four digits, the first in the lowest byte; `number` is below 10,000.
#[inline]
fn four_digits(number: u64) -> u32 {
    two_digits(number / 100) | two_digits(number % 100) << 16
}

/// Writes `number` at `end`, `null` if it is not finite; returns how many bytes that are.
///
/// # Safety
///
/// [`ROOM_BYTES`] may be written there.
#[inline(never)]
pub(super) unsafe fn put_f64(number: f64, end: *mut u8) -> usize {
    const { assert!(align_of::<zmij::Buffer>() == 1) };
    // SAFETY: `null` is shorter; a buffer has ROOM_BYTES, anywhere, and made in its place its digits need no copy; where
    // in it they begin is its own affair.
    unsafe {
        if !number.is_finite() {
            end.cast::<[u8; 4]>().write(*NON_FINITE);
            return NON_FINITE.len();
        }
        if let Some(len) = put_hundredths(number, end) {
            return len;
        }
        let buffer = end.cast::<zmij::Buffer>();
        buffer.write(zmij::Buffer::new());
        let text = (*buffer).format_finite(number).as_bytes();
        let (from, len) = (text.as_ptr(), text.len());
        if from != end.cast_const() {
            std::ptr::copy(from, end, len);
        }
        len
    }
}

/// Writes a float that is a whole number of hundredths, as prices and rounded shares are: in a quarter of the time.
///
/// Decimals of up to fifteen digits are told apart by floats, so if this one reads back as `number` it is the shortest.
/// It does: a quotient of two whole numbers is the float nearest to it, as is what a parser makes of the decimal.
///
/// # Safety
///
/// As for [`put_f64`].
#[inline]
unsafe fn put_hundredths(number: f64, end: *mut u8) -> Option<usize> {
    let magnitude = number.abs();
    if magnitude >= 1e9 {
        return None;
    }
    // SAFETY: below 1e11.
    let hundredths: i64 = unsafe { (magnitude * 100.0 + 0.5).to_int_unchecked() };
    #[expect(clippy::cast_precision_loss, clippy::float_cmp, reason = "below 1e11: exact, and meant exactly")]
    if hundredths as f64 / 100.0 != magnitude {
        return None;
    }
    let (whole, fraction) = (hundredths.cast_unsigned() / 100, hundredths.cast_unsigned() % 100);
    let sign = usize::from(number.is_sign_negative());
    // SAFETY: a sign, nine digits, a point, two digits and two bytes beyond fit.
    unsafe {
        end.write(b'-');
        let len = sign + put_u64(whole, end.add(sign));
        let digits = u32::from(b'.') | two_digits(fraction) << 8;
        end.add(len).cast::<[u8; 4]>().write(digits.to_le_bytes());
        Some(len + if fraction.is_multiple_of(10) { 2 } else { 3 })
    }
}

/// The two digits of each number below 100, the first in the lower byte, up to a size which needs no check of the index.
static TWO_DIGITS: [u16; 128] = {
    let mut table = [0; 128];
    let mut number = 0;
    while number < 100 {
        table[number as usize] = u16::from_le_bytes([b'0' + number / 10, b'0' + number % 10]);
        number += 1;
    }
    table
};

/// Two digits, the first in the lowest byte; `number` is below 100.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "below 100")]
pub(super) fn two_digits(number: u64) -> u32 {
    TWO_DIGITS[number as usize & 127].into()
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
