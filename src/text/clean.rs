//! One line of text from bytes not made for a single line: output of a command, or of a terminal.

use std::iter::Peekable;
use std::str::Chars;

/// Characters, besides control characters, that some programs treat as the end of a line.
const SEPARATORS: [char; 2] = ['\u{2028}', '\u{2029}'];
/// Marks omitted text.
const ELLIPSIS: char = '…';

/// Returns the text as one line: without escape sequences, with spaces for control characters, and
/// trimmed.
pub(crate) fn clean(text: &str) -> String {
    let mut cleaned = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    let mut gap = false;
    while let Some(c) = chars.next() {
        match c {
            '\x1b' => skip_escape(&mut chars),
            '\u{9b}' => skip_control_sequence(&mut chars),
            c if c.is_control() || SEPARATORS.contains(&c) => gap = true,
            c => {
                // One space for any number of such characters.
                if std::mem::take(&mut gap) && !cleaned.ends_with(' ') && c != ' ' {
                    cleaned.push(' ');
                }
                cleaned.push(c);
            }
        }
    }
    cleaned.trim().to_owned()
}

/// Skips an escape sequence after its ESC (ECMA-48, sections 5.3, 5.4 and 5.6).
fn skip_escape(chars: &mut Peekable<Chars<'_>>) {
    match chars.peek() {
        Some('[') => {
            chars.next();
            skip_control_sequence(chars);
        }
        Some(']' | 'P' | 'X' | '^' | '_') => {
            chars.next();
            skip_string(chars);
        }
        _ => {
            while chars.next_if(|c| (' '..='/').contains(c)).is_some() {}
            chars.next_if(|c| ('0'..='~').contains(c));
        }
    }
}

/// Skips parameters and a final character.
fn skip_control_sequence(chars: &mut Peekable<Chars<'_>>) {
    while chars.next_if(|c| (' '..='?').contains(c)).is_some() {}
    chars.next_if(|c| ('@'..='~').contains(c));
}

/// Skips a string up to its end. A string without an end is kept as text, so that the rest is not
/// lost.
fn skip_string(chars: &mut Peekable<Chars<'_>>) {
    let mut ahead = chars.clone();
    while let Some(c) = ahead.next() {
        if c == '\x07' || c == '\u{9c}' || c == '\x1b' && ahead.next_if_eq(&'\\').is_some() {
            *chars = ahead;
            return;
        }
    }
}

/// Returns at most `len_max` bytes of a text, cut between characters, with an ellipsis if there is
/// room.
pub(crate) fn cut(text: &str, len_max: usize) -> String {
    if text.len() <= len_max {
        return text.to_owned();
    }
    let ellipsis = if len_max >= ELLIPSIS.len_utf8() { Some(ELLIPSIS) } else { None };
    let mut end = len_max - ellipsis.map_or(0, char::len_utf8);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].chars().chain(ellipsis).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop_assert, proptest};

    use super::{clean, cut};

    #[test]
    fn what_is_no_text_is_taken_out() {
        for (text, wanted) in [
            ("plain  text ", "plain  text"),
            ("sda\t91%", "sda 91%"),
            ("job done\r", "job done"),
            ("job\r\ndone\r\n", "job done"),
            ("a \n b", "a  b"),
            ("a\0b\x07c\u{7f}d\u{85}e\u{2028}f", "a b c d e f"),
            ("\x1b[1;31mFAILED\x1b[0m", "FAILED"),
            ("\u{9b}31mred", "red"),
            ("\x1b]0;window\x07after", "after"),
            ("\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "link"),
            ("\x1bPstring\u{9c}after", "after"),
            ("\x1b]0;without an end", "0;without an end"),
            ("\x1b(B\x1b=\x1b>text", "text"),
            ("\x1b\x1b[Kä\x1b", "ä"),
            ("\x1b[31", ""),
            ("", ""),
            ("\n\t", ""),
        ] {
            assert_eq!(clean(text), wanted, "{text:?}");
        }
    }

    #[test]
    fn a_cut_is_between_characters() {
        for (text, len_max, wanted) in [
            ("abc", 3, "abc"),
            ("abcdef", 5, "ab…"),
            ("äöüäöü", 8, "äö…"),
            ("äöü", 4, "…"),
            ("abc", 2, "ab"),
            ("ä", 1, ""),
            ("a", 0, ""),
        ] {
            assert_eq!(cut(text, len_max), wanted, "{text} in {len_max}");
        }
    }

    proptest! {
        #[test]
        fn a_line_is_clean_and_stays_so(text in any::<String>(), len_max in 0..40_usize) {
            let line = clean(&text);
            prop_assert!(!line.chars().any(char::is_control));
            prop_assert!(clean(&line) == line);
            prop_assert!(cut(&line, len_max).len() <= len_max);
        }
    }
}
