//! All of `src` as the rules about more than one file see it: modules, imports, definitions and
//! impls, without the tests.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::OnceLock;
use std::{fs, iter};

use super::files;
use super::items::{Def, Impl, Use};
use super::source::{Source, Token};

/// Most re-exports between a name and its definition.
const HOPS_MAX: usize = 8;

/// The files of a crate, by path.
pub(super) struct Tree {
    pub(super) files: BTreeMap<String, File>,
    modules: BTreeMap<Vec<String>, String>,
}

/// A source file without its tests.
pub(super) struct File {
    /// The whole file, tests included.
    pub(super) text: String,
    pub(super) tokens: Vec<Token>,
    pub(super) uses: Vec<Use>,
    pub(super) defs: Vec<Def>,
    pub(super) impls: Vec<Impl>,
    pub(super) module: Vec<String>,
    children: BTreeSet<String>,
    /// Modules that are tests.
    tests: BTreeSet<String>,
}

impl Tree {
    /// `src` of this repository, read once.
    pub(super) fn read() -> &'static Self {
        static TREE: OnceLock<Tree> = OnceLock::new();
        TREE.get_or_init(|| {
            let root = Path::new(env!("CARGO_MANIFEST_DIR"));
            let mut paths = vec![];
            files(root, &root.join("src"), &mut paths).unwrap();
            paths.retain(|path| path.ends_with(".rs"));
            let read = |path: String| {
                let text = fs::read_to_string(root.join(&path)).unwrap();
                (path, text)
            };
            Self::new(paths.into_iter().map(read))
        })
    }

    /// A tree of small texts below `src`.
    pub(super) fn from_texts(texts: &[(&str, &str)]) -> Self {
        Self::new(texts.iter().map(|(path, text)| (format!("src/{path}"), (*text).to_string())))
    }

    fn new(texts: impl IntoIterator<Item = (String, String)>) -> Self {
        let files = texts.into_iter().map(|(path, text)| {
            let file = File::new(&path, text);
            (path, file)
        });
        let mut files: BTreeMap<String, File> = files.collect();
        let tests: Vec<Vec<String>> = files
            .values()
            .flat_map(|file| file.tests.iter().map(|name| join(&file.module, name)))
            .collect();
        files.retain(|_, file| !tests.iter().any(|test| file.module.starts_with(test)));
        let modules =
            files.iter().map(|(path, file)| (file.module.clone(), path.clone())).collect();
        Self { files, modules }
    }

    /// The file that defines what `path`, as it stands in `file`, names. `None` for a module, and
    /// for what is not of this crate.
    pub(super) fn definer(&self, file: &File, path: &[String]) -> Option<&str> {
        self.find(&self.absolute(file, path, HOPS_MAX)?, HOPS_MAX)
    }

    /// `path` from the root of the crate.
    fn absolute(&self, file: &File, path: &[String], hops: usize) -> Option<Vec<String>> {
        let (head, rest) = path.split_first()?;
        let from = |module: &[String]| Some([module, rest].concat());
        match head.as_str() {
            "crate" | "qmsg" => from(&[]),
            "self" => from(&file.module),
            "super" => from(file.module.split_last()?.1),
            name if file.children.contains(name) => Some([&file.module, path].concat()),
            name => {
                let found = file.uses.iter().find(|found| found.name == name)?;
                // An external crate that is imported by its own name would lead back to itself.
                let other = found.path.first().is_some_and(|first| first != name);
                from(&self.absolute(file, &found.path, hops.checked_sub(1)?).filter(|_| other)?)
            }
        }
    }

    fn find(&self, path: &[String], hops: usize) -> Option<&str> {
        let length = (0..=path.len()).rev().find(|&end| self.modules.contains_key(&path[..end]))?;
        let name = path.get(length)?;
        let module = &self.modules[&path[..length]];
        let file = &self.files[module];
        if file.defs.iter().any(|def| def.name == *name) {
            return Some(module);
        }
        let Some(found) = file.uses.iter().find(|found| found.name == *name) else {
            return Some(module);
        };
        self.find(&self.absolute(file, &found.path, hops)?, hops.checked_sub(1)?)
    }

    /// Imports and paths in code that lead from one file to another.
    pub(super) fn arrows(&self) -> Vec<Arrow> {
        let mut found = vec![];
        for (path, file) in &self.files {
            let imports =
                file.uses.iter().filter(|import| !import.public || file.names(&import.name));
            let imports = imports.map(|import| (import.line, import.path.as_slice()));
            let paths = file.paths();
            let paths = paths.iter().map(|(line, path)| (*line, path.as_slice()));
            for (line, names) in imports.chain(paths) {
                let to = self.definer(file, names).filter(|to| to != path);
                found.extend(to.map(|to| Arrow { from: path.clone(), line, to: to.into() }));
            }
        }
        found
    }
}

/// An import, or a path in code, that leads from one file to another.
pub(super) struct Arrow {
    pub(super) from: String,
    pub(super) line: usize,
    pub(super) to: String,
}

impl Arrow {
    /// True from the root of a folder, `a/mod.rs` or `a.rs`, to a file below it.
    pub(super) fn is_to_leaf(&self) -> bool {
        let root = self.from.strip_suffix(".rs").unwrap_or(&self.from);
        let folder = root.strip_suffix("/mod").unwrap_or(root);
        self.to.strip_prefix(folder).is_some_and(|below| below.starts_with('/'))
    }
}

impl File {
    pub(super) fn new(path: &str, text: String) -> Self {
        let (tokens, tests) = without_tests(&Source::new(path, &text).tokens());
        let children = modules(&tokens).collect();
        Self {
            uses: Use::all(&tokens),
            defs: Def::all(&tokens),
            impls: Impl::all(&tokens),
            module: module(path),
            text,
            tokens,
            children,
            tests,
        }
    }

    /// True when code outside of imports uses `name`, and not one like it: of a field, a method, a
    /// variant or a module.
    pub(super) fn names(&self, name: &str) -> bool {
        let is = |at: usize, texts: &[&str]| {
            self.tokens.get(at).is_some_and(|token| texts.contains(&token.text.as_str()))
        };
        let other =
            |at: usize| at > 0 && is(at - 1, &[".", "::", "mod", "fn"]) || is(at + 1, &[":"]);
        let named = self.tokens.iter().enumerate().filter(|(_, token)| token.is(name));
        named.into_iter().any(|(at, _)| !self.is_import(at) && !other(at))
    }

    /// True when the file has `name` for itself: imports it, or uses what it re-exports.
    pub(super) fn knows(&self, name: &str) -> bool {
        self.uses.iter().any(|import| !import.public && import.name == name)
            || self.names(name)
            || self.paths().iter().any(|(_, path)| path.iter().any(|word| word == name))
    }

    fn is_import(&self, at: usize) -> bool {
        self.uses.iter().any(|import| import.tokens.contains(&at))
    }

    /// The paths in code, as in `exec::run(…)`, outside of imports.
    fn paths(&self) -> Vec<(usize, Vec<String>)> {
        let tokens = &self.tokens;
        let is = |at: usize, text: &str| tokens.get(at).is_some_and(|token| token.is(text));
        let starts = (0..tokens.len()).filter(|&at| {
            tokens[at].is_word() && is(at + 1, "::") && !(at > 0 && is(at - 1, "::"))
        });
        let starts = starts.filter(|&at| !self.is_import(at));
        let path = |start: usize| {
            let more = (start..).step_by(2).take_while(|&at| at == start || is(at - 1, "::"));
            let words = more.map_while(|at| tokens.get(at).filter(|token| token.is_word()));
            (tokens[start].line, words.map(|token| token.text.clone()).collect())
        };
        starts.map(path).collect()
    }
}

fn join(module: &[String], name: &str) -> Vec<String> {
    module.iter().cloned().chain(iter::once(name.into())).collect()
}

/// The module that a file below `src` is, as names from the root.
fn module(path: &str) -> Vec<String> {
    let inside = path.strip_prefix("src/").unwrap_or(path);
    let inside = inside.strip_suffix(".rs").unwrap_or(inside);
    let inside = inside.strip_suffix("/mod").unwrap_or(inside);
    inside.split('/').filter(|name| *name != "lib").map(String::from).collect()
}

fn modules(tokens: &[Token]) -> impl Iterator<Item = String> {
    let declared = tokens.windows(3).filter(|window| window[0].is("mod") && window[2].is(";"));
    declared.map(|window| window[1].text.clone())
}

/// The tokens that are in a build, and the names of modules that are only in one for tests.
fn without_tests(tokens: &[Token]) -> (Vec<Token>, BTreeSet<String>) {
    let (mut kept, mut tests, mut at) = (vec![], BTreeSet::new(), 0);
    while at < tokens.len() {
        let end = attribute(tokens, at).unwrap_or(at);
        let has = |text: &str| tokens[at..end].iter().any(|token| token.is(text));
        if has("cfg") && has("test") && !has("not") {
            let behind = item(tokens, end);
            tests.extend(modules(&tokens[end..behind]));
            at = behind;
        } else {
            kept.push(tokens[at].clone());
            at += 1;
        }
    }
    (kept, tests)
}

/// The end of the attribute that begins at `at`.
fn attribute(tokens: &[Token], at: usize) -> Option<usize> {
    let begins = tokens[at].is("#") && tokens.get(at + 1)?.is("[");
    begins.then(|| closing(tokens, at + 1))
}

/// The end of the item, with its other attributes, that begins at `at`.
fn item(tokens: &[Token], mut at: usize) -> usize {
    while let Some(end) = tokens.get(at).and_then(|_| attribute(tokens, at)) {
        at = end;
    }
    let flat = ["use", "const", "static", "type", "let"];
    let is_flat = tokens[at..].iter().take(5).any(|token| flat.contains(&token.text.as_str()));
    let is_fn = tokens[at..].iter().take(5).any(|token| token.is("fn"));
    while at < tokens.len() {
        match tokens[at].text.as_str() {
            ";" => return at + 1,
            "{" if !is_flat || is_fn => return closing(tokens, at),
            "{" | "(" | "[" => at = closing(tokens, at),
            _ => at += 1,
        }
    }
    at
}

/// The first token behind the bracket that closes the one at `at`.
pub(super) fn closing(tokens: &[Token], at: usize) -> usize {
    let mut depth = 0;
    for (offset, token) in tokens[at..].iter().enumerate() {
        match token.text.as_str() {
            "{" | "(" | "[" => depth += 1,
            "}" | ")" | "]" => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return at + offset + 1;
        }
    }
    tokens.len()
}
