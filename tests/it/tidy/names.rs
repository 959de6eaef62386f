//! A type name has one owner, and a method is not named by a verb that could be anything.

use std::collections::BTreeMap;

use super::ceilings::{Figure, NAMES, VERBS, hold};
use super::imports::part;
use super::tree::Tree;

/// The names of types that are defined more than once, each with all its files.
fn shared(tree: &Tree) -> Figure {
    let mut owners: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (path, file) in &tree.files {
        for def in file.defs.iter().filter(|def| def.is_type()) {
            owners.entry(&def.name).or_default().push(format!("{path}:{}", def.line));
        }
    }
    let shared = owners.iter().filter(|(_, places)| places.len() > 1);
    let places = shared.map(|(name, places)| format!("{name}: {}", places.join(", ")));
    Figure::count("type names with several owners", places.collect())
}

/// Verbs that say nothing without their object. Methods of traits have the names of the trait.
const BARE: &[&str] = &["told", "tell", "cut", "take", "give", "pass", "next", "of"];

/// Methods that are named by a bare verb, by part.
fn bare(tree: &Tree) -> Vec<Figure> {
    let mut parts: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (path, file) in &tree.files {
        for block in file.impls.iter().filter(|block| block.traits.is_empty()) {
            let methods = block.methods.iter().filter(|method| BARE.contains(&&*method.name));
            let places = methods.map(|method| {
                format!("{path}:{}: {}::{}", block.line, block.of.join("::"), method.name)
            });
            parts.entry(part(path)).or_default().extend(places);
        }
    }
    parts.retain(|_, places| !places.is_empty());
    parts.into_iter().map(|(part, places)| Figure::count(part, places)).collect()
}

#[test]
fn a_method_has_a_name_of_its_own() {
    hold(VERBS, &bare(Tree::read()));
}

#[test]
fn a_bare_verb_bites() {
    let value = |text| bare(&Tree::from_texts(&[("a/b.rs", text)])).len();
    assert_eq!(value("struct A; impl A { pub fn take(self) {} }"), 1);
    assert_eq!(value("impl A { fn of(&self) { self.x() } } fn told() {}"), 1);
    assert_eq!(value("impl Iterator for A { fn next(&mut self) { b.take() } } fn told() {}"), 0);
    assert_eq!(value("impl A { fn take_parked(self) {} }"), 0);
}

#[test]
fn a_type_name_has_one_owner() {
    hold(NAMES, &[shared(Tree::read())]);
}

#[test]
fn a_second_owner_bites() {
    let value = |a: &str, b: &str| shared(&Tree::from_texts(&[("a.rs", a), ("b.rs", b)])).value;
    for a in ["struct A;", "pub enum A {}", "pub(crate) trait A {}", "type A = u8;"] {
        assert_eq!(value(a, "struct A(u8);"), 1, "{a}");
        assert_eq!(value(a, "use crate::a::A; impl A { fn f(a: A) {} } struct B;"), 0, "{a}");
        assert_eq!(value(a, "impl T for B { type A = u8; } trait T { type A; }"), 0, "{a}");
        assert_eq!(value(a, "#[cfg(test)] mod tests { struct A; }"), 0, "{a}");
    }
}
