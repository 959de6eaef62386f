//! Pages that draw the tree agree with it: the parts are the same in all of them, a part uses what
//! its row says, and the paths that a page names exist.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use super::source::Source;
use super::tree::Tree;
use super::{ANY, PARTS, dependencies, files, named_parts};

/// Files of the crate that are no part: its two roots.
const ROOTS: &[&str] = &["main", "lib"];

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// The parts in the tree: each file and folder at its top.
fn parts(tree: &Tree) -> BTreeSet<String> {
    let parts = tree.files.keys().map(|path| super::imports::part(path).to_string());
    parts.filter(|part| !ROOTS.contains(&part.as_str())).collect()
}

/// The parts in the first column of the table in `src/lib.rs`, each between backticks: public ones
/// are links, private ones cannot be.
fn of_map(text: &str) -> BTreeSet<String> {
    let rows = text.lines().filter_map(|line| line.strip_prefix("//! | "));
    let cells = rows.filter_map(|row| row.split(" | ").next());
    cells.flat_map(|cell| cell.split('`').skip(1).step_by(2)).map(str::to_string).collect()
}

/// The parts in the lines of a page that begin with a path: `src/name/` or `src/name.rs`.
fn of_page(text: &str) -> BTreeSet<String> {
    let is_row = |line: &&str| line.starts_with("    src/") || line.starts_with("| `src/");
    let paths = text.lines().filter(is_row).flat_map(named_paths);
    let tops = paths.filter_map(|path| {
        let inside = path.strip_prefix("src/")?.trim_end_matches('/').to_string();
        (!inside.contains('/')).then(|| inside.trim_end_matches(".rs").to_string())
    });
    tops.filter(|part| !ROOTS.contains(&part.as_str())).collect()
}

/// Paths of the repository's sources in a line of text.
fn named_paths(line: &str) -> Vec<&str> {
    let ends = |c: char| !c.is_alphanumeric() && !"/._-".contains(c);
    let words = line.split(ends).map(|word| word.trim_end_matches('.'));
    words.filter(|word| ["src/", "tests/"].iter().any(|top| word.starts_with(top))).collect()
}

/// The filters of `cargo test` in a text, each with the variables set before it.
fn commands(text: &str) -> Vec<(Vec<&str>, &str)> {
    let spans = text.split(['\n', '`']);
    let commands = spans.filter_map(|span| {
        let (variables, run) = span.split_once("cargo test ")?;
        let variables = variables.split_whitespace().filter_map(|word| word.split_once('='));
        let name = run.split_once("--test it ")?.1.split(' ').next()?;
        Some((variables.map(|(name, _)| name).collect(), name))
    });
    commands.collect()
}

/// Parts and crates that a row of [`PARTS`] allows and no file of the part uses.
fn unused(tree: &Tree, rows: &[(&str, &[&str], &[&str])]) -> Vec<String> {
    let mut used: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    let crates = dependencies();
    for (path, file) in &tree.files {
        let source = Source::new(path, &file.text);
        let names = used.entry(super::imports::part(path)).or_default();
        names.extend(named_parts(&source).into_iter().map(|(_, name)| name.to_string()));
        let is_named = |name: &&String| !source.named_behind(&format!("{name}::")).is_empty();
        names.extend(crates.iter().filter(is_named).cloned());
    }
    let mut found = vec![];
    for (part, parts, crates) in rows {
        let allowed = parts.iter().chain(*crates).filter(|name| **name != ANY);
        let needed = used.get(part);
        let unused = allowed.filter(|name| !needed.is_some_and(|used| used.contains(**name)));
        found.extend(unused.map(|name| format!("{part} does not use {name}")));
    }
    found
}

#[test]
fn every_drawing_has_every_part() {
    let tree = parts(Tree::read());
    let rows = PARTS.iter().map(|(part, ..)| part.to_string());
    let rows: BTreeSet<_> = rows.filter(|part| !ROOTS.contains(&part.as_str())).collect();
    assert_eq!(rows, tree, "PARTS and src");
    assert_eq!(of_map(&read("src/lib.rs")), tree, "the map in src/lib.rs, and src");
    for page in ["README.md", "CONTRIBUTING.md"] {
        assert_eq!(of_page(&read(page)), tree, "{page} and src");
    }
}

#[test]
fn a_part_uses_what_its_row_allows() {
    let unused = unused(Tree::read(), PARTS);
    assert!(unused.is_empty(), "\n{}", unused.join("\n"));
}

#[test]
fn commands_in_contributing_can_be_run() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = read("CONTRIBUTING.md");
    let mut paths = vec![];
    files(root, &root.join("tests/it"), &mut paths).unwrap();
    paths.retain(|path| path.ends_with(".rs"));
    let sources: String = paths.iter().map(|path| read(path)).collect();
    let commands = commands(&page);
    assert!(commands.len() >= 8, "{commands:?}");
    for (variables, name) in commands {
        let path = format!("tests/it/{}.rs", name.trim_end_matches("::").replace("::", "/"));
        assert!(paths.contains(&path), "no tests {name}");
        for variable in variables {
            assert!(sources.contains(&format!("\"{variable}\"")), "nothing reads {variable}");
        }
    }
}

#[test]
fn paths_in_pages_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for page in ["README.md", "CONTRIBUTING.md", "docs/RELIABILITY.md", "docs/PERFORMANCE.md"] {
        let text = read(page);
        let paths = text.lines().zip(1..);
        let paths =
            paths.flat_map(|(line, at)| named_paths(line).into_iter().map(move |p| (at, p)));
        let missing: Vec<_> = paths.filter(|(_, path)| !root.join(path).exists()).collect();
        assert!(missing.is_empty(), "{page}: {missing:?}");
    }
}

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_string()).collect()
}

#[test]
fn drawings_are_read() {
    let map = "//! | part |\n//! | [`a`], [`b`] | of [`c`] |\n//! | `e` | `f` |\n//! see [`d`]";
    assert_eq!(of_map(map), set(&["a", "b", "e"]));
    let page = "    src/main.rs   x\n    src/a/  y   src/b.rs  z\nsee src/c.rs\n\
                | `src/d/`, `src/e.rs` | not `src/f/g.rs` |\n    src/lib.rs\n";
    assert_eq!(of_page(page), set(&["a", "b", "d", "e"]));
    let run = "see `A=1 B=2 cargo test --test it a::b -- --x` and\n$ cargo test --test it c::\n";
    assert_eq!(commands(run), [(vec!["A", "B"], "a::b"), (vec![], "c::")]);
    assert_eq!(named_paths("`src/a.rs`, (tests/it/) mysrc/b"), ["src/a.rs", "tests/it/"]);
}

#[test]
fn an_unused_allowance_bites() {
    let text = "use crate::{b::B, c}; use super::d; use tokio::io; use super::e::E;";
    let tree = Tree::from_texts(&[("a.rs", text)]);
    let rows: &[(&str, &[&str], &[&str])] = &[("a", &["b", "c", "f"], &["tokio", "bytes"])];
    assert_eq!(unused(&tree, rows), ["a does not use f", "a does not use bytes"]);
}
