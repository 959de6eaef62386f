//! Conversion of HTML to readable text.
//!
//! The converter makes one pass over the bytes, so it works for every character set that contains
//! ASCII. Malformed or unclosed tags count as text.

use crate::cli::limits::INDENT_MAX;
use crate::cli::verbs::sendmail::mail::tag::{Tag, attribute, character, entity, find, tag};

/// Elements whose content is not shown.
const UNREAD: &[&str] = &["script", "style", "template", "title"];
/// Elements that start and end a line.
const BLOCKS: &str = "address article aside body caption center dd details div dl dt fieldset \
    figcaption figure footer form header html legend li main nav option section summary tbody \
    tfoot thead tr";
/// Elements with an empty line before and after.
const PARAGRAPHS: &str = "blockquote h1 h2 h3 h4 h5 h6 ol p pre table ul";
const COMMENT: &[u8] = b"<!--";

/// Converts HTML to text: line ends between blocks, tabs between cells, marks before list items,
/// and the addresses of links.
pub(crate) fn readable(html: &[u8]) -> Vec<u8> {
    let last_end = html.iter().rposition(|&byte| byte == b'>').unwrap_or_default();
    let mut page =
        HtmlPage { html, at: 0, last_end, out: HtmlText::default(), unclosed: Vec::new() };
    page.run();
    page.out.finish()
}

struct HtmlPage<'a> {
    html: &'a [u8],
    at: usize,
    /// Offset of the last `>` of the page; no tag ends after it.
    last_end: usize,
    out: HtmlText,
    /// Elements known to have no end tag from here on, so that it is searched for only once.
    unclosed: Vec<&'static str>,
}

impl HtmlPage<'_> {
    fn run(&mut self) {
        while let Some(&byte) = self.html.get(self.at) {
            match byte {
                b'<' => self.markup(),
                b'&' => self.entity(),
                _ => {
                    self.out.byte(byte);
                    self.at += 1;
                }
            }
        }
    }

    fn markup(&mut self) {
        let rest = &self.html[self.at..];
        if rest.starts_with(COMMENT) {
            self.at += COMMENT.len();
            return self.skip("--", b"-->");
        }
        let tag = if self.at < self.last_end { tag(rest) } else { None };
        let Some((tag, length)) = tag else {
            self.out.byte(b'<');
            self.at += 1;
            return;
        };
        self.at += length;
        if let Some(&name) = UNREAD.iter().find(|name| **name == tag.name)
            && !tag.closes
        {
            return self.skip(name, format!("</{name}").as_bytes());
        }
        self.out.tag(&tag);
        if tag.name == "pre" && !tag.closes {
            // HTML ignores a line end directly after `<pre>`.
            let rest = &self.html[self.at..];
            self.at += [&b"\r\n"[..], b"\n"]
                .iter()
                .find(|end| rest.starts_with(end))
                .map_or(0, |end| end.len());
        }
    }

    /// Skips to the end of an element, if it has one.
    fn skip(&mut self, name: &'static str, end: &[u8]) {
        if self.unclosed.contains(&name) {
            return;
        }
        match find(&self.html[self.at..], end) {
            Some(at) => self.at += at + if name == "--" { end.len() } else { 0 },
            None => self.unclosed.push(name),
        }
    }

    fn entity(&mut self) {
        let Some(entity) = entity(&self.html[self.at..]) else {
            self.out.byte(b'&');
            self.at += 1;
            return;
        };
        self.at += entity.len();
        match character(entity).as_str() {
            // A no-break space.
            "\u{a0}" => self.out.put(b" "),
            "\u{ad}" | "\u{200b}" | "\u{200c}" | "\u{feff}" => {}
            character => self.out.put(character.as_bytes()),
        }
    }
}

/// The output, and the white space that is pending before the next text.
#[derive(Default)]
struct HtmlText {
    text: Vec<u8>,
    /// Pending line ends; 2 make an empty line.
    breaks: usize,
    gap: Gap,
    /// The pending mark of a list item, such as `- `.
    mark: String,
    /// Open lists, outermost first; ordered ones with the last number.
    lists: Vec<Option<u32>>,
    /// Open elements in which white space is kept.
    verbatim: usize,
    /// Offset in `text` at which the current table row begins.
    row_at: usize,
    /// True when a cell has begun and has no text yet.
    starts_cell: bool,
    /// The address of the open link, and the offset in `text` where its text begins.
    link: Option<(String, usize)>,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Gap {
    #[default]
    None,
    Space,
    Cell,
}

impl HtmlText {
    fn tag(&mut self, tag: &Tag<'_>) {
        let name = tag.name.as_str();
        let is_one = |names: &str| names.split_ascii_whitespace().any(|one| one == name);
        match (name, tag.closes) {
            ("br", _) => self.breaks += 1,
            ("hr", _) => {
                self.line_end(1);
                self.put(b"----");
                self.line_end(1);
            }
            ("td" | "th", false) => self.cell(),
            ("li", false) => self.item(),
            ("ul" | "ol", closes) => self.list(name, closes),
            ("pre" | "xmp" | "listing", closes) => {
                self.line_end(2);
                self.verbatim =
                    if closes { self.verbatim.saturating_sub(1) } else { self.verbatim + 1 };
            }
            ("a", closes) => self.link(if closes { None } else { attribute(tag, "href") }),
            ("img", false) => {
                if let Some(text) = attribute(tag, "alt").filter(|text| !text.is_empty()) {
                    self.put(format!("[{text}]").as_bytes());
                }
            }
            ("table" | "tr", closes) => {
                self.line_end(if name == "tr" { 1 } else { 2 });
                if !closes || name == "table" {
                    self.row_at = self.text.len();
                }
            }
            // A paragraph that begins a cell stays in its row.
            _ if self.starts_cell => {}
            _ if is_one(PARAGRAPHS) => self.line_end(2),
            _ if is_one(BLOCKS) => self.line_end(1),
            _ => {}
        }
    }

    fn line_end(&mut self, breaks: usize) {
        self.breaks = self.breaks.max(breaks);
    }

    fn cell(&mut self) {
        if self.text.len() > self.row_at {
            (self.gap, self.breaks) = (Gap::Cell, 0);
        }
        self.starts_cell = true;
    }

    fn list(&mut self, name: &str, closes: bool) {
        self.line_end(if self.lists.len() > usize::from(closes) { 1 } else { 2 });
        if closes {
            self.lists.pop();
        } else {
            self.lists.push((name == "ol").then_some(0));
        }
    }

    fn item(&mut self) {
        self.line_end(1);
        let indent = "  ".repeat(self.lists.len().saturating_sub(1).min(INDENT_MAX));
        self.mark = match self.lists.last_mut() {
            Some(Some(number)) => {
                *number = number.saturating_add(1);
                format!("{indent}{number}. ")
            }
            _ => format!("{indent}- "),
        };
    }

    /// Ends the open link and begins another, if there is one. Writes the address of the ended
    /// link, unless its text already shows it.
    fn link(&mut self, next: Option<String>) {
        let last = self.link.take();
        self.link = next.map(|address| (address, self.text.len()));
        let Some((address, start)) = last else { return };
        let leads_nowhere = address.is_empty()
            || address.starts_with('#')
            || ["javascript:", "data:", "cid:"].iter().any(|scheme| address.starts_with(scheme));
        let text = self.text.get(start..).unwrap_or_default().trim_ascii();
        let schemes = ["mailto:", "tel:", "https://", "http://"];
        let bare =
            schemes.iter().find_map(|scheme| address.strip_prefix(scheme)).unwrap_or(&address);
        let is_said = [address.as_str(), bare, bare.trim_end_matches('/')]
            .iter()
            .any(|said| said.as_bytes() == text);
        if leads_nowhere || is_said {
            return;
        }
        if !text.is_empty() && self.gap == Gap::None {
            self.gap = Gap::Space;
        }
        self.put(format!("<{address}>").as_bytes());
    }

    /// Adds a byte of text.
    fn byte(&mut self, byte: u8) {
        match byte {
            b'\n' if self.verbatim > 0 => self.breaks += 1,
            b'\r' if self.verbatim > 0 => {}
            b' ' | b'\t' | b'\r' | b'\n' | 0x0c if self.verbatim == 0 => {
                if self.gap == Gap::None {
                    self.gap = Gap::Space;
                }
            }
            _ => self.put(&[byte]),
        }
    }

    fn put(&mut self, text: &[u8]) {
        if self.breaks > 0 && !self.text.is_empty() {
            self.text.truncate(self.text.trim_ascii_end().len());
            self.text.extend(std::iter::repeat_n(b'\n', self.breaks));
        } else if !self.text.is_empty() {
            match self.gap {
                Gap::Cell => self.text.push(b'\t'),
                Gap::Space if !self.text.ends_with(b" ") => self.text.push(b' '),
                Gap::Space | Gap::None => {}
            }
        }
        (self.breaks, self.gap, self.starts_cell) = (0, Gap::None, false);
        self.text.extend(std::mem::take(&mut self.mark).bytes());
        self.text.extend(text);
    }

    fn finish(mut self) -> Vec<u8> {
        self.link(None);
        self.text.truncate(self.text.trim_ascii_end().len());
        if !self.text.is_empty() {
            self.text.push(b'\n');
        }
        self.text
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{ProptestConfig, any, prop, prop_assert, proptest};

    use super::readable;

    fn shown(html: &str) -> String {
        String::from_utf8_lossy(&readable(html.as_bytes())).into_owned()
    }

    #[test]
    fn pages_of_programs() {
        for (html, wanted) in [
            ("<p>one &amp; two</p>\n<p>three</p>", "one & two\n\nthree\n"),
            ("a<br>b<br/>c<BR />d", "a\nb\nc\nd\n"),
            ("<h1>Report</h1><div>x</div><div>y</div>", "Report\n\nx\ny\n"),
            ("  many \n\t <b>words</b>and  more ", "many wordsand more\n"),
            (
                "<table><tr><th>Disk<th>Use</tr>\n<tr><td><p>sda</p></td> <td>91 %</td></table>end",
                "Disk\tUse\nsda\t91 %\n\nend\n",
            ),
            (
                "<table><tr><td><table><tr><td>a</td></tr></table></td><td>b</td></tr></table>",
                "a\n\nb\n",
            ),
            (
                "<ul><li>one<li>two<ol><li>x</li><li>y</li></ol></ul>z",
                "- one\n- two\n  1. x\n  2. y\n\nz\n",
            ),
            (
                "<a href='https://x.example/?a=1&amp;b=2'>here</a>.",
                "here <https://x.example/?a=1&b=2>.\n",
            ),
            ("<a class=x href=/disk target=_top>disk</a>", "disk </disk>\n"),
            (
                "<a href=\"https://x.example/\">x.example</a> <a href=mailto:a@b>a@b</a>",
                "x.example a@b\n",
            ),
            ("<a name=top>a</a><a href='#top'>up</a>", "aup\n"),
            (
                "<a href=\"http://x/\"><img src=y alt='Graph &lt;1&gt;'></a>",
                "[Graph <1>] <http://x/>\n",
            ),
            ("<p>x</p><pre>\na    b\n  c  d\n\ne</pre>y", "x\n\na    b\n  c  d\n\ne\n\ny\n"),
            ("&lt;&#65;&#x42;&nbsp;&uuml;&#150;&bogus;&&amp;&copy", "<AB ü–&bogus;&&&copy\n"),
            ("a<!-- b > c -->d<style>p { x }</style>e<SCRIPT>'<p>'</script >f", "adef\n"),
            ("<!DOCTYPE html><html><head><title>t</title></head><body>x</body></html>", "x\n"),
            // Malformed HTML, as it is often sent.
            ("1 < 2, 3 > 2, <root@host> <3 a<b", "1 < 2, 3 > 2, <root@host> <3 a<b\n"),
            ("<p title=\"a > b\">x</p><p title='>y", "x\n\ny\n"),
            ("a<!-- b", "a b\n"),
            ("a<style>b", "ab\n"),
            ("a <b", "a <b\n"),
            ("</table></td></ul></pre></a></ol>x<", "x<\n"),
            ("", ""),
            ("<p>&nbsp;</p><br>", ""),
        ] {
            assert_eq!(shown(html), wanted, "{html}");
        }
        let latin = readable(b"<p>gr\xfc\xdfe</p>");
        assert_eq!(latin, b"gr\xfc\xdfe\n", "bytes of another character set stay");
    }

    /// Guards against quadratic time: a scan to the end of the page for each tag would take hours
    /// here.
    #[test]
    fn no_page_takes_long() {
        for piece in
            ["<a ", "<!--", "<style>", "<a href='", "&", "<", "<li>", "<ul>", "<a x=\">", "&#"]
        {
            let page = piece.repeat((1 << 18) / piece.len());
            assert!(readable(page.as_bytes()).len() <= 4 * page.len(), "{piece}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(400))]

        #[test]
        fn words_stay_whatever_the_tags_are(
            pieces in prop::collection::vec(prop::sample::select(vec![
                "<p>", "</p>", "<table>", "<tr>", "<td>", "</td>", "</table>", "<li>", "<ul>",
                "</ul>", "<pre>", "</pre>", "\n", " ", "<br>", "<a href=x>", "</a>",
                "<div class='a'>", "<!-- c -->", "&amp;", "&", "<", ">", "<hr>", "<img alt=pic>",
                "<style>", "<!--", "\"", "'", "=",
            ]), 0..30),
            noise in prop::collection::vec(any::<u8>(), 0..30),
        ) {
            let mut page = Vec::new();
            for (at, piece) in pieces.iter().enumerate() {
                page.extend(format!("{piece}word{at} ").bytes());
            }
            page.extend(&noise);
            let text = String::from_utf8_lossy(&readable(&page)).into_owned();
            let whole = String::from_utf8_lossy(&page);
            // The word may be missing only inside a comment, a tag or a style sheet.
            let is_clean = !pieces.iter().any(|piece| ["<", "<!--", "<style>"].contains(piece));
            if is_clean && !whole.contains("-->") {
                for at in 0..pieces.len() {
                    let word = format!("word{at}");
                    prop_assert!(text.contains(&word), "{word} of {whole:?} is not in {text:?}");
                }
            }
            prop_assert!(text.len() <= 8 * page.len() + 16);
        }
    }
}
