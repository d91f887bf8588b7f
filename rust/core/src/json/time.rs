//! RFC 3339 times in UTC, of a length known beforehand.
//!
//! Each is built from words of eight characters in registers, so that it reaches memory in three stores.

use super::number;

const MICROS_PER_SECOND: i64 = 1_000_000;
const MILLIS_PER_DAY: u64 = 86_400_000;
/// 0001-01-01T00:00:00Z.
const FIRST_MICROS: i64 = -62_135_596_800 * MICROS_PER_SECOND;
/// 9999-12-31T23:59:59.999999Z.
const LAST_MICROS: i64 = 253_402_300_800 * MICROS_PER_SECOND - 1;

/// From 0000-03-01, whence days are counted here, to 1970-01-01: 719,468 days.
const UNIX_EPOCH_MILLIS: i64 = 719_468 * 86_400_000;
/// Days of a whole cycle of the Gregorian calendar.
const DAYS_PER_400_YEARS: u32 = 146_097;
/// Days from the first of March to the last of December.
const DAYS_MARCH_TO_DECEMBER: u32 = 306;

/// Bytes of a time with milliseconds.
pub(crate) const MILLIS_FORM_BYTES: usize = 24;
/// Bytes of a time with microseconds.
const MICROS_FORM_BYTES: usize = 27;

/// Whole milliseconds since 1970; what is below one is cut off, downwards.
#[inline]
pub(crate) fn millis(unix_nanoseconds: i64) -> i64 {
    unix_nanoseconds.div_euclid(1_000_000)
}

/// Appends the time as exactly 24 bytes, `2013-01-01T05:00:00.000Z`; what is below a millisecond is cut off, downwards.
pub fn write_rfc3339_millis(out: &mut Vec<u8>, unix_nanoseconds: i64) {
    for word in rfc3339_millis(unix_nanoseconds) {
        out.extend_from_slice(&word);
    }
}

/// The same 24 bytes.
#[inline]
pub(super) fn rfc3339_millis(unix_nanoseconds: i64) -> [[u8; 8]; 3] {
    // Every i64 of nanoseconds lies in the years 1677 to 2262.
    let millis = millis(unix_nanoseconds) + UNIX_EPOCH_MILLIS;
    words(millis.cast_unsigned(), b'Z')
}

/// Appends the time in 24 bytes when it is a whole number of milliseconds, else in 27, `2013-01-01T05:00:00.000001Z`.
///
/// Before the year 1 and after the year 9999 the nearest time within stands for it: RFC 3339 has four digits for a year.
pub fn write_rfc3339_micros_from(out: &mut Vec<u8>, unix_microseconds: i64) {
    let micros = unix_microseconds.clamp(FIRST_MICROS, LAST_MICROS) + UNIX_EPOCH_MILLIS * 1_000;
    let (millis, rest) = (micros.cast_unsigned() / 1_000, micros.cast_unsigned() % 1_000);
    if rest == 0 {
        out.extend_from_slice(words(millis, b'Z').as_flattened());
    } else {
        let [fourth, fifth, sixth, ..] = three_digits(rest).to_le_bytes();
        out.extend_from_slice(words(millis, fourth).as_flattened());
        out.extend_from_slice(&[fifth, sixth, b'Z']);
    }
}

/// How many bytes [`write_rfc3339_micros_from`] appends.
#[must_use]
pub fn len_rfc3339_micros_from(unix_microseconds: i64) -> usize {
    let rest = unix_microseconds.clamp(FIRST_MICROS, LAST_MICROS) % 1_000;
    if rest == 0 { MILLIS_FORM_BYTES } else { MICROS_FORM_BYTES }
}

/// Appends `2013-01-01T05:00:00.000` and `end`; `millis` count from 0000-03-01.
#[allow(
    clippy::cast_possible_truncation,
    reason = "the days until the year 9999, and a day's milliseconds, fit in u32"
)]
fn words(millis: u64, end: u8) -> [[u8; 8]; 3] {
    let (year, month, day) = civil((millis / MILLIS_PER_DAY) as u32);
    let millis = (millis % MILLIS_PER_DAY) as u32;
    let (second, millis) = (millis / 1_000, millis % 1_000);
    let (minute, second) = (second / 60, second % 60);
    let date = two_digits(year / 100)
        | two_digits(year % 100) << 16
        | u64::from(b'-') << 32
        | two_digits(month) << 40
        | u64::from(b'-') << 56;
    let hour = two_digits(day)
        | u64::from(b'T') << 16
        | two_digits(minute / 60) << 24
        | u64::from(b':') << 40
        | two_digits(minute % 60) << 48;
    let fraction = u64::from(b':')
        | two_digits(second) << 8
        | u64::from(b'.') << 24
        | three_digits(millis.into()) << 32
        | u64::from(end) << 56;
    [date, hour, fraction].map(u64::to_le_bytes)
}

/// Year, month and day of a day counted from 0000-03-01.
///
/// Neri and Schneider, "Euclidean affine functions and their application to calendar algorithms" (2022): the year begins
/// in March, so that the leap day is its last and months follow one straight line; no branch, no table.
#[inline]
#[allow(clippy::cast_possible_truncation, reason = "the low half of `scaled` is the remainder that is wanted")]
const fn civil(day: u32) -> (u32, u32, u32) {
    let quarters = 4 * day + 3;
    let century = quarters / DAYS_PER_400_YEARS;
    let in_century = (quarters % DAYS_PER_400_YEARS) | 3;
    // 2939745 / 2^32 is 1 / 1461, four years of days, closely enough for a century; the low half is the remainder.
    let scaled = 2_939_745 * in_century as u64;
    let year = 100 * century + (scaled >> 32) as u32;
    let day_of_year = (scaled as u32) / 2_939_745 / 4;
    // 2141 / 2^16 is one month in days, from March, which is 3.
    let month_line = 2_141 * day_of_year + 197_913;
    let (month, day) = (month_line >> 16, (month_line & 0xffff) / 2_141 + 1);
    let past_december = day_of_year >= DAYS_MARCH_TO_DECEMBER;
    (year + past_december as u32, if past_december { month - 12 } else { month }, day)
}

/// Two digits, the first in the lowest byte; `number` is below 100.
#[inline]
fn two_digits(number: u32) -> u64 {
    number::two_digits(number.into()).into()
}

/// Three digits, the first in the lowest byte; `number` is below 1000.
#[inline]
#[allow(clippy::cast_possible_truncation, reason = "a number below 1000")]
fn three_digits(number: u64) -> u64 {
    let number = number as u32;
    u64::from(number / 100 + u32::from(b'0')) | two_digits(number % 100) << 8
}

/// Days since 1970-01-01 of a Gregorian date of the years 1 to 9999. Years are counted
/// from March, so that a leap day is a year's last.
#[must_use]
pub fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month <= 2 { (year - 1, month + 9) } else { (year, month - 3) };
    let leap_days = year / 4 - year / 100 + year / 400;
    year * 365 + leap_days + (month * 153 + 2) / 5 + day - 1 - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    fn millis(unix_nanoseconds: i64) -> String {
        let mut out = Vec::new();
        write_rfc3339_millis(&mut out, unix_nanoseconds);
        String::from_utf8(out).unwrap()
    }

    fn micros(unix_microseconds: i64) -> String {
        let mut out = Vec::new();
        write_rfc3339_micros_from(&mut out, unix_microseconds);
        assert_eq!(out.len(), len_rfc3339_micros_from(unix_microseconds));
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn nanoseconds_are_cut_to_the_millisecond_before() {
        assert_eq!(millis(1_357_016_400_000_000_000), "2013-01-01T05:00:00.000Z");
        assert_eq!(millis(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(millis(999_999), "1970-01-01T00:00:00.000Z");
        assert_eq!(millis(1_000_000), "1970-01-01T00:00:00.001Z");
        assert_eq!(millis(-1), "1969-12-31T23:59:59.999Z");
        assert_eq!(millis(-1_000_000), "1969-12-31T23:59:59.999Z");
        assert_eq!(millis(-1_000_001), "1969-12-31T23:59:59.998Z");
        assert_eq!(millis(i64::MAX), "2262-04-11T23:47:16.854Z");
        assert_eq!(millis(i64::MIN), "1677-09-21T00:12:43.145Z");
    }

    #[test]
    fn leap_days_come_every_four_years_but_three_centuries_in_four() {
        for (second, text) in [
            (951_782_400, "2000-02-29T00:00:00.000Z"),
            (951_868_800, "2000-03-01T00:00:00.000Z"),
            (1_709_164_800, "2024-02-29T00:00:00.000Z"),
            (4_107_542_399, "2100-02-28T23:59:59.000Z"),
            (4_107_542_400, "2100-03-01T00:00:00.000Z"),
        ] {
            assert_eq!(millis(second * 1_000_000_000), text);
        }
    }

    #[test]
    fn microseconds_take_six_digits_only_when_they_need_them() {
        assert_eq!(micros(1_357_016_400_000_000), "2013-01-01T05:00:00.000Z");
        assert_eq!(micros(1_357_016_400_120_000), "2013-01-01T05:00:00.120Z");
        assert_eq!(micros(1_357_016_400_000_001), "2013-01-01T05:00:00.000001Z");
        assert_eq!(micros(-1), "1969-12-31T23:59:59.999999Z");
        assert_eq!(micros(-1_000), "1969-12-31T23:59:59.999Z");
    }

    #[test]
    fn years_end_at_four_digits() {
        assert_eq!(micros(FIRST_MICROS), "0001-01-01T00:00:00.000Z");
        assert_eq!(micros(FIRST_MICROS - 1), "0001-01-01T00:00:00.000Z");
        assert_eq!(micros(i64::MIN), "0001-01-01T00:00:00.000Z");
        assert_eq!(micros(LAST_MICROS), "9999-12-31T23:59:59.999999Z");
        assert_eq!(micros(LAST_MICROS + 1), "9999-12-31T23:59:59.999999Z");
        assert_eq!(micros(i64::MAX), "9999-12-31T23:59:59.999999Z");
    }

    #[test]
    fn civil_days() {
        assert_eq!(days_from_civil(1970, 1, 1), 0);
        assert_eq!(days_from_civil(1969, 12, 31), -1);
        assert_eq!(days_from_civil(2000, 2, 29), 11_016);
        assert_eq!(days_from_civil(2000, 3, 1), 11_017);
        assert_eq!(days_from_civil(1, 1, 1), -719_162);
        assert_eq!(days_from_civil(9999, 12, 31), 2_932_896);
    }
}
