//! The laws of JSON's leaves: strings, numbers and times, each held to somebody else's arithmetic.
// Miri runs the tests inside the modules, which take every path once; these would take it a day.
#![cfg(not(any(loom, miri)))]
#![allow(clippy::unwrap_used, reason = "a test may panic, in its own functions too")]

use proptest::prelude::*;
use sluiceway_core::json::{escape, number, time};

/// What is in the buffer before each write: a leaf is appended, never written over.
const BEFORE: &[u8] = b"[1,";

/// The string as this crate writes it, into a buffer with `spare` bytes to spare, after checking its announced length.
fn written(utf8: &[u8], spare: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(BEFORE.len() + spare);
    out.extend_from_slice(BEFORE);
    escape::write_str(&mut out, utf8);
    assert_eq!(out[..BEFORE.len()], *BEFORE);
    let text = out.split_off(BEFORE.len());
    assert_eq!(escape::escaped_len(utf8), text.len(), "length of {utf8:x?}");
    text
}

fn assert_as_serde(text: &str) {
    let expected = serde_json::to_string(text).unwrap();
    for spare in [0, text.len() + 2, 8 * text.len() + 64] {
        assert_eq!(written(text.as_bytes(), spare), expected.as_bytes(), "{text:?}");
    }
}

/// One byte at a time, from the text of the RFC: for bytes which are no UTF-8 and so have no other writer.
fn slow(bytes: &[u8]) -> Vec<u8> {
    let mut out = vec![b'"'];
    for byte in bytes {
        match byte {
            b'"' => out.extend(b"\\\""),
            b'\\' => out.extend(b"\\\\"),
            0x08 => out.extend(b"\\b"),
            0x09 => out.extend(b"\\t"),
            0x0a => out.extend(b"\\n"),
            0x0c => out.extend(b"\\f"),
            0x0d => out.extend(b"\\r"),
            0x00..0x20 => out.extend(format!("\\u{byte:04x}").bytes()),
            _ => out.push(*byte),
        }
    }
    out.push(b'"');
    out
}

#[test]
fn every_string_of_one_or_two_bytes_is_written_as_the_slow_loop_writes_it() {
    assert_eq!(written(b"", 0), b"\"\"");
    for first in 0..=u8::MAX {
        assert_eq!(written(&[first], 0), slow(&[first]));
        for second in 0..=u8::MAX {
            let bytes = [first, second];
            let text = written(&bytes, 0);
            assert_eq!(text, slow(&bytes));
            if let Ok(utf8) = std::str::from_utf8(&bytes) {
                assert_eq!(text, serde_json::to_string(utf8).unwrap().as_bytes());
            }
        }
    }
}

#[test]
fn an_escape_is_found_at_every_place_of_every_length() {
    for len in 0..=200 {
        let clean = "a".repeat(len);
        assert_as_serde(&clean);
        for at in 0..len {
            for escape in ['"', '\\', '\n', '\0', '\x1f', '\x7f', ' '] {
                let mut text = clean.clone();
                text.replace_range(at..=at, &escape.to_string());
                let expected = serde_json::to_string(&text).unwrap();
                assert_eq!(written(text.as_bytes(), 0), expected.as_bytes(), "{at} of {len}");
            }
        }
    }
}

#[test]
fn strings_of_nothing_but_escapes_grow_by_all_they_need() {
    // Past 816 bytes the sums of the length, kept in bytes while they fit, are carried on.
    for len in (0..=300).chain(800..=850).chain([5_000]) {
        for escape in ["\"", "\\", "\t", "\x01", "\x1f"] {
            assert_as_serde(&escape.repeat(len));
        }
    }
}

#[test]
fn an_escape_among_characters_of_several_bytes_leaves_them_whole() {
    for character in ["é", "€", "😀", "\u{7f}", "\u{80}", "\u{2028}", "\u{fffd}", "/"] {
        for len in 0..=40 {
            let clean = character.repeat(len);
            assert_as_serde(&clean);
            for at in 0..=len {
                let mut text = clean.clone();
                text.insert(at * character.len(), '\u{1e}');
                assert_as_serde(&text);
            }
        }
    }
}

#[test]
fn text_with_escapes_far_apart_returns_to_the_fast_path_and_loses_nothing() {
    for gap in [1, 7, 8, 60, 63, 64, 65, 100, 127, 128, 129, 200, 500] {
        let line = format!("{}\n", "x".repeat(gap));
        assert_as_serde(&line.repeat(10));
        assert_as_serde(&format!("{}{}", line.repeat(3), "tail".repeat(40)));
    }
}

/// Characters with those which need escapes often enough to stand side by side.
fn character() -> impl Strategy<Value = char> {
    prop_oneof![
        6 => proptest::char::range(' ', '~'),
        1 => proptest::char::range('\0', '\x1f'),
        1 => prop_oneof![Just('"'), Just('\\'), Just('/'), Just('\x7f')],
        2 => any::<char>(),
    ]
}

/// Texts of every length up to three groups, with escapes dense, rare or absent.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        proptest::collection::vec(character(), 0..250).prop_map(|characters| characters.into_iter().collect()),
        "[ -~]{0,400}",
        ("[a-z é😀]{0,300}", "[\\x00-\\x1f\"\\\\]{0,3}", "[a-z é😀]{0,300}")
            .prop_map(|(before, escapes, after)| format!("{before}{escapes}{after}")),
    ]
}

proptest! {
    #[test]
    fn string_is_written_as_serde_json_writes_it(text in text(), spare in 0_usize..64) {
        prop_assert_eq!(written(text.as_bytes(), spare), serde_json::to_vec(&text).unwrap());
    }

    #[test]
    fn string_reads_back_as_itself(text in text()) {
        prop_assert_eq!(serde_json::from_slice::<String>(&written(text.as_bytes(), 0)).unwrap(), text);
    }

    #[test]
    fn bytes_of_any_kind_are_escaped_one_by_one(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        prop_assert_eq!(written(&bytes, 0), slow(&bytes));
    }

    #[test]
    fn string_does_not_depend_on_where_its_bytes_begin(text in text(), start in 0_usize..16) {
        let shifted = [vec![b'"'; start], text.as_bytes().to_vec(), vec![b'"'; 16]].concat();
        prop_assert_eq!(written(&shifted[start..start + text.len()], 0), serde_json::to_vec(&text).unwrap());
    }

    #[test]
    fn append_adds_the_bytes(pieces in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..70), 0..8)) {
        let mut out = Vec::new();
        for piece in &pieces {
            escape::append(&mut out, piece);
        }
        prop_assert_eq!(out, pieces.concat());
    }
}

fn float_text(number: f64) -> (String, bool) {
    let mut out = BEFORE.to_vec();
    let finite = number::write_f64(&mut out, number);
    assert_eq!(out[..BEFORE.len()], *BEFORE);
    let text = out.split_off(BEFORE.len());
    assert_eq!(text.len(), number::len_f64(number), "length of {number:e}");
    (String::from_utf8(text).unwrap(), finite)
}

/// Reads back to the same bits, as a JSON number which no reader takes for an integer.
fn assert_float_law(number: f64) {
    let (text, finite) = float_text(number);
    assert_eq!(finite, number.is_finite());
    if finite {
        assert_eq!(text.parse::<f64>().unwrap().to_bits(), number.to_bits(), "{text}");
        assert!(serde_json::from_str::<serde_json::Number>(&text).is_ok(), "{text} is no JSON");
        assert!(text.contains(['.', 'e']), "{text} reads as an integer");
        // Shortest: no fewer digits would do. The standard library's own shortest form agrees on how many.
        let digits = |text: &str| {
            let mantissa: String = text.split('e').next().unwrap().chars().filter(char::is_ascii_digit).collect();
            mantissa.trim_matches('0').len()
        };
        assert_eq!(digits(&text), digits(&format!("{number:e}")), "{text}");
    } else {
        assert_eq!(text, "null");
    }
}

#[test]
fn floats_at_every_power_of_two_and_of_ten_read_back_to_the_same_bits() {
    for exponent in 0..0x7ff_u64 {
        for mantissa in [0, 1, (1 << 52) - 1, 1 << 51] {
            assert_float_law(f64::from_bits(exponent << 52 | mantissa));
            assert_float_law(f64::from_bits(1 << 63 | exponent << 52 | mantissa));
        }
    }
    for power in -324..=308 {
        let number: f64 = format!("1e{power}").parse().unwrap();
        for number in [number, number.next_down(), number.next_up(), -number] {
            assert_float_law(number);
        }
    }
}

fn integer_text(number: i128) -> String {
    let mut out = BEFORE.to_vec();
    let len = if let Ok(number) = u64::try_from(number) {
        number::write_u64(&mut out, number);
        number::len_u64(number)
    } else {
        let number = i64::try_from(number).unwrap();
        number::write_i64(&mut out, number);
        number::len_i64(number)
    };
    let text = out.split_off(BEFORE.len());
    assert_eq!(text.len(), len, "length of {number}");
    String::from_utf8(text).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    #[test]
    fn float_of_any_bits_reads_back_to_the_same_bits(bits in any::<u64>()) {
        assert_float_law(f64::from_bits(bits));
    }

    #[test]
    fn hundredths_are_written_as_the_shortest_digits_have_them(hundredths in -200_000_000_000_i64..200_000_000_000) {
        #[allow(clippy::cast_precision_loss, reason = "below 2^53")]
        let number = hundredths as f64 / 100.0;
        assert_eq!(float_text(number).0, zmij::Buffer::new().format_finite(number));
        // Its neighbours are no hundredths, and nearly that.
        for bits in [number.to_bits() + 1, number.to_bits().saturating_sub(1)] {
            let number = f64::from_bits(bits);
            assert_eq!(float_text(number).0, zmij::Buffer::new().format_finite(number));
        }
    }

    #[test]
    fn whole_and_decimal_floats_read_back_to_the_same_bits(whole in any::<i64>(), decimals in 0_i32..12) {
        #[allow(clippy::cast_precision_loss, reason = "any float near it will do")]
        let whole = whole as f64;
        assert_float_law(whole);
        assert_float_law((whole / 1e9).trunc() / 10_f64.powi(decimals));
    }

    #[test]
    fn integer_is_its_decimal_digits(bits in any::<u64>(), shift in 0_u32..64) {
        let number = bits >> shift;
        prop_assert_eq!(integer_text(number.into()), number.to_string());
        let negative = number.cast_signed().wrapping_neg();
        prop_assert_eq!(integer_text(negative.into()), negative.to_string());
    }
}

#[test]
fn integers_are_exact_at_their_ends() {
    for number in [i64::MIN.into(), i128::from(i64::MIN) + 1, -1, 0, 1, i64::MAX.into(), u64::MAX.into()] {
        assert_eq!(integer_text(number), number.to_string());
    }
}

/// A calendar which only knows how long months are, and counts.
struct SlowCalendar {
    year: i32,
    month: usize,
    day: u32,
}

impl SlowCalendar {
    fn next_day(&mut self) {
        let leap = self.year % 4 == 0 && (self.year % 100 != 0 || self.year % 400 == 0);
        let days = [31, if leap { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
        self.day += 1;
        if self.day > days[self.month - 1] {
            (self.day, self.month) = (1, self.month + 1);
        }
        if self.month > 12 {
            (self.month, self.year) = (1, self.year + 1);
        }
    }

    fn date(&self) -> String {
        format!("{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}

const MICROS_PER_DAY: i64 = 86_400_000_000;

fn micros_text(micros: i64) -> String {
    let mut out = BEFORE.to_vec();
    time::write_rfc3339_micros_from(&mut out, micros);
    assert_eq!(out[..BEFORE.len()], *BEFORE);
    assert_eq!(out.len() - BEFORE.len(), time::len_rfc3339_micros_from(micros), "length of {micros}");
    String::from_utf8(out.split_off(BEFORE.len())).unwrap()
}

fn millis_text(nanos: i64) -> String {
    let mut out = BEFORE.to_vec();
    time::write_rfc3339_millis(&mut out, nanos);
    String::from_utf8(out.split_off(BEFORE.len())).unwrap()
}

#[test]
fn every_day_of_the_years_1_to_9999_has_its_date() {
    let mut calendar = SlowCalendar { year: 1, month: 1, day: 1 };
    let mut day: i64 = -719_162;
    while calendar.year < 10_000 {
        let date = calendar.date();
        // Its first and its last moment: the day may begin neither late nor early.
        assert_eq!(micros_text(day * MICROS_PER_DAY), format!("{date}T00:00:00.000Z"));
        assert_eq!(micros_text((day + 1) * MICROS_PER_DAY - 1), format!("{date}T23:59:59.999999Z"));
        if let Some(nanos) = (day * MICROS_PER_DAY).checked_mul(1_000) {
            assert_eq!(millis_text(nanos), format!("{date}T00:00:00.000Z"));
        }
        calendar.next_day();
        day += 1;
    }
    assert_eq!(day, 2_932_897, "the calendars disagree about the number of days");
}

#[test]
fn every_second_of_a_day_before_and_after_1970_has_its_time() {
    for (day, date) in [(-1, "1969-12-31"), (0, "1970-01-01"), (15_706, "2013-01-01")] {
        for second in 0..86_400 {
            let (hour, minute) = (second / 3_600, second / 60 % 60);
            let expected = format!("{date}T{hour:02}:{minute:02}:{:02}.000Z", second % 60);
            let micros = day * MICROS_PER_DAY + second * 1_000_000;
            assert_eq!(micros_text(micros), expected);
            assert_eq!(millis_text(micros * 1_000), expected);
        }
    }
}

#[test]
fn every_millisecond_and_every_microsecond_of_a_second_is_printed() {
    for micros in -1_000_000_i64..1_000_000 {
        let second = if micros < 0 { "1969-12-31T23:59:59" } else { "1970-01-01T00:00:00" };
        let fraction = micros.rem_euclid(1_000_000);
        let millis = format!("{second}.{:03}Z", fraction / 1_000);
        let expected = if fraction % 1_000 == 0 { millis.clone() } else { format!("{second}.{fraction:06}Z") };
        assert_eq!(micros_text(micros), expected);
        assert_eq!(millis_text(micros * 1_000), millis);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    #[test]
    fn nanoseconds_are_floored_to_the_millisecond(nanos in any::<i64>()) {
        let text = millis_text(nanos);
        prop_assert_eq!(text.len(), 24);
        prop_assert_eq!(text, micros_text(nanos.div_euclid(1_000_000) * 1_000));
    }
}
