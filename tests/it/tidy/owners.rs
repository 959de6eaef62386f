//! State has one owner: fields are private where there are methods, and the methods of a type stand
//! in its file or below it.

use std::collections::{BTreeMap, BTreeSet};

use super::ceilings::{FIELDS, Figure, HUB, IMPLS, hold};
use super::imports::part;
use super::items::{Impl, Kind};
use super::tree::{File, Tree};

/// Fields that are not private, of types with methods of their own, by part.
fn open_fields(tree: &Tree) -> Vec<Figure> {
    let own = tree.files.values().flat_map(|file| {
        let blocks = file.impls.iter().filter(|block| is_own(block) && !block.methods.is_empty());
        blocks.filter_map(|block| Some((tree.owner(file, &block.of)?, block.of.last()?)))
    });
    let own: BTreeSet<(&str, &String)> = own.collect();
    let mut parts: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (path, file) in &tree.files {
        for def in file.defs.iter().filter(|def| own.contains(&(path, &def.name))) {
            let places = def.open.iter().map(|field| {
                format!("{path}:{}: {} {}::{}", def.line, field.visibility, def.name, field.name)
            });
            parts.entry(part(path)).or_default().extend(places);
        }
    }
    parts.retain(|_, places| !places.is_empty());
    parts.into_iter().map(|(part, places)| Figure::count(part, places)).collect()
}

/// Impls that stand away from their type, by part: neither in its file nor below it. That of a
/// trait may stand with the trait or with a type that it converts from.
fn strays(tree: &Tree) -> Vec<Figure> {
    let mut parts: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (path, file) in &tree.files {
        for block in &file.impls {
            let Some(owner) = tree.owner(file, &block.of) else { continue };
            let near =
                |of: &[String]| tree.owner(file, of).is_some_and(|of| tree.is_near(file, of));
            if !near(&block.of) && !block.traits.iter().any(|of| near(of)) {
                let place = format!("{path}:{}: {} of {owner}", block.line, block.of.join("::"));
                parts.entry(part(path)).or_default().push(place);
            }
        }
    }
    parts.into_iter().map(|(part, places)| Figure::count(part, places)).collect()
}

/// Files that know a type and are where its fields are visible.
fn touching(tree: &Tree, name: &str) -> Figure {
    let mut places = vec![];
    let is_type = |kind: Kind| kind == Kind::Struct || kind == Kind::Enum;
    for (owner, home) in &tree.files {
        let defs = home.defs.iter().filter(|def| def.name == name && is_type(def.kind));
        for scope in defs.map(|def| scope(home, def.open.iter().map(|f| f.visibility.as_str()))) {
            let within = tree.files.iter().filter(|(_, file)| file.module.starts_with(scope));
            let knows = within.filter(|(path, file)| *path == owner || file.knows(name));
            places.extend(knows.map(|(path, _)| path.clone()));
        }
    }
    Figure::count(&format!("files that may touch a field of {name}"), places)
}

/// The module within which the most visible field of a type in `home` is visible.
fn scope<'a>(home: &File, mut visibilities: impl Iterator<Item = &'a str>) -> &[String] {
    let parent = home.module.split_last().map_or(&home.module[..], |(_, parent)| parent);
    match visibilities.find(|visibility| *visibility != "self") {
        None => &home.module,
        Some("super") => parent,
        Some(_) => &[],
    }
}

fn is_own(block: &Impl) -> bool {
    block.traits.is_empty()
}

impl Tree {
    /// The file of a type of this crate that `path` in `file` names.
    fn owner(&self, file: &File, path: &[String]) -> Option<&str> {
        if let [name] = path
            && file.defs.iter().any(|def| def.name == *name)
        {
            return self
                .files
                .iter()
                .find(|(_, other)| other.module == file.module)
                .map(|(path, _)| path.as_str());
        }
        self.definer(file, path)
    }

    /// True when `file` is the one at `owner`, or below it.
    fn is_near(&self, file: &File, owner: &str) -> bool {
        self.files.get(owner).is_some_and(|home| file.module.starts_with(&home.module))
    }
}

#[test]
fn fields_are_private_where_there_are_methods() {
    hold(FIELDS, &open_fields(Tree::read()));
}

#[test]
fn impls_stand_with_their_types() {
    hold(IMPLS, &strays(Tree::read()));
}

#[test]
fn the_hub_alone_touches_its_fields() {
    let figure = touching(Tree::read(), "Hub");
    assert!(figure.value > 0, "no type is called so any more");
    hold(HUB, &[figure]);
}

fn value(figures: &[Figure]) -> usize {
    figures.iter().map(|figure| figure.value).sum()
}

#[test]
fn open_fields_bite() {
    let value = |text: &str| value(&open_fields(&Tree::from_texts(&[("a/b.rs", text)])));
    let block = "impl<T> A<T> { fn f(&self) {} }";
    for (text, count) in [
        ("struct A<T> { pub a: T, b: u8, pub(super) c: [u8; 2] }", 2),
        ("pub struct A<T>(pub T, u8);", 1),
        ("struct A<T> { a: T }", 0),
        ("pub(crate) struct A<T>(T);", 0),
        ("pub struct B { pub b: u8 }", 0),
    ] {
        assert_eq!(value(&format!("{text} {block}")), count, "{text}");
        assert_eq!(value(&format!("{text} impl<T> Clone for A<T> {{ fn f() {{}} }}")), 0);
    }
    // Methods of another file count.
    let texts = [("a/b.rs", "pub struct A { pub a: u8 }"), ("a/c.rs", "use super::b::A;")];
    assert_eq!(open_fields(&Tree::from_texts(&texts)).len(), 0);
    let texts = [texts[0], ("a/c.rs", "use super::b::A; impl A { fn f() {} }")];
    assert_eq!(open_fields(&Tree::from_texts(&texts)).len(), 1);
}

#[test]
fn strays_bite() {
    let own = "use crate::a::A; impl A {}";
    for (path, text, count) in [
        ("a/b.rs", own, 0),
        ("c.rs", own, 1),
        ("c.rs", "use crate::a::A; trait T {} impl T for A {}", 0),
        ("c.rs", "use crate::a::A; struct C; impl From<C> for A {}", 0),
        ("c.rs", "use crate::a::A; struct C; impl From<A> for C {}", 0),
        ("c.rs", "impl std::fmt::Display for crate::a::A {}", 1),
        ("c.rs", "impl A { } struct A; impl<'a> B<'a> {}", 0),
    ] {
        let texts = [("a.rs", "mod b; struct A;"), (path, text)];
        assert_eq!(value(&strays(&Tree::from_texts(&texts))), count, "{path}: {text}");
    }
}

#[test]
fn touching_bites() {
    for (fields, user, count) in [
        ("a: u8", "use super::A;", 1),
        ("a: u8, pub(super) b: u8", "use super::b::A;", 2),
        ("pub a: u8", "fn f(a: super::b::A) {}", 2),
        ("pub a: u8", "pub use super::b::A;", 1),
        ("pub a: u8", "fn f() {}", 1),
    ] {
        let home = format!("pub struct A {{ {fields} }}");
        let texts = [("x/mod.rs", "mod b; mod c;"), ("x/b.rs", &home), ("x/c.rs", user)];
        assert_eq!(touching(&Tree::from_texts(&texts), "A").value, count, "{fields}: {user}");
    }
}
