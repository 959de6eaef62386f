//! Rust source as the rules see it: text of code apart from text of comments, line by line.

/// A source file, its code and its comments each with everything else blanked out, so that a line
/// has the same number in all three. Strings and characters are blank in both.
pub(super) struct Source<'a> {
    pub(super) path: &'a str,
    pub(super) text: &'a str,
    pub(super) code: String,
    pub(super) comments: String,
}

#[derive(Clone, Copy, PartialEq)]
enum State {
    Code,
    LineComment,
    BlockComment { depth: usize },
    Text { escape: bool },
    RawText { hashes: usize },
}

impl<'a> Source<'a> {
    pub(super) fn new(path: &'a str, text: &'a str) -> Self {
        let mut source = Self { path, text, code: String::new(), comments: String::new() };
        let mut state = State::Code;
        let mut rest = text;
        while !rest.is_empty() {
            let (length, next) = step(&source.code, rest, state);
            let (taken, behind) = rest.split_at(length);
            let comment = is_comment(state) || is_comment(next);
            let character = taken.starts_with('\'') && taken != "'";
            let code = state == State::Code && next == State::Code && !character;
            for c in taken.chars() {
                let blank = if c == '\n' { c } else { ' ' };
                source.code.push(if code { c } else { blank });
                source.comments.push(if comment { c } else { blank });
            }
            (rest, state) = (behind, next);
        }
        source
    }

    /// Where `pattern` stands in the code, as line numbers from 1.
    pub(super) fn find(&self, pattern: &str) -> Vec<usize> {
        let lines = self.code.lines().zip(1..);
        lines.filter(|(line, _)| has(line, pattern)).map(|(_, number)| number).collect()
    }

    /// Names right behind `root`, as in `crate::wire` or `crate::{durable, wire::Seq}`,
    /// each with its line.
    pub(super) fn named_behind(&self, root: &str) -> Vec<(usize, &str)> {
        let mut named = vec![];
        for (at, _) in self.code.match_indices(root) {
            if is_glued(&self.code[..at], root) {
                continue;
            }
            let line = self.line_of(at);
            let rest = &self.code[at + root.len()..];
            if rest.starts_with('{') {
                named.extend(group(rest).into_iter().map(|name| (line, name)));
            } else {
                named.push((line, first_word(rest)));
            }
        }
        named
    }

    /// First line and number of lines of each function that has a body.
    pub(super) fn functions(&self) -> Vec<(usize, usize)> {
        let mut found = vec![];
        for (at, word) in self.code.match_indices("fn ") {
            if is_glued(&self.code[..at], word) {
                continue;
            }
            let (mut braces, mut brackets) = (0, 0);
            for (offset, c) in self.code[at..].char_indices() {
                match c {
                    '(' | '[' => brackets += 1,
                    ')' | ']' => brackets -= 1,
                    '{' => braces += 1,
                    '}' => braces -= 1,
                    ';' if braces == 0 && brackets == 0 => break,
                    _ => {}
                }
                if c == '}' && braces == 0 {
                    let first = self.line_of(at);
                    found.push((first, self.line_of(at + offset) - first + 1));
                    break;
                }
            }
        }
        found
    }

    fn line_of(&self, at: usize) -> usize {
        self.code[..at].matches('\n').count() + 1
    }

    /// The code as words, `::`, arrows and single characters.
    pub(super) fn tokens(&self) -> Vec<Token> {
        let (mut found, mut line, mut rest) = (vec![], 1, self.code.as_str());
        while let Some(c) = rest.chars().next() {
            let pair = ["::", "->", "=>"].iter().any(|pair| rest.starts_with(pair));
            let length = match c {
                _ if is_word(c) => first_word(rest).len(),
                _ if pair => 2,
                _ => c.len_utf8(),
            };
            let (text, behind) = rest.split_at(length);
            line += usize::from(c == '\n');
            if !c.is_whitespace() {
                found.push(Token { text: text.into(), line });
            }
            rest = behind;
        }
        found
    }
}

/// A word or a sign of code.
#[derive(Clone, Debug)]
pub(super) struct Token {
    pub(super) text: String,
    pub(super) line: usize,
}

impl Token {
    pub(super) fn is(&self, text: &str) -> bool {
        self.text == text
    }

    /// True of names, keywords and numbers.
    pub(super) fn is_word(&self) -> bool {
        self.text.starts_with(is_word)
    }
}

/// Length in bytes of the next piece of `rest`, and the state that it is in.
fn step(before: &str, rest: &str, state: State) -> (usize, State) {
    let c = rest.chars().next().map_or(0, char::len_utf8);
    match state {
        State::LineComment if rest.starts_with('\n') => (c, State::Code),
        State::BlockComment { depth } if rest.starts_with("/*") => {
            (2, State::BlockComment { depth: depth + 1 })
        }
        State::BlockComment { depth: 1 } if rest.starts_with("*/") => (2, State::Code),
        State::BlockComment { depth } if rest.starts_with("*/") => {
            (2, State::BlockComment { depth: depth - 1 })
        }
        State::Text { escape: false } if rest.starts_with('"') => (c, State::Code),
        State::Text { escape } => (c, State::Text { escape: !escape && rest.starts_with('\\') }),
        State::RawText { hashes } if ends_raw(rest, hashes) => (1 + hashes, State::Code),
        State::Code => start(before, rest, c),
        inside => (c, inside),
    }
}

/// The same from within code, where comments, strings and characters begin.
fn start(before: &str, rest: &str, c: usize) -> (usize, State) {
    if rest.starts_with("//") {
        return (2, State::LineComment);
    }
    if rest.starts_with("/*") {
        return (2, State::BlockComment { depth: 1 });
    }
    if rest.starts_with('"') {
        return (c, State::Text { escape: false });
    }
    let hashed = rest.strip_prefix('r').map(|raw| raw.trim_start_matches('#'));
    if let Some(raw) = hashed.filter(|raw| raw.starts_with('"'))
        && !is_glued(before.strip_suffix('b').unwrap_or(before), "r")
    {
        let hashes = rest.len() - raw.len() - 1;
        return (2 + hashes, State::RawText { hashes });
    }
    if let Some(quoted) = rest.strip_prefix('\'') {
        // `'a'` or `'\…'` is a character, `'a` a lifetime.
        let escape = usize::from(quoted.starts_with('\\')) * 2;
        let end = quoted.char_indices().skip(escape.max(1)).find(|&(_, c)| c == '\'');
        let near = quoted.chars().nth(1) == Some('\'');
        if let Some((end, _)) = end.filter(|_| near || escape > 0) {
            return (end + 2, State::Code);
        }
    }
    (c, State::Code)
}

fn ends_raw(rest: &str, hashes: usize) -> bool {
    rest.strip_prefix('"')
        .is_some_and(|tail| tail.bytes().take_while(|&b| b == b'#').count() >= hashes)
}

fn is_comment(state: State) -> bool {
    matches!(state, State::LineComment | State::BlockComment { .. })
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || "_'".contains(c)
}

/// True when `text` continues a word, or a path, that `before` began.
fn is_glued(before: &str, text: &str) -> bool {
    text.starts_with(is_word) && (before.ends_with(is_word) || before.ends_with("::"))
}

fn first_word(text: &str) -> &str {
    &text[..text.find(|c| !is_word(c)).unwrap_or(text.len())]
}

/// The first name of each item in `{a, b::c, d::{e, f}}`.
fn group(text: &str) -> Vec<&str> {
    let (mut depth, mut names) = (0, vec![]);
    for (at, c) in text.char_indices() {
        depth += match c {
            '{' => 1,
            '}' => -1,
            _ => 0,
        };
        if depth == 0 {
            break;
        }
        if depth == 1 && "{,".contains(c) {
            names.push(first_word(text[at + 1..].trim_start()));
        }
    }
    names
}

/// True when `line` has `pattern` as whole words. `…` in a pattern stands for anything.
pub(super) fn has(line: &str, pattern: &str) -> bool {
    let (head, tail) = pattern.split_once('…').unwrap_or((pattern, ""));
    line.match_indices(head).any(|(at, _)| {
        let (before, after) = (&line[..at], &line[at + head.len()..]);
        let begins = !(head.starts_with(is_word) && before.ends_with(is_word));
        let ends = !(head.ends_with(is_word) && after.starts_with(is_word));
        begins && ends && (tail.is_empty() || has(after, tail))
    })
}

#[test]
fn code_and_comments_are_told_apart() {
    let squeeze = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    for (text, code, comments) in [
        ("a // b", "a", "// b"),
        ("a /* b /* c */ */ d", "a d", "/* b /* c */ */"),
        (r#"f("// { \" no", x) // "y""#, "f( , x)", r#"// "y""#),
        (r###"f(r#"{ " // b"#, br"\", x)"###, "f( , b , x)", ""),
        (r"f('{', '\'', '\u{7d}', '\\', '}') // '", "f( , , , , )", "// '"),
        ("fn f<'a>(x: &'a str) -> &'a", "fn f<'a>(x: &'a str) -> &'a", ""),
    ] {
        let source = Source::new("", text);
        assert_eq!(squeeze(&source.code), code);
        assert_eq!(squeeze(&source.comments), comments);
        assert_eq!(source.code.chars().count(), text.chars().count(), "{text}");
    }
}
