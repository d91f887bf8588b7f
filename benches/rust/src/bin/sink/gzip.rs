//! Taking a gzip body apart, for clients that compress by default: an event counts whatever it came in.

use miniz_oxide::inflate::decompress_to_vec_with_limit;

/// More than any client under test puts into one request.
const MOST_BYTES: usize = 64 << 20;
const HEAD_BYTES: usize = 10;
/// Checksum and length, which a sink that only counts does not look at.
const TAIL_BYTES: usize = 8;
/// The one optional field that Python's `gzip` may write: a file name, ended by a zero byte.
const HAS_NAME: u8 = 8;

/// Returns what was compressed; `None` when it is no gzip, or not whole.
pub(crate) fn inflate(body: &[u8]) -> Option<Vec<u8>> {
    let end = body.len().checked_sub(TAIL_BYTES)?;
    let mut start = HEAD_BYTES;
    match body {
        [0x1f, 0x8b, 8, 0, ..] => {}
        [0x1f, 0x8b, 8, HAS_NAME, ..] => start += body.get(HEAD_BYTES..)?.iter().position(|&byte| byte == 0)? + 1,
        _ => return None,
    }
    decompress_to_vec_with_limit(body.get(start..end)?, MOST_BYTES).ok()
}

#[cfg(test)]
mod tests {
    use super::inflate;

    const PLAIN: &[u8] = br#"{"batch": [{"uuid": "a"}, {"uuid": "b"}]}"#;
    /// `gzip.compress(PLAIN, mtime=0)` of Python 3.11.
    const SENT: [u8; 51] = [
        31, 139, 8, 0, 0, 0, 0, 0, 2, 3, 171, 86, 74, 74, 44, 73, 206, 80, 178, 82, 136, 174, 86, 42, 45, 205, 76, 1,
        178, 148, 18, 149, 106, 117, 20, 16, 220, 36, 165, 218, 216, 90, 0, 127, 82, 242, 126, 41, 0, 0, 0,
    ];

    #[test]
    fn a_body_comes_out_as_it_was() {
        assert_eq!(inflate(&SENT).as_deref(), Some(PLAIN));
    }

    #[test]
    fn a_file_name_is_no_part_of_it() {
        let mut named = SENT.to_vec();
        named[3] = super::HAS_NAME;
        named.splice(10..10, *b"events\0");
        assert_eq!(inflate(&named).as_deref(), Some(PLAIN));
    }

    #[test]
    fn what_is_not_whole_is_nothing() {
        for length in 0..SENT.len() - super::TAIL_BYTES {
            assert_eq!(inflate(&SENT[..length]), None, "{length} bytes of it");
        }
        assert_eq!(inflate(PLAIN), None);
    }
}
