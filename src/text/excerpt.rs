//! Text longer than a server takes: its start and its end, and between them a line with the number
//! of missing bytes.

use crate::text::units;

/// Returns the start and the end of a text, in at most `len_max` bytes. `None`: all of it fits.
pub(crate) fn excerpt(text: &[u8], len_max: usize) -> Option<Vec<u8>> {
    (text.len() > len_max).then(|| of_ends(text, text, text.len() as u64, len_max))
}

/// Returns the excerpt of a text of `size` bytes, more than `len_max`, of which only the two ends
/// are at hand. `len_max + 1` bytes of each are enough.
pub(crate) fn of_ends(start: &[u8], end: &[u8], size: u64, len_max: usize) -> Vec<u8> {
    // The longest mark says that everything is missing, between two line ends.
    let Some(room) = len_max.checked_sub(mark(size).len() + 1) else {
        let short = floor(start, len_max.min(start.len()));
        return start[..short].to_vec();
    };
    let start = head(start, room / 2);
    let end = tail(end, room / 2);
    let mut text = start.to_vec();
    if !start.is_empty() && !start.ends_with(b"\n") {
        text.push(b'\n');
    }
    text.extend(mark(size - (start.len() + end.len()) as u64).bytes());
    text.extend(end);
    text
}

fn mark(missing: u64) -> String {
    let unit = if missing == 1 { "byte" } else { "bytes" };
    format!("[… {} {unit} left out …]\n", units::grouped(missing))
}

/// Returns at most `len_max` bytes of the beginning, up to a line end if one is near.
fn head(text: &[u8], len_max: usize) -> &[u8] {
    let text = &text[..floor(text, len_max.min(text.len()))];
    let line_end = text.iter().rposition(|&byte| byte == b'\n').map(|at| at + 1);
    &text[..line_end.filter(|at| *at > text.len() / 2).unwrap_or(text.len())]
}

/// Returns at most `len_max` bytes of the end, from the beginning of a line if one is near.
fn tail(text: &[u8], len_max: usize) -> &[u8] {
    let start = text.len().saturating_sub(len_max);
    // A line that begins exactly there is whole.
    let from = start.saturating_sub(1);
    let line = text[from..].iter().position(|&byte| byte == b'\n').map(|at| from + at + 1);
    let near = line.filter(|at| *at >= start && at - start < len_max / 2);
    &text[near.unwrap_or_else(|| ceil(text, start))..]
}

/// The last character boundary up to `at`; `at` itself if the text is not UTF-8.
fn floor(text: &[u8], at: usize) -> usize {
    (at.saturating_sub(3)..=at).rev().find(|&at| is_boundary(text, at)).unwrap_or(at)
}

/// The first character boundary from `at` on; `at` itself if the text is not UTF-8.
fn ceil(text: &[u8], at: usize) -> usize {
    (at..=text.len().min(at + 3)).find(|&at| is_boundary(text, at)).unwrap_or(at)
}

fn is_boundary(text: &[u8], at: usize) -> bool {
    // Only the bytes after the first of a character are 0b10…
    text.get(at).is_none_or(|byte| byte & 0xc0 != 0x80)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{ProptestConfig, any, prop, prop_assert, prop_assert_eq, proptest};

    use super::{excerpt, of_ends};

    fn cut(text: &str, len_max: usize) -> Option<String> {
        excerpt(text.as_bytes(), len_max).map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
    }

    #[test]
    fn both_ends_stay_and_the_rest_is_counted() {
        let lines: String = (1..=400).map(|n| format!("line {n}\n")).collect();
        let flat = "x".repeat(3000);
        let (wide, one_line) = ("ü".repeat(1500), format!("{}\n", "word ".repeat(600)));
        let of = |start: &str, missing: &str, end: &str| {
            Some(format!("{start}[… {missing} bytes left out …]\n{end}"))
        };
        for (text, len_max, wanted) in [
            ("", 0, None),
            ("abc", 3, None),
            (&lines, 3492, None),
            (
                &lines,
                100,
                of("line 1\nline 2\nline 3\nline 4\n", "3,437", "line 398\nline 399\nline 400\n"),
            ),
            (&flat, 100, of(&format!("{}\n", "x".repeat(34)), "2,932", &"x".repeat(34))),
            (&wide, 101, of(&format!("{}\n", "ü".repeat(17)), "2,932", &"ü".repeat(17))),
            (&one_line, 60, of("word word word\n", "2,973", "rd word word \n")),
            // Too short for a line with the number.
            ("abcdef", 4, Some("abcd".into())),
            ("äöü", 3, Some("ä".into())),
            ("abc", 0, Some(String::new())),
        ] {
            assert_eq!(cut(text, len_max), wanted, "{} bytes in {len_max}", text.len());
        }
    }

    #[test]
    fn what_is_no_utf_8_is_cut_all_the_same() {
        let bytes = [0x80; 1000];
        let cut = excerpt(&bytes, 100).unwrap_or_default();
        assert!(cut.len() <= 100 && cut.starts_with(&bytes[..30]) && cut.ends_with(&bytes[..30]));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]

        #[test]
        fn an_excerpt_fits_and_counts_what_is_missing(
            words in prop::collection::vec(
                prop::sample::select(vec!["a", "ü\n", "\r\n", "字 ", "🙂"]),
                0..400,
            ),
            noise in prop::collection::vec(any::<u8>(), 0..40),
            len_max in 0..700_usize,
        ) {
            let mut text = words.concat().into_bytes();
            text.extend(noise);
            let Some(cut) = excerpt(&text, len_max) else {
                prop_assert!(text.len() <= len_max);
                return Ok(());
            };
            prop_assert!(cut.len() <= len_max && text.len() > len_max);
            let ends = (&text[..=len_max], &text[text.len() - len_max - 1..]);
            prop_assert_eq!(&cut, &of_ends(ends.0, ends.1, text.len() as u64, len_max));
            let mark = "[… ".as_bytes();
            let Some(at) = cut.windows(mark.len()).position(|bytes| bytes == mark) else {
                prop_assert!(text.starts_with(&cut));
                return Ok(());
            };
            let end = at + cut[at..].iter().position(|&byte| byte == b'\n').unwrap_or_default();
            let digits = cut[at..end].iter().filter(|byte| byte.is_ascii_digit());
            let missing = digits.fold(0, |sum, digit| sum * 10 + usize::from(digit - b'0'));
            let (start, rest) = (&cut[..at], &cut[end + 1..]);
            prop_assert!(text.ends_with(rest));
            // The last line end of the start may have been added.
            let added = (start.len() + rest.len() + missing).checked_sub(text.len());
            let is_start = |added| added <= 1 && text.starts_with(&start[..at - added]);
            prop_assert!(added.is_some_and(is_start));
        }
    }
}
