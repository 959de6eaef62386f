//! Imports run one way: no circles of files, and no root that takes from its own leaves.

use std::collections::BTreeMap;

use super::ceilings::{CIRCLES, Figure, LEAVES, hold};
use super::graph::{Graph, circles};
use super::tree::Tree;

/// The only root that may take from its leaves: where verbs are handed to their files.
const DISPATCH: &str = "src/cli/mod.rs";

/// Files that import one another in circles, by part. What a root takes from its leaves is counted
/// by [`to_leaves`].
fn in_circles(tree: &Tree) -> Vec<Figure> {
    let mut graph = Graph::new();
    for arrow in tree.arrows().into_iter().filter(|arrow| !arrow.is_to_leaf()) {
        graph.entry(arrow.from).or_default().insert(arrow.to);
    }
    let mut parts: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for circle in circles(&graph) {
        for file in &circle {
            let others = graph[*file].iter().filter(|to| circle.contains(to.as_str()));
            let others: Vec<_> = others.map(String::as_str).collect();
            let place = format!("{file} takes from {}", others.join(", "));
            parts.entry(part(file)).or_default().push(place);
        }
    }
    parts.into_iter().map(|(part, places)| Figure::count(part, places)).collect()
}

/// Arrows from a root to a file below its folder, by part.
fn to_leaves(tree: &Tree) -> Vec<Figure> {
    let mut arrows: BTreeMap<(String, String), usize> = BTreeMap::new();
    for arrow in tree.arrows() {
        if arrow.is_to_leaf() && arrow.from != DISPATCH {
            arrows.entry((arrow.from, arrow.to)).or_insert(arrow.line);
        }
    }
    let mut parts: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for ((from, to), line) in arrows {
        parts.entry(part(&from).into()).or_default().push(format!("{from}:{line}: {to}"));
    }
    parts.into_iter().map(|(part, places)| Figure::count(&part, places)).collect()
}

/// The part of the crate that a file belongs to.
pub(super) fn part(path: &str) -> &str {
    let inside = path.strip_prefix("src/").unwrap_or(path);
    inside.split(['/', '.']).next().unwrap_or(inside)
}

#[test]
fn no_files_import_one_another() {
    hold(CIRCLES, &in_circles(Tree::read()));
}

#[test]
fn no_root_imports_its_leaves() {
    hold(LEAVES, &to_leaves(Tree::read()));
}

fn values(figures: &[Figure]) -> Vec<(&str, usize)> {
    figures.iter().map(|figure| (figure.name.as_str(), figure.value)).collect()
}

#[test]
fn circles_bite() {
    for texts in [
        &[("a/b.rs", "use super::c::C; struct B;"), ("a/c.rs", "use crate::a::b::B; struct C;")],
        &[("a/b.rs", "use super::{c::{self, D}, e}; struct B;"), ("a/c.rs", "use super::b::B;")],
        &[("a/b.rs", "fn f() { super::c::f() }"), ("a/c.rs", "use super::b; fn f() { b::f() }")],
    ] {
        let root = ("a/mod.rs", "mod b; mod c;");
        let texts = [&texts[..], &[root]].concat();
        assert_eq!(values(&in_circles(&Tree::from_texts(&texts))), [("a", 2)], "{texts:?}");
    }
    // Over a re-export of a root, and over a name that the root has for itself.
    for root in ["mod b; mod c; pub use c::C;", "mod b; mod c; use c::C;"] {
        let texts =
            [("a/mod.rs", root), ("a/b.rs", "use super::C;"), ("a/c.rs", "use super::b::f;")];
        assert_eq!(values(&in_circles(&Tree::from_texts(&texts))), [("a", 2)], "{root}");
    }
}

#[test]
fn no_circle_is_seen_where_none_is() {
    for texts in [
        &[("a.rs", "mod b; pub use b::B; fn f() {}"), ("a/b.rs", "use super::f; struct B;")],
        &[("a.rs", "mod b; use b::B;"), ("a/b.rs", "#[cfg(test)] mod t { use super::f; }")],
        &[("a.rs", "mod b; use b::B; fn f() {}"), ("a/b.rs", "use super::f; struct B;")],
        &[("a.rs", "mod b; fn f(b: b::B) {}"), ("a/b.rs", "struct B; fn f(a: other::a::A) {}")],
    ] {
        assert_eq!(values(&in_circles(&Tree::from_texts(texts))), [], "{texts:?}");
    }
    let texts = [
        ("a.rs", "#[cfg(test)]\nmod b; fn f() {}"),
        ("a/b.rs", "use super::f; use crate::c::C;"),
        ("c.rs", "use crate::a::f; struct C;"),
    ];
    assert_eq!(values(&in_circles(&Tree::from_texts(&texts))), []);
}

#[test]
fn leaves_bite() {
    for root in ["use b::B;", "use self::b::B;", "use crate::a::b::B;", "fn f() { b::g() }"] {
        let text = format!("mod b; {root}");
        let texts = [("a/mod.rs", text.as_str()), ("a/b.rs", "struct B; fn g() {}")];
        assert_eq!(values(&to_leaves(&Tree::from_texts(&texts))), [("a", 1)], "{root}");
    }
    let root = "mod b; pub use b::B; struct A { b: B }";
    let texts = [("a.rs", root), ("a/b.rs", "struct B;")];
    assert_eq!(values(&to_leaves(&Tree::from_texts(&texts))), [("a", 1)]);
    for root in ["pub use b::B;", "pub(crate) use b::B;", "mod b;", "use crate::c::C;"] {
        let text = format!("mod b; {root}");
        let texts = [("a.rs", text.as_str()), ("a/b.rs", "struct B;"), ("c.rs", "struct C;")];
        assert_eq!(values(&to_leaves(&Tree::from_texts(&texts))), [], "{root}");
    }
}
