//! A type name has one owner.

use std::collections::BTreeMap;

use super::ceilings::{Figure, NAMES, hold};
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

#[test]
fn a_type_name_has_one_owner() {
    hold(NAMES, &[shared(&Tree::of_src())]);
}

#[test]
fn a_second_owner_bites() {
    let value = |a: &str, b: &str| {
        let texts = [("src/a.rs".to_string(), a.into()), ("src/b.rs".to_string(), b.into())];
        shared(&Tree::new(texts)).value
    };
    for a in ["struct A;", "pub enum A {}", "pub(crate) trait A {}", "type A = u8;"] {
        assert_eq!(value(a, "struct A(u8);"), 1, "{a}");
        assert_eq!(value(a, "use crate::a::A; impl A { fn f(a: A) {} } struct B;"), 0, "{a}");
        assert_eq!(value(a, "impl T for B { type A = u8; } trait T { type A; }"), 0, "{a}");
        assert_eq!(value(a, "#[cfg(test)] mod tests { struct A; }"), 0, "{a}");
    }
}
