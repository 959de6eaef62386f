//! Reading of a damaged table all rows that can be read.
//!
//! A damaged page ends a scan in the middle of a table. What is behind it is reached from the other
//! end, and what lies between two damaged pages by looking in between.

use crate::store::limits::SALVAGE_SEARCHES_MAX;
use rusqlite::types::{Value, ValueRef};
use rusqlite::{Connection, ErrorCode, Params, Rows, Statement, params_from_iter};

/// Number of times that an unreadable gap is halved in search of readable rows.
const HALVINGS: u32 = 10;
/// The same beyond the last row that can be read, and how far that is, in doublings.
const HALVINGS_BEYOND: u32 = 4;
const STEPS: u32 = 40;

/// A table, and how its rows are in order.
pub(super) struct SalvagedTable {
    pub(super) name: &'static str,
    /// `None`: by their rowid.
    key: Option<[&'static str; 2]>,
}

/// All tables. Those that others name are first.
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

/// Result for one table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Copied {
    /// Rows that were read.
    pub(super) rows: u64,
    /// Something of it cannot be read.
    pub(super) is_damaged: bool,
}

/// Copies what can be read of a table into the empty one of another database. Only an error of that
/// one is an error.
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

/// Rowids between two, neither of which is searched for.
struct UnreadRange {
    after: i64,
    before: i64,
    /// Number of times that it may be halved.
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
    /// All rows, from one end and, if that does not reach the other, from there.
    fn both_ways(&mut self, orders: [&'static str; 2]) -> rusqlite::Result<()> {
        for order in orders {
            // The rowid of a table without one is not asked for.
            let sql = format!("SELECT 0, * FROM {} ORDER BY {order}", self.name);
            if self.scan(&sql, (), |_| true)?.is_whole {
                return Ok(());
            }
            self.copied.is_damaged = true;
        }
        Ok(())
    }

    /// Copies the rows of all rowids: what is left between two damaged pages is searched in turn.
    fn by_rowid(&mut self) -> rusqlite::Result<()> {
        let mut left = vec![UnreadRange { after: i64::MIN, before: i64::MAX, halvings: HALVINGS }];
        while let Some(gap) = left.pop() {
            let mut parts = self.between(&gap)?;
            // The first part is searched first, and all that it leaves before the second.
            parts.reverse();
            left.append(&mut parts);
        }
        Ok(())
    }

    /// Copies rows of a gap from both of its ends. Returns what is to be searched in between.
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
            // A damaged page may lead to another, and that back again.
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
            // Where the end is cannot be read: it is looked for in longer and longer steps.
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

    /// A row that cannot be what the table had counts for damage.
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

    /// Copies the rows of a query as long as they can be read and `goes_on` says so.
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

/// The next row: its rowid and its columns, if they can be values.
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
