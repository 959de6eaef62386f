//! Lists: a table with a header on a terminal, and lines of fields with tabs in between for
//! programs.

use anyhow::Result;

use super::print;
use super::render::visible;

/// Prints rows below these names of columns, of which programs need none.
pub(super) fn print<const N: usize>(names: [&str; N], rows: &[[String; N]]) -> Result<()> {
    let is_terminal = print::is_terminal();
    lines(names, rows, is_terminal).iter().try_for_each(|line| print::line(line))
}

fn lines<const N: usize>(names: [&str; N], rows: &[[String; N]], aligned: bool) -> Vec<String> {
    let shown = |row: &[String; N]| row.each_ref().map(|field| one_line(field));
    let rows: Vec<[String; N]> = rows.iter().map(shown).collect();
    if !aligned {
        return rows.iter().map(|row| row.join("\t")).collect();
    }
    if rows.is_empty() {
        return Vec::new();
    }
    let names = names.map(str::to_owned);
    let all = || std::iter::once(&names).chain(&rows);
    let width = |at: usize| all().map(|row| row[at].chars().count()).max().unwrap_or_default();
    let widths: [usize; N] = std::array::from_fn(width);
    let line = |row: &[String; N]| {
        let fields = row.iter().zip(widths).map(|(field, width)| format!("{field:width$}"));
        fields.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    all().map(line).collect()
}

/// A field has no line end and no tab, whoever wrote it.
fn one_line(text: &str) -> String {
    let is_gap = |c: char| matches!(c, '\n' | '\r' | '\t');
    visible(&text.split(is_gap).filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" "))
}

#[cfg(test)]
mod tests {
    use super::lines;

    #[test]
    fn people_see_columns_and_programs_get_tabs() {
        let rows =
            [["1".into(), "a\tb\nc".into(), "x".into()], ["22".into(), "d".into(), String::new()]];
        let names = ["ID", "TITLE", "REASON"];
        assert_eq!(lines(names, &rows, false), ["1\ta b c\tx", "22\td\t"]);
        let wanted = ["ID  TITLE  REASON", "1   a b c  x", "22  d"];
        assert_eq!(lines(names, &rows, true), wanted);
        assert_eq!(lines(names, &[], true), Vec::<String>::new());
        let forged = [["1".into(), "\u{1b}[2J\u{202e}".into(), "ü".into()]];
        assert!(!lines(names, &forged, true).concat().contains(['\u{1b}', '\u{202e}']));
    }
}
