//! README and tour are true: their commands are run.

mod crontab;
mod senders;
mod walk;

use std::fs;
use std::path::{Path, PathBuf};

use crate::real::kit::{Home, start};

fn repository() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn readme() -> String {
    fs::read_to_string(repository().join("README.md")).unwrap()
}

/// A code block in the README.
struct Block {
    language: String,
    text: String,
}

/// All code blocks, in order.
fn blocks() -> Vec<Block> {
    let (mut blocks, mut inside): (Vec<Block>, bool) = (vec![], false);
    for line in readme().lines() {
        match line.strip_prefix("```") {
            Some(info) => {
                inside = !inside;
                assert!(!inside || !info.is_empty(), "each block says what it is");
                if inside {
                    blocks.push(Block { language: info.into(), text: String::new() });
                }
            }
            None if inside => blocks.last_mut().unwrap().text += &format!("{line}\n"),
            None => {}
        }
    }
    assert!(!inside, "a block has no end");
    blocks
}

/// The one block in a language that contains these words.
fn block(language: &str, words: &str) -> String {
    let is_it = |block: &Block| block.language == language && block.text.contains(words);
    let mut found = blocks().into_iter().filter(is_it);
    let (Some(block), None) = (found.next(), found.next()) else { panic!("{words:?}") };
    block.text
}

/// Only read, not run: the commands would start this test again.
#[test]
fn two_commands_do_everything() {
    let first = &blocks()[0];
    assert_eq!(first.language, "console");
    assert_eq!(first.text, "$ sh tests/tour.sh\n$ cargo test\n");
}

#[test]
fn files_that_the_readme_names_exist() {
    let text = readme();
    let links = text.split("](").skip(1).map(|rest| rest.split(')').next().unwrap());
    let mut links: Vec<&str> = links.collect();
    let map = text.split("## The source").nth(1).unwrap().split("## License").next().unwrap();
    let words = map.split_whitespace();
    links.extend(words.filter(|word| word.ends_with('/') || word.ends_with(".rs")));
    assert!(links.len() > 15, "{links:?}");
    for link in links {
        if let Some(heading) = link.strip_prefix('#') {
            assert!(text.to_lowercase().contains(&format!("\n## {heading}\n")), "{link}");
            continue;
        }
        assert!(repository().join(link).exists(), "{link}");
    }
}

#[test]
fn the_tour_succeeds() {
    let home = Home::new();
    let tour = repository().join("tests/tour.sh");
    let mut shell = home.program("/bin/sh", &[Path::as_os_str(&tour)]);
    shell.env("QMSG_BIN", env!("CARGO_BIN_EXE_qmsg"));
    // Settings of the user must have no effect.
    shell.env("QMSG_AS", "somebody").env("XDG_DATA_HOME", home.path().join("untouched"));
    let said = start(shell).end();
    let shown = String::from_utf8_lossy(&said.stdout).into_owned();
    assert_eq!(said.code, Some(0), "{shown}{}", said.stderr);
    assert!(shown.ends_with("End of the tour: everything worked.\n"), "{shown}");
    assert_eq!(said.stderr, "");
    let left = fs::read_dir(home.path()).unwrap().count();
    assert_eq!(left, 0, "it leaves nothing behind");
}

#[test]
fn a_tour_that_fails_says_so() {
    let home = Home::new();
    let tour = repository().join("tests/tour.sh");
    let mut shell = home.program("/bin/sh", &[Path::as_os_str(&tour)]);
    shell.env("QMSG_BIN", "/bin/true");
    start(shell).end().code(1).says("FAILED: the server does not start");
}
