//! Salvage of a damaged table: reads all rows that can be read.
//!
//! A scan of a table ends at a damaged page. The rows after it are read from the other end, and
//! rows between two damaged pages are found by searching the gap.

use crate::store::limits::SALVAGE_SEARCHES_MAX;
use rusqlite::types::{Value, ValueRef};
use rusqlite::{Connection, ErrorCode, Params, Rows, Statement, params_from_iter};

/// Number of times that an unreadable gap is halved in search of readable rows.
const HALVINGS: u32 = 10;
/// Number of times that a gap after the last readable row is halved.
const HALVINGS_BEYOND: u32 = 4;
/// Doublings of the step in the search for the end of a table.
const STEPS: u32 = 40;

/// A table and the order of its rows.
pub(super) struct SalvagedTable {
    pub(super) name: &'static str,
    /// Columns that order the rows, ascending and descending. `None`: the rowid.
    key: Option<[&'static str; 2]>,
}

/// All tables, each after the tables that its rows refer to.
pub(super) const TABLES: [SalvagedTable; 20] = [
    rows("state"),
    rows("user"),
    rows("room"),
    rows("log"),
    rows("run"),
    rows("part"),
    rows("upload"),
    rows("loose"),
    rows("shared"),
    rows("sent"),
    keyed("keyed", ["id, user", "id DESC, user DESC"]),
    keyed("cursor", ["user, log", "user DESC, log DESC"]),
    keyed("member", ["log, id", "log DESC, id DESC"]),
    rows("verdict"),
    keyed("drawer", ["user, kind", "user DESC, kind DESC"]),
    rows("letter"),
    keyed("expiring", ["log, at_ms, seq", "log DESC, at_ms DESC, seq DESC"]),
    keyed("expired", ["log, seq", "log DESC, seq DESC"]),
    keyed("code", ["hash", "hash DESC"]),
    keyed("meta", ["name", "name DESC"]),
];

const fn rows(name: &'static str) -> SalvagedTable {
    SalvagedTable { name, key: None }
}

const fn keyed(name: &'static str, key: [&'static str; 2]) -> SalvagedTable {
    SalvagedTable { name, key: Some(key) }
}

/// Result of copying one table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Copied {
    /// Rows that were read.
    pub(super) rows: u64,
    /// True if some of the table could not be read.
    pub(super) is_damaged: bool,
}

/// Copies all readable rows of a table into the same, empty table of another database. Returns only
/// errors of that other database.
pub(super) fn copy(
    from: &Connection,
    to: &Connection,
    table: &SalvagedTable,
) -> rusqlite::Result<Copied> {
    let columns = to.prepare(&format!("SELECT * FROM {}", table.name))?.column_count();
    let marks = vec!["?"; columns].join(", ");
    let sql = format!("INSERT OR IGNORE INTO {} VALUES ({marks})", table.name);
    let insert = to.prepare(&sql)?;
    let mut copy = Copy {
        from,
        insert,
        name: table.name,
        columns,
        looks: SALVAGE_SEARCHES_MAX,
        copied: Copied::default(),
    };
    match table.key {
        Some(orders) => copy.both_ways(orders)?,
        None => copy.by_rowid()?,
    }
    Ok(copy.copied)
}

/// Range of rowids to search, without its two ends.
struct UnreadRange {
    after: i64,
    before: i64,
    /// Number of times that the range may still be halved.
    halvings: u32,
}

struct Copy<'a> {
    from: &'a Connection,
    insert: Statement<'a>,
    name: &'static str,
    columns: usize,
    looks: u32,
    copied: Copied,
}

impl Copy<'_> {
    /// Copies all rows from one end and, if that does not reach the other, from the other end too.
    fn both_ways(&mut self, orders: [&'static str; 2]) -> rusqlite::Result<()> {
        for order in orders {
            // A table without rowids has 0 in that column.
            let sql = format!("SELECT 0, * FROM {} ORDER BY {order}", self.name);
            if self.scan(&sql, (), |_| true)?.is_whole {
                return Ok(());
            }
            self.copied.is_damaged = true;
        }
        Ok(())
    }

    /// Copies all rows in the order of their rowids. Gaps between damaged pages are searched in
    /// turn.
    fn by_rowid(&mut self) -> rusqlite::Result<()> {
        let mut left = vec![UnreadRange { after: i64::MIN, before: i64::MAX, halvings: HALVINGS }];
        while let Some(gap) = left.pop() {
            let mut parts = self.between(&gap)?;
            // The first half is searched, with all of its gaps, before the second.
            parts.reverse();
            left.append(&mut parts);
        }
        Ok(())
    }

    /// Copies rows of a gap from both of its ends. Returns the gaps that remain to be searched.
    fn between(&mut self, gap: &UnreadRange) -> rusqlite::Result<Vec<UnreadRange>> {
        let &UnreadRange { after, before, halvings } = gap;
        if after.checked_add(1).is_none_or(|next| next >= before) || self.looks == 0 {
            return Ok(Vec::new());
        }
        self.looks -= 1;
        let name = self.name;
        let between = "NOT INDEXED WHERE rowid > ?1 AND rowid < ?2 ORDER BY rowid";
        let mut low = after;
        let up = self.scan(&format!("SELECT rowid, * FROM {name} {between}"), (low, before), {
            // A damaged page may link to another, which may link back.
            |row| std::mem::replace(&mut low, row) < row
        })?;
        if up.is_whole {
            return Ok(Vec::new());
        }
        self.copied.is_damaged = true;
        let mut high = before;
        let sql = format!("SELECT rowid, * FROM {name} {between} DESC");
        let down = self.scan(&sql, (low, before), |row| std::mem::replace(&mut high, row) > row)?;
        if down.is_whole || halvings == 0 {
            return Ok(Vec::new());
        }
        if high == i64::MAX {
            // The end of the table is unreadable: it is searched for in ever longer steps.
            let start = low.max(0);
            let steps = (0..STEPS).map(|doublings| 1_i64 << doublings);
            let gaps = steps.map(|step| UnreadRange {
                after: start.saturating_add(step / 2),
                before: start.saturating_add(step).saturating_add(1),
                halvings: HALVINGS_BEYOND,
            });
            return Ok(gaps.collect());
        }
        let middle = low.midpoint(high);
        let halvings = halvings - 1;
        Ok(vec![
            UnreadRange { after: low, before: middle.saturating_add(1), halvings },
            UnreadRange { after: middle, before: high, halvings },
        ])
    }

    /// Inserts a row. A row that the table could not have held counts as damage.
    fn put(&mut self, values: Option<Vec<Value>>) -> rusqlite::Result<()> {
        let Some(values) = values else {
            self.copied.is_damaged = true;
            return Ok(());
        };
        match self.insert.execute(params_from_iter(values)) {
            Ok(rows) => self.copied.rows += rows as u64,
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::ConstraintViolation) => {
                self.copied.is_damaged = true;
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Copies the rows of a query until one cannot be read or `goes_on` returns false.
    fn scan(
        &mut self,
        sql: &str,
        values: impl Params,
        mut goes_on: impl FnMut(i64) -> bool,
    ) -> rusqlite::Result<Scanned> {
        let broken = Ok(Scanned { is_whole: false });
        let Ok(mut statement) = self.from.prepare_cached(sql) else { return broken };
        let Ok(mut rows) = statement.query(values) else { return broken };
        loop {
            match next(&mut rows, self.columns) {
                Ok(None) => return Ok(Scanned { is_whole: true }),
                Ok(Some((rowid, values))) if goes_on(rowid) => {
                    self.put(values)?;
                }
                Ok(Some(_)) | Err(_) => return broken,
            }
        }
    }
}

struct Scanned {
    is_whole: bool,
}

/// Returns the next row, its rowid and its columns, if they can be decoded.
fn next(
    rows: &mut Rows<'_>,
    columns: usize,
) -> rusqlite::Result<Option<(i64, Option<Vec<Value>>)>> {
    let Some(row) = rows.next()? else { return Ok(None) };
    let mut values = Some(Vec::with_capacity(columns));
    for column in 1..=columns {
        let value = match row.get_ref(column)? {
            ValueRef::Text(text) => {
                std::str::from_utf8(text).ok().map(|text| Value::Text(text.to_owned()))
            }
            other => Value::try_from(other).ok(),
        };
        values = values.zip(value).map(|(mut values, value)| {
            values.push(value);
            values
        });
    }
    Ok(Some((row.get(0)?, values)))
}
