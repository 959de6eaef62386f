//! Methods of a type do not call one another in a circle.

use std::collections::BTreeMap;

use super::ceilings::{CYCLES, Figure, hold};
use super::graph::{Graph, circles};
use super::imports::part;
use super::tree::Tree;

/// Methods that lead back to themselves by calls on `self`, by part.
fn in_cycles(tree: &Tree) -> Vec<Figure> {
    let mut types: BTreeMap<(&str, &str), Graph> = BTreeMap::new();
    for (path, file) in &tree.files {
        for block in &file.impls {
            let Some(name) = block.of.last() else { continue };
            let graph = types.entry((part(path), name)).or_default();
            for method in &block.methods {
                graph.entry(method.name.clone()).or_default().extend(method.calls.clone());
            }
        }
    }
    let mut parts: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for ((part, name), graph) in &types {
        for method in circles(graph).into_iter().flatten() {
            parts.entry(part).or_default().push(format!("{name}::{method}"));
        }
    }
    parts.into_iter().map(|(part, places)| Figure::count(part, places)).collect()
}

#[test]
fn no_methods_call_one_another_in_a_circle() {
    hold(CYCLES, &in_cycles(Tree::read()));
}

#[test]
fn a_cycle_bites() {
    let value = |a: &str, b: &str| {
        let tree = Tree::from_texts(&[("a/b.rs", a), ("a/c.rs", b)]);
        in_cycles(&tree).iter().map(|figure| figure.value).sum::<usize>()
    };
    let b = "impl<'a, T> B<'a, T> where T: X { fn f(&self) -> impl Y { x(|| self.g(1)) } }";
    assert_eq!(value(b, "impl super::b::B<'_, u8> { fn g(&self) { Self::f(self) } }"), 2);
    assert_eq!(value(b, "impl X for B<'_, u8> { fn g(&self) { self.f::<u8>() } }"), 2);
    assert_eq!(value("impl B { fn f(&self) { self.f() } }", ""), 1);
    assert_eq!(value(b, "impl B { fn g(&self) { self.a.f(); other.f(); f() } }"), 0);
    assert_eq!(value(b, "impl C { fn g(&self) { self.f() } }"), 0);
}
