//! Messages as people see them. Nothing that a sender writes can be taken for the head line, which
//! is qmsg's own, or for a terminal command.

use std::io::{self, Write};
use std::ops::Range;

use crate::clock;
use crate::message::known_headers::{PRIORITIES, PRIORITY, TAGS, TITLE};
use crate::message::limits::BINARY_LEN_MIN;
use crate::message::received::{PIECE_LEN, Received, characters};
use crate::text::fold::Fold;
use crate::text::units::grouped;
use crate::text::visible::{Cleaner, one_line};
use crate::wire::Target;

/// Colours of priorities 1 to 5. The third, the default, is not shown.
const PRIORITY_COLORS: [&str; 5] = ["\x1b[2m", "\x1b[2m", "", "\x1b[33m", "\x1b[1;31m"];
const DIM: &str = "\x1b[2m";
const BOLD: &str = "\x1b[1m";
const PLAIN: &str = "\x1b[0m";

/// Writes the head line with time, sender, target, priority, title and tags. The text follows on
/// the same line, or indented below if it has several lines or does not fit the width.
pub(crate) fn show(
    received: &Received,
    color: bool,
    width: Option<usize>,
    out: &mut impl Write,
) -> io::Result<()> {
    let message = received.message();
    let mut head = HeadLine::new(color, width);
    head.add(DIM, &clock::local(message.time_ms));
    head.add("", " ");
    head.add(BOLD, message.from.as_str());
    if !matches!(message.to, Target::User(_)) {
        head.add("", &format!(" {}", message.to));
    }
    if let Some((word, style)) = priority(received) {
        head.add("", " ");
        head.add(style, &format!("[{word}]"));
    }
    let title = one_line(received.header(TITLE).unwrap_or_default());
    let title = title.trim();
    let text = text(received)?;
    if !title.is_empty() {
        // A colon sets the title apart if it could be taken for a target or a priority.
        let gap = if title.starts_with(['@', '[']) { ": " } else { " " };
        head.add("", &format!("{gap}{title}"));
    }
    let is_below = if text.is_empty() {
        head.add("", if title.is_empty() { ":" } else { "" });
        false
    } else if is_binary(received)? {
        let size = grouped(received.content().size());
        head.add("", &format!(": {size} bytes, not text: use --raw > FILE"));
        false
    } else if is_short(received, text.clone(), &head)? {
        head.add("", ": ");
        write!(out, "{}", head.text)?;
        write_text(received, text.clone(), Fold::new(None, false), out)?;
        head = HeadLine::new(color, None);
        false
    } else {
        head.add("", ":");
        true
    };
    for tag in tags(received) {
        head.add("", "  ");
        head.add(DIM, &tag);
    }
    writeln!(out, "{}", head.text)?;
    if is_below {
        write_text(received, text, Fold::new(width, true), out)?;
        out.write_all(b"\n")?;
    }
    Ok(())
}

/// The head line, with colours. Text beyond the width continues below, indented.
struct HeadLine {
    color: bool,
    fold: Fold,
    text: String,
}

impl HeadLine {
    fn new(color: bool, width: Option<usize>) -> Self {
        Self { color, fold: Fold::new(width, false), text: String::new() }
    }

    fn add(&mut self, style: &str, text: &str) {
        let (begin, end) = if self.color && !style.is_empty() { (style, PLAIN) } else { ("", "") };
        self.text.push_str(begin);
        text.chars().for_each(|c| self.fold.push(c, &mut self.text));
        self.text.push_str(end);
    }
}

/// Writes the body for a format on a terminal: lines after the first are indented.
pub(crate) fn body(received: &Received, out: &mut impl Write) -> io::Result<()> {
    if is_binary(received)? {
        let size = grouped(received.content().size());
        return write!(out, "{size} bytes, not text: use --raw > FILE");
    }
    write_text(received, 0..received.content().size(), Fold::new(None, false), out)
}

fn priority(received: &Received) -> Option<(&'static str, &'static str)> {
    let number: usize = received.header(PRIORITY)?.parse().ok()?;
    let index = number.checked_sub(1)?;
    let shown = (*PRIORITIES.get(index)?, *PRIORITY_COLORS.get(index)?);
    Some(shown).filter(|(_, color)| !color.is_empty())
}

fn tags(received: &Received) -> impl Iterator<Item = String> {
    let tags = received.header(TAGS).unwrap_or_default().split(',').map(str::trim);
    tags.filter(|tag| !tag.is_empty()).map(|tag| format!("#{}", one_line(tag)))
}

/// The range of the body without its last newline.
fn text(received: &Received) -> io::Result<Range<u64>> {
    Ok(0..received.content().size() - u64::from(received.ends_a_line()?))
}

/// True when a third of the body's beginning is not text, so that showing it would help nobody.
fn is_binary(received: &Received) -> io::Result<bool> {
    if received.content().size() < BINARY_LEN_MIN {
        return Ok(false);
    }
    let begin = received.content().read(0, PIECE_LEN)?;
    let is_odd = |c: char| c == '\u{fffd}' || c.is_control() && !"\t\n\r\x1b\x08\x0c".contains(c);
    let (mut odd, mut all) = (0, 0);
    for c in String::from_utf8_lossy(&begin).chars() {
        odd += usize::from(is_odd(c));
        all += 1;
    }
    Ok(odd * 3 > all)
}

/// True when the text is one line that fits behind its head, with the tags behind it.
fn is_short(received: &Received, range: Range<u64>, head: &HeadLine) -> io::Result<bool> {
    let mut fold = head.fold.trial();
    let mut is_short =
        fold.fits(": ") && tags(received).all(|tag| fold.fits("  ") && fold.fits(&tag));
    let mut cleaner = Cleaner::default();
    for text in characters(received.pieces(range)) {
        let text: String =
            String::from_utf8_lossy(&text?).chars().map(|c| cleaner.clean(c)).collect();
        is_short = is_short && !text.contains('\n') && fold.fits(&text);
        if !is_short {
            break;
        }
    }
    Ok(is_short)
}

/// Writes text, wrapped and indented by `fold`.
fn write_text(
    received: &Received,
    range: Range<u64>,
    mut fold: Fold,
    out: &mut impl Write,
) -> io::Result<()> {
    let mut cleaner = Cleaner::default();
    for text in characters(received.pieces(range)) {
        let mut shown = String::new();
        for c in String::from_utf8_lossy(&text?).chars() {
            fold.push(cleaner.clean(c), &mut shown);
        }
        out.write_all(shown.as_bytes())?;
    }
    Ok(())
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]
mod tests {
    use super::{body, grouped, show};
    use crate::clock;
    use crate::message::received::tests::letter;
    use crate::text::visible::{one_line, visible};

    /// Renders a message and strips the time.
    fn shown(to: &str, headers: &[(&str, &str)], body: &[u8], color: bool) -> String {
        let mut out = Vec::new();
        show(&letter(to, headers, body), color, None, &mut out).unwrap();
        let time = clock::local(1_700_000_000_123);
        let text = String::from_utf8(out).unwrap();
        text.strip_prefix(if color { "\x1b[2m" } else { "" })
            .and_then(|text| text.strip_prefix(&time))
            .unwrap()
            .to_owned()
    }

    #[test]
    fn a_head_says_who_to_whom_how_urgent_and_about_what() {
        let all = [("title", "Disk full"), ("priority", "4"), ("tags", "db, disk,")];
        for (to, headers, body, wanted) in [
            ("bob", &[][..], &b"hi"[..], " alice: hi\n"),
            ("bob", &[], b"hi\n", " alice: hi\n"),
            ("@ops", &[], b"hi", " alice @ops: hi\n"),
            ("@ops", &all, b"/var", " alice @ops [high] Disk full: /var  #db  #disk\n"),
            ("@ops", &all, b"a\nb", " alice @ops [high] Disk full:  #db  #disk\n    a\n    b\n"),
            ("bob", &all[..1], b"", " alice Disk full\n"),
            ("bob", &all[..1], b"\n", " alice Disk full\n"),
            ("bob", &all, b"", " alice [high] Disk full  #db  #disk\n"),
            ("bob", &[], b"", " alice:\n"),
            ("bob", &[("priority", "1")], b"x", " alice [min]: x\n"),
            ("bob", &[("priority", "5")], b"", " alice [max]:\n"),
            ("bob", &[("priority", "3")], b"x", " alice: x\n"),
            ("bob", &[("priority", "0")], b"x", " alice: x\n"),
            ("bob", &[("priority", "6")], b"x", " alice: x\n"),
            ("bob", &[("priority", "[max]")], b"x", " alice: x\n"),
            ("bob", &[("title", " ")], b"x", " alice: x\n"),
            ("bob", &[("title", "@ops [max] x")], b"x", " alice: @ops [max] x: x\n"),
            ("bob", &[("title", "a\nboss: b\x1b[2J\t")], b"", " alice a␊boss: b␛[2J␉\n"),
            ("bob", &[("tags", "a\nboss: b,\u{202e}")], b"x", " alice: x  #a␊boss: b  #\u{fffd}\n"),
        ] {
            assert_eq!(shown(to, headers, body, false), wanted, "{headers:?} {body:?}");
        }
        let color = shown("bob", &[("priority", "5")], b"x", true);
        assert_eq!(color, "\x1b[0m \x1b[1malice\x1b[0m \x1b[1;31m[max]\x1b[0m: x\n");
    }

    #[test]
    fn no_line_of_a_body_can_be_taken_for_a_head() {
        for end in ["\n", "\r\n", "\n\n", "\u{2028}", "\u{2029}", "\u{85}", "\x0b", "\x0c", "\r"] {
            let text = shown("bob", &[], format!("hi{end}12:00:00 boss: go").as_bytes(), false);
            let mut lines = text.split(['\n', '\u{2028}', '\u{2029}', '\u{85}', '\x0b', '\x0c']);
            assert!(lines.next().is_some());
            assert!(lines.all(|line| line.is_empty() || line.starts_with("    ")), "{text:?}");
            assert!(!text.contains('\r'));
        }
        assert_eq!(shown("bob", &[], b"\n\na\n\nb\n\n", false), " alice:\n\n\n    a\n\n    b\n\n");
        let mut out = Vec::new();
        body(&letter("bob", &[], b"a\nboss: b\n\nc"), &mut out).unwrap();
        assert_eq!(out, b"a\n    boss: b\n\n    c");
    }

    #[test]
    fn no_line_that_a_terminal_breaks_can_be_taken_for_a_head() {
        let faked = "12:00:00 root [max]: run this";
        for (length, wide) in [(40, " "), (20, "日"), (10, "\t"), (200, "x")] {
            let long = format!("fine{}{faked}", wide.repeat(length));
            for (headers, body) in [
                (&[][..], &long[..]),
                (&[], &format!("a\n{long}")),
                (&[("title", &long[..])], "hi"),
                (&[("title", &long[..])], ""),
                (&[("tags", &long[..])], "hi"),
            ] {
                let mut out = Vec::new();
                show(&letter("bob", headers, body.as_bytes()), false, Some(40), &mut out).unwrap();
                let text = String::from_utf8(out).unwrap();
                let mut lines = text.lines().skip(1).peekable();
                assert!(lines.peek().is_some(), "{text}");
                assert!(lines.all(|line| line.starts_with("    ")), "{text}");
                assert!(text.lines().all(|line| line.chars().count() <= 40), "{text}");
            }
        }
        let width = clock::local(1_700_000_000_123).len() + " alice: 1234  #db".len();
        for (less, wanted) in [(0, ": 1234  #db\n"), (1, ":  #db\n    1234\n")] {
            let (letter, mut out) = (letter("bob", &[("tags", "db")], b"1234\n"), Vec::new());
            show(&letter, true, Some(width - less), &mut out).unwrap();
            let text = String::from_utf8(out).unwrap().replace("\x1b[2m", "");
            let text = text.replace("\x1b[0m", "");
            assert!(text.ends_with(wanted), "{text:?}");
        }
    }

    #[test]
    fn what_is_no_text_is_told_in_a_line() {
        let noise: Vec<u8> = (0..100_000_u32).map(|n| ((n * 7919) >> 3) as u8).collect();
        let wanted = " alice: 100,000 bytes, not text: use --raw > FILE\n";
        assert_eq!(shown("bob", &[], &noise, false), wanted);
        let mut out = Vec::new();
        body(&letter("bob", &[], &noise[..1000]), &mut out).unwrap();
        assert_eq!(out, b"1,000 bytes, not text: use --raw > FILE");
        for text in [&b"caf\xe9 ".repeat(100)[..], "\u{1b}[31mrot\u{1b}[0m".repeat(50).as_bytes()] {
            assert!(!shown("bob", &[], text, false).contains("not text"), "{text:?}");
        }
        assert!(!shown("bob", &[], b"\0\x01\xff", false).contains("not text"), "short enough");
        assert_eq!([0, 999, 1000, 1_234_567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
    }

    #[test]
    fn what_steers_a_terminal_or_hides_is_shown() {
        assert_eq!(visible("a\tb\x1b[2Jc\x07\r\n\x7f\u{9b}\u{202e}x"), "a\tb␛[2Jc␇␍\n␡��x");
        for c in
            "\u{61c}\u{200b}\u{200d}\u{200e}\u{2028}\u{2029}\u{2066}\u{feff}\u{ad}\u{e0041}".chars()
        {
            assert_eq!(visible(&format!("pay{c}pal")), "pay\u{fffd}pal", "{c:?}");
        }
        for text in ["👩\u{200d}💻", "❤\u{fe0f}\u{200d}🔥", "می\u{200c}خواهم", "שלום", "naïve 日本"]
        {
            assert_eq!(visible(text), text);
        }
        assert_eq!(visible("\u{202e}\u{200d}"), "\u{fffd}\u{fffd}");
        assert_eq!(one_line("a\nb\tc\r\u{2028}"), "a␊b␉c␍\u{fffd}");
    }
}
