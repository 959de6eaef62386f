//! Lists: tab-separated for programs, aligned under a heading on a terminal.

use anyhow::Result;

use crate::terminal::print;
use crate::text::visible::visible;

/// Space between two columns on a terminal.
const GAP: &str = "  ";

/// Prints a whole list.
pub(crate) fn print<const N: usize>(heading: [&str; N], rows: &[[String; N]]) -> Result<()> {
    let mut table = ListTable::new(&heading);
    rows.iter().try_for_each(|row| table.add(row))?;
    table.end()
}

/// Rows of a list. For a program each is printed at once.
pub(crate) struct ListTable {
    is_aligned: bool,
    rows: Vec<Vec<String>>,
}

impl ListTable {
    pub(crate) fn new(heading: &[&str]) -> Self {
        let heading = heading.iter().map(|name| (*name).to_owned()).collect();
        Self { is_aligned: print::is_terminal(), rows: vec![heading] }
    }

    pub(crate) fn add(&mut self, row: &[String]) -> Result<()> {
        let cells: Vec<String> = row.iter().map(|cell| one_field(cell)).collect();
        if self.is_aligned {
            self.rows.push(cells);
            return Ok(());
        }
        print::line(&cells.join("\t"))
    }

    /// Prints the rows held back; prints nothing if there is none.
    pub(crate) fn end(self) -> Result<()> {
        if self.rows.len() < 2 {
            return Ok(());
        }
        aligned(&self.rows).iter().try_for_each(|line| print::line(line))
    }
}

/// Returns text of one field, without line ends and tabs.
fn one_field(text: &str) -> String {
    let parts = text.split(['\n', '\r', '\t']).filter(|part| !part.is_empty());
    visible(&parts.collect::<Vec<_>>().join(" "))
}

fn aligned(rows: &[Vec<String>]) -> Vec<String> {
    let len = |cell: &String| cell.chars().count();
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column| rows.iter().filter_map(|row| row.get(column)).map(len).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        cells.collect::<Vec<_>>().join(GAP).trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::aligned;

    #[test]
    fn columns_stand_under_their_heading() {
        let rows = [["ID", "TO", "MESSAGE"], ["1", "@operators", "né"], ["12", "bob", ""]];
        let rows = rows.map(|row| row.map(str::to_owned).to_vec());
        let lines = aligned(&rows);
        assert_eq!(lines, ["ID  TO          MESSAGE", "1   @operators  né", "12  bob"]);
        assert!(aligned(&[]).is_empty());
    }
}
