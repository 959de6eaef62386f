//! Turns readings into the tables and curves of `docs/PERFORMANCE.md`.
//!
//! `qmsg-report RESULTS.json GROWTH.json [DIRECTORY]`: readings of the comparison
//! (`tests/bench/peers.sh`), readings of `cargo bench --bench growth`, and the directory of the
//! page. `-` for one of the two files leaves its tables as they are. Only text between `<!-- begin
//! NAME -->` and `<!-- end NAME -->` is replaced.

mod curves;
mod plot;
mod results;
mod tables;
mod text;
mod wanted;

use std::path::Path;
use std::{env, fs};

use anyhow::{Context, Result, ensure};
use results::Results;
use serde_json::Value;

/// Names of marked sections, each with its new content.
type Sections = Vec<(&'static str, String)>;

fn main() -> Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [peers, growth, rest @ ..] = &arguments[..] else {
        anyhow::bail!("qmsg-report RESULTS.json GROWTH.json [DIRECTORY]")
    };
    let directory = Path::new(rest.first().map_or("docs", String::as_str));
    let mut sections = Sections::new();
    if let Some(value) = read(peers)? {
        let results = Results::new(value);
        sections.extend(tables::all(&results));
        sections.push(("reached", wanted::table(&results)));
    }
    if let Some(value) = read(growth)? {
        sections.extend(curves::tables(&value));
        for (name, image) in curves::images(&value) {
            fs::write(directory.join(name), image)?;
        }
    }
    let path = directory.join("PERFORMANCE.md");
    let mut page = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    for (name, content) in &sections {
        page = replace(&page, name, content)?;
    }
    fs::write(&path, page)?;
    Ok(())
}

fn read(path: &str) -> Result<Option<Value>> {
    if path == "-" {
        return Ok(None);
    }
    let text = fs::read_to_string(path).with_context(|| path.to_owned())?;
    serde_json::from_str(&text).with_context(|| path.to_owned()).map(Some)
}

/// Replaces the text between the two marks with this name.
fn replace(page: &str, name: &str, content: &str) -> Result<String> {
    let [begin, end] = ["begin", "end"].map(|side| format!("<!-- {side} {name} -->\n"));
    let (before, rest) = page.split_once(&begin).with_context(|| format!("no {begin}"))?;
    let (_, after) = rest.split_once(&end).with_context(|| format!("no {end}"))?;
    ensure!(!after.contains(&begin), "twice: {begin}");
    Ok(format!("{before}{begin}\n{}\n\n{end}{after}", content.trim()))
}
