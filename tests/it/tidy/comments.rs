//! A doc comment begins with a noun or a verb, not with a pronoun or a question.

use std::fs;
use std::path::Path;

use super::ceilings::{COMMENTS, Figure, hold};
use super::files;
use super::source::Source;

/// First words that leave open what the comment is about.
const RIDDLES: &[&str] =
    &["It", "They", "These", "Those", "This", "Of", "What", "Whether", "So", "How", "That"];

/// The doc comments of a file, each with its line and its first word.
fn docs(source: &Source) -> Vec<(usize, String)> {
    let (mut found, mut inside) = (vec![], "");
    for (comment, line) in source.comments.lines().zip(1..) {
        let comment = comment.trim();
        let mark = ["///", "//!"].into_iter().find(|mark| comment.starts_with(mark)).unwrap_or("");
        // Four slashes are no doc comment.
        let mark = if comment.starts_with("////") { "" } else { mark };
        if !mark.is_empty() && mark != inside {
            let text = comment[mark.len()..].trim_start();
            let end = text.find(|c: char| !c.is_alphanumeric()).unwrap_or(text.len());
            found.push((line, text[..end].to_string()));
        }
        inside = mark;
    }
    found
}

/// The share of riddling doc comments below a directory, in whole percent.
fn riddles(directory: &str) -> Figure {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut paths = vec![];
    files(root, &root.join(directory), &mut paths).unwrap();
    paths.retain(|path| path.ends_with(".rs"));
    paths.sort_unstable();
    let (mut all, mut places) = (0, vec![]);
    for path in &paths {
        let text = fs::read_to_string(root.join(path)).unwrap();
        let docs = docs(&Source::new(path, &text));
        all += docs.len();
        let riddles = docs.iter().filter(|(_, word)| RIDDLES.contains(&word.as_str()));
        let line = |line: &usize| text.lines().nth(line - 1).unwrap_or("").trim().to_string();
        places.extend(riddles.map(|(at, _)| format!("{path}:{at}: {}", line(at))));
    }
    println!("{directory}: {} of {all}", places.len());
    Figure { name: directory.into(), value: places.len() * 100 / all.max(1), places }
}

#[test]
fn comments_name_their_subject() {
    hold(COMMENTS, &[riddles("src"), riddles("tests")]);
}

#[test]
fn first_words_are_read() {
    let text =
        "//! What.\n//! So.\n\n/// It is\n/// This\nfn f() {}\n/// `Of` x\n// How\n/// That's";
    let source = Source::new("", text);
    let words = docs(&source).into_iter().map(|(line, word)| format!("{line} {word}"));
    assert_eq!(words.collect::<Vec<_>>(), ["1 What", "4 It", "7 ", "9 That"]);
}
