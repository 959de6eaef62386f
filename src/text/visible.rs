//! Text without effect on a terminal.

/// Returns a line without characters that a terminal would act on.
pub(crate) fn harmless(text: &str) -> String {
    let marked = |c: char| match c {
        '\n' => '\u{240a}',
        c if c.is_control() || is_hidden(c) => '\u{fffd}',
        c => c,
    };
    text.chars().map(marked).collect()
}

/// Replaces characters that a terminal would act on: control characters by their pictures;
/// characters that are invisible or change the writing direction are marked.
pub(crate) fn visible(text: &str) -> String {
    let mut cleaner = Cleaner::default();
    text.chars().map(|c| cleaner.clean(c)).collect()
}

/// Returns `visible` text as one line: newlines and tabs become pictures as well.
pub(crate) fn one_line(text: &str) -> String {
    let picture = |c| match c {
        '\n' => '\u{240a}',
        '\t' => '\u{2409}',
        c => c,
    };
    visible(text).chars().map(picture).collect()
}

/// State of going through a text.
#[derive(Default)]
pub(crate) struct Cleaner {
    last: char,
}

impl Cleaner {
    pub(crate) fn clean(&mut self, c: char) -> char {
        let last = std::mem::replace(&mut self.last, c);
        match c {
            '\n' | '\t' => c,
            '\0'..='\x1f' => char::from_u32(0x2400 + u32::from(c)).unwrap_or('\u{fffd}'),
            '\x7f' => '\u{2421}',
            // Scripts beyond Latin, Greek and Cyrillic, and emoji, need these joiners.
            '\u{200c}' | '\u{200d}' if last >= '\u{590}' && !is_hidden(last) => c,
            c if is_hidden(c) => '\u{fffd}',
            _ => c,
        }
    }
}

/// True if a character is invisible, ends a line in some programs, or changes the writing
/// direction.
pub(crate) fn is_hidden(c: char) -> bool {
    matches!(c,
        '\u{80}'..='\u{9f}'
        | '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
        | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{3164}' | '\u{feff}' | '\u{ffa0}'
        | '\u{fff0}'..='\u{fffb}'
        | '\u{1d173}'..='\u{1d17a}'
        | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::harmless;

    #[test]
    fn a_line_stays_one_and_harmless() {
        let said = harmless("no\nhint: \u{1b}[2J\u{2028}\u{202e}\t\u{85}");
        assert_eq!(said, "no\u{240a}hint: \u{fffd}[2J\u{fffd}\u{fffd}\u{fffd}\u{fffd}");
    }
}
