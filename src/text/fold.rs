//! Text folded to the width of a terminal. If the terminal broke a line itself, the rest would
//! begin at the left margin, like the head line of a message.

use crate::text::limits::WIDTH_MIN;

/// Indentation of each line of a text under its head line, and of the continuation of a long line.
pub(crate) const INDENT: &str = "    ";

/// State of folding a text.
pub(crate) struct Fold {
    /// Width in columns. `None`: lines are not folded.
    width: Option<usize>,
    column: usize,
    /// True if the next character begins an indented line.
    is_due: bool,
}

impl Fold {
    /// Starts folding; `begin`: the first line is indented.
    pub(crate) fn new(width: Option<usize>, begin: bool) -> Self {
        Self { width: width.map(|width| width.max(WIDTH_MIN)), column: 0, is_due: begin }
    }

    /// Adds a character, after any line end and indentation that it needs. An empty line is not
    /// indented.
    pub(crate) fn push(&mut self, c: char, to: &mut String) {
        if c == '\n' {
            (self.column, self.is_due) = (0, true);
            return to.push(c);
        }
        if std::mem::take(&mut self.is_due) {
            self.indent(to);
        }
        if !self.has_room(c) {
            to.push('\n');
            self.indent(to);
        }
        self.skip(c);
        to.push(c);
    }

    /// True if the text fits on the line; it then counts as added.
    pub(crate) fn fits(&mut self, text: &str) -> bool {
        text.chars().all(|c| {
            let fits = self.has_room(c);
            self.skip(c);
            fits
        })
    }

    /// Returns a copy for a trial.
    pub(crate) fn trial(&self) -> Self {
        Self { ..*self }
    }

    fn indent(&mut self, to: &mut String) {
        to.push_str(INDENT);
        self.column = INDENT.len();
    }

    fn has_room(&self, c: char) -> bool {
        self.width.is_none_or(|width| self.column + columns(c, self.column) <= width)
    }

    fn skip(&mut self, c: char) {
        self.column += columns(c, self.column);
    }
}

/// Returns an upper bound of the columns of a character. If the bound is too high, a line is only
/// shorter; if it were too low, the terminal would break the line.
fn columns(c: char, column: usize) -> usize {
    match c {
        '\t' => 8 - column % 8,
        // East Asian scripts, and pictographs.
        '\u{1100}'..='\u{115f}'
        | '\u{2300}'..='\u{23ff}'
        | '\u{25fd}'..='\u{27bf}'
        | '\u{2b1b}'..='\u{2b55}'
        | '\u{2e80}'..='\u{a4cf}'
        | '\u{a960}'..='\u{a97f}'
        | '\u{ac00}'..='\u{d7a3}'
        | '\u{f900}'..='\u{faff}'
        | '\u{fe10}'..='\u{fe1f}'
        | '\u{fe30}'..='\u{fe6f}'
        | '\u{ff00}'..='\u{ff60}'
        | '\u{ffe0}'..='\u{ffe6}'
        | '\u{16fe0}'..='\u{1b2ff}'
        | '\u{1d300}'..='\u{1d37f}'
        | '\u{1f000}'..='\u{1faff}'
        | '\u{20000}'..='\u{3ffff}' => 2,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::Fold;

    fn folded(text: &str, width: Option<usize>, begin: bool) -> String {
        let (mut fold, mut to) = (Fold::new(width, begin), String::new());
        text.chars().for_each(|c| fold.push(c, &mut to));
        to
    }

    #[test]
    fn no_line_is_longer_than_the_width() {
        for (text, width, wanted) in [
            ("0123456789", 10, "    012345\n    6789"),
            ("012345\n\n0123456", 10, "    012345\n\n    012345\n    6"),
            ("日本語字", 10, "    日本語\n    字"),
            ("a日本語", 10, "    a日本\n    語"),
            ("012\t34\t5", 10, "    012\t34\n    \t5"),
            ("01234", 0, "    0123\n    4"),
        ] {
            assert_eq!(folded(text, Some(width), true), wanted, "{text:?}");
        }
        assert_eq!(folded("0123456789a", Some(10), false), "0123456789\n    a");
        assert_eq!(folded(&"a".repeat(500), None, false), "a".repeat(500));
        assert!(Fold::new(Some(10), false).fits("0123456789"));
        assert!(!Fold::new(Some(10), false).fits("0123456789a"));
    }
}
