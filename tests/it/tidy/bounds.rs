//! The bounds of a part stand together, in its `limits.rs`; those of a part of one file in it.

use std::collections::BTreeMap;

use super::ceilings::{BOUNDS, Figure, hold};
use super::imports::part;
use super::items::Kind;
use super::tree::Tree;

/// Ends of the names of bounds.
const ENDS: &[&str] = &["_MAX", "_MIN"];

/// Files with bounds that are not the one for them, by part.
fn scattered(tree: &Tree) -> Vec<Figure> {
    let mut parts: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (path, file) in &tree.files {
        let part = part(path);
        let is_home = [format!("src/{part}/limits.rs"), format!("src/{part}.rs")].contains(path);
        let is_bound = |name: &str| ENDS.iter().any(|end| name.ends_with(end));
        let bounds = file.defs.iter().filter(|def| def.kind == Kind::Const && is_bound(&def.name));
        let bounds: Vec<_> = bounds.map(|def| def.name.as_str()).collect();
        if !is_home && !bounds.is_empty() {
            parts.entry(part).or_default().push(format!("{path}: {}", bounds.join(", ")));
        }
    }
    parts.into_iter().map(|(part, places)| Figure::count(part, places)).collect()
}

#[test]
fn bounds_stand_together() {
    hold(BOUNDS, &scattered(Tree::read()));
}

#[test]
fn a_bound_elsewhere_bites() {
    let value = |path: &str, text: &str| {
        let tree = Tree::from_texts(&[(path, text)]);
        scattered(&tree).iter().map(|figure| figure.value).sum::<usize>()
    };
    let bounds = "pub(super) const A_MAX: usize = 4; const B_LEN_MIN: u8 = 1;";
    assert_eq!(value("a/b.rs", bounds), 1);
    assert_eq!(value("a/mod.rs", bounds), 1);
    assert_eq!(value("a/limits.rs", bounds), 0);
    assert_eq!(value("a.rs", bounds), 0);
    assert_eq!(value("a/b.rs", "const A_MS: u64 = 4; use super::limits::A_MAX;"), 0);
    assert_eq!(value("a/b.rs", "#[cfg(test)] mod tests { const A_MAX: u8 = 1; }"), 0);
}
