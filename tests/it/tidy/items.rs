//! Imports, definitions and impls of a file, read from its tokens.

use std::ops::Range;

use super::source::Token;
use super::tree::closing;

/// One name of a `use`.
pub(super) struct Use {
    pub(super) path: Vec<String>,
    /// The name in this file. `*` for all names.
    pub(super) name: String,
    /// True of a re-export.
    pub(super) public: bool,
    pub(super) line: usize,
    pub(super) tokens: Range<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Kind {
    Struct,
    Enum,
    Trait,
    Alias,
    Const,
    Other,
}

/// A definition outside of impls and traits.
pub(super) struct Def {
    pub(super) kind: Kind,
    pub(super) name: String,
    pub(super) line: usize,
    /// Fields that are not private, of a struct.
    pub(super) open: Vec<Field>,
}

pub(super) struct Field {
    pub(super) name: String,
    /// `pub`, or what stands in `pub(…)`.
    pub(super) visibility: String,
}

/// An `impl` block.
pub(super) struct Impl {
    pub(super) of: Vec<String>,
    /// Paths in the name of the trait, with its arguments.
    pub(super) traits: Vec<Vec<String>>,
    pub(super) line: usize,
    pub(super) methods: Vec<Method>,
}

pub(super) struct Method {
    pub(super) name: String,
    /// Methods that this one calls on `self`.
    pub(super) calls: Vec<String>,
}

impl Use {
    pub(super) fn all(tokens: &[Token]) -> Vec<Self> {
        let mut found = vec![];
        for at in starts(tokens, "use") {
            // `use<'a>` in a type.
            if tokens.get(at + 1).is_none_or(|next| next.is("<")) {
                continue;
            }
            let end = (at..tokens.len()).find(|&end| tokens[end].is(";")).unwrap_or(at);
            let mut names = vec![];
            branch(&tokens[at + 1..end], &[], &mut names);
            let public = at > 0 && (tokens[at - 1].is("pub") || tokens[at - 1].is(")"));
            let line = tokens[at].line;
            found.extend(names.into_iter().map(|(path, name)| Self {
                path,
                name,
                public,
                line,
                tokens: at..end,
            }));
        }
        found
    }
}

/// The names of `a::{b, c::d as e}`: path and name.
fn branch(tokens: &[Token], prefix: &[String], found: &mut Vec<(Vec<String>, String)>) {
    let mut path = prefix.to_vec();
    for (at, token) in tokens.iter().enumerate() {
        match token.text.as_str() {
            "{" => {
                for item in items(&tokens[at + 1..closing(tokens, at) - 1]) {
                    branch(item, &path, found);
                }
                return;
            }
            "as" => return found.push((path, tokens[at + 1].text.clone())),
            "self" if !path.is_empty() => {}
            "::" => {}
            text => path.push(text.into()),
        }
    }
    let Some(name) = path.last().cloned() else { return };
    path.retain(|name| name != "*");
    found.push((path, name));
}

/// Parts between commas, outside of brackets.
fn items(tokens: &[Token]) -> Vec<&[Token]> {
    let (mut found, mut start, mut at) = (vec![], 0, 0);
    while at < tokens.len() {
        match tokens[at].text.as_str() {
            "{" | "(" | "[" => at = closing(tokens, at),
            "," => {
                found.push(&tokens[start..at]);
                (start, at) = (at + 1, at + 1);
            }
            _ => at += 1,
        }
    }
    found.push(&tokens[start..]);
    found.retain(|item| !item.is_empty());
    found
}

impl Def {
    pub(super) fn is_type(&self) -> bool {
        !matches!(self.kind, Kind::Const | Kind::Other)
    }

    pub(super) fn all(tokens: &[Token]) -> Vec<Self> {
        let (mut found, mut at) = (vec![], 0);
        while at + 1 < tokens.len() {
            let (token, name) = (&tokens[at], &tokens[at + 1]);
            let kind = match token.text.as_str() {
                "struct" => Kind::Struct,
                "enum" => Kind::Enum,
                "trait" => Kind::Trait,
                "type" => Kind::Alias,
                "const" => Kind::Const,
                "fn" | "static" | "mod" | "macro_rules" => Kind::Other,
                _ => {
                    at = if is_impl(tokens, at) { body(tokens, at) } else { at + 1 };
                    continue;
                }
            };
            // `*const T`, `const { … }`, `fn(…)` and `struct $name` define nothing.
            let name = if token.is("macro_rules") { &tokens[at + 2] } else { name };
            let pointer = at > 0 && tokens[at - 1].is("*");
            if name.is_word() && !name.is("fn") && !pointer {
                let open = if kind == Kind::Struct { open(&tokens[at..]) } else { vec![] };
                found.push(Self { kind, name: name.text.clone(), line: token.line, open });
            }
            // Functions of a trait are not defined by the file.
            at = if kind == Kind::Trait { body(tokens, at) } else { at + 1 };
        }
        found
    }
}

/// The fields with a visibility of the struct that begins here.
fn open(tokens: &[Token]) -> Vec<Field> {
    let ends = [";", "{", "("];
    let start = tokens.iter().position(|token| ends.contains(&token.text.as_str()));
    let Some(start) = start.filter(|&start| !tokens[start].is(";")) else { return vec![] };
    let fields = items(&tokens[start + 1..closing(tokens, start) - 1]);
    let field = |(number, tokens): (usize, &[Token])| {
        let at = tokens.iter().position(|token| token.is("pub"))?;
        let limited = tokens.get(at + 1)?.is("(");
        let behind = if limited { closing(tokens, at + 1) } else { at + 1 };
        let inside = if limited { &tokens[at + 2..behind - 1] } else { &tokens[at..behind] };
        let named = tokens.get(behind + 1).is_some_and(|token| token.is(":"));
        let name = if named { tokens[behind].text.clone() } else { number.to_string() };
        let visibility = inside.iter().map(|token| token.text.as_str()).collect();
        Some(Field { name, visibility })
    };
    fields.into_iter().enumerate().filter_map(field).collect()
}

impl Impl {
    pub(super) fn all(tokens: &[Token]) -> Vec<Self> {
        let starts = (0..tokens.len()).filter(|&at| is_impl(tokens, at));
        starts.filter_map(|at| Self::new(&tokens[at..body(tokens, at)])).collect()
    }

    fn new(tokens: &[Token]) -> Option<Self> {
        let open = tokens.iter().position(|token| token.is("{"))?;
        let head = &tokens[1..open];
        let head = &head[generics(head)..];
        let end = head.iter().position(|token| token.is("where")).unwrap_or(head.len());
        let head = &head[..end];
        let (traits, of) = match head.iter().position(|token| token.is("for")) {
            Some(at) => (paths(&head[..at]), &head[at + 1..]),
            None => (vec![], head),
        };
        let of = paths(of).into_iter().next()?;
        let line = tokens[0].line;
        Some(Self { of, traits, line, methods: methods(&tokens[open + 1..]) })
    }
}

/// The length of the `<…>` that `tokens` begin with.
fn generics(tokens: &[Token]) -> usize {
    let mut depth = 0;
    for (at, token) in tokens.iter().enumerate() {
        match token.text.as_str() {
            "<" => depth += 1,
            ">" => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return if at == 0 { 0 } else { at + 1 };
        }
    }
    tokens.len()
}

/// All paths of a type: `a::B<C>` has `a::B` and `C`.
fn paths(tokens: &[Token]) -> Vec<Vec<String>> {
    let mut found: Vec<Vec<String>> = vec![];
    let no_name = ["mut", "dyn", "impl", "const"];
    for (at, token) in tokens.iter().enumerate() {
        let name = token.is_word() && !token.text.starts_with('\'');
        if !name || no_name.contains(&token.text.as_str()) {
            continue;
        }
        match found.last_mut() {
            Some(path) if at > 0 && tokens[at - 1].is("::") => path.push(token.text.clone()),
            _ => found.push(vec![token.text.clone()]),
        }
    }
    found
}

fn methods(tokens: &[Token]) -> Vec<Method> {
    let (mut found, mut at) = (vec![], 0);
    while at + 1 < tokens.len() {
        match tokens[at].text.as_str() {
            "fn" => {
                let end = body(tokens, at);
                let name = tokens[at + 1].text.clone();
                found.push(Method { name, calls: calls(&tokens[at..end]) });
                at = end;
            }
            "{" | "(" | "[" => at = closing(tokens, at),
            _ => at += 1,
        }
    }
    found
}

/// The names of `self.name(…)`, and of `Self::name`.
fn calls(tokens: &[Token]) -> Vec<String> {
    let call = |window: &[Token]| {
        let method =
            window[0].is("self") && window[1].is(".") && (window[3].is("(") || window[3].is("::"));
        (method || window[0].is("Self") && window[1].is("::")).then(|| window[2].text.clone())
    };
    tokens.windows(4).filter_map(call).collect()
}

/// True where an `impl` block begins, and not a type that is `impl Trait`.
fn is_impl(tokens: &[Token], at: usize) -> bool {
    let before = |token: &Token| ["}", ";", "]", "{", "unsafe"].contains(&token.text.as_str());
    tokens[at].is("impl") && (at == 0 || before(&tokens[at - 1]))
}

/// The end of the first `{…}` behind `at`, or of the item if it has none.
fn body(tokens: &[Token], at: usize) -> usize {
    let mut at = at;
    while at < tokens.len() {
        match tokens[at].text.as_str() {
            ";" => return at + 1,
            "{" => return closing(tokens, at),
            "(" | "[" => at = closing(tokens, at),
            _ => at += 1,
        }
    }
    at
}

fn starts(tokens: &[Token], word: &str) -> impl Iterator<Item = usize> {
    (0..tokens.len()).filter(move |&at| tokens[at].is(word))
}
