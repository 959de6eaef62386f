//! The README and the tour are true: what they show is run.

use std::fs;
use std::path::{Path, PathBuf};

use crate::real::kit::{Home, start};

fn repository() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn readme() -> String {
    fs::read_to_string(repository().join("README.md")).unwrap()
}

/// What stands in the README's blocks of a language, block by block.
pub(crate) fn blocks(language: &str) -> Vec<String> {
    let mut blocks: Vec<String> = Vec::new();
    let (mut inside, mut wanted) = (false, false);
    for line in readme().lines() {
        match line.strip_prefix("```") {
            Some(info) => {
                inside = !inside;
                wanted = inside && info == language;
                assert!(!inside || !info.is_empty(), "each block says what it is");
                if wanted {
                    blocks.push(String::new());
                }
            }
            None if wanted => *blocks.last_mut().unwrap() += &format!("{line}\n"),
            None => {}
        }
    }
    assert!(!inside, "a block has no end");
    blocks
}

/// They would run this very test again, so they are only looked at.
#[test]
fn two_commands_do_everything() {
    let first = &blocks("console")[0];
    assert_eq!(first, "$ sh tests/tour.sh\n$ cargo test\n");
}

#[test]
fn the_blocks_of_the_readme_run() {
    let blocks = blocks("sh");
    assert!(blocks.len() >= 5, "{blocks:?}");
    let home = Home::new();
    let server = home.serve(&[]);
    // One session, as a reader would type it.
    let script = blocks.join("\n");
    let mut shell = home.program("/bin/sh", &["-e", "-u", "-x", "-c", &script]);
    shell.env("QMSG_SERVER", &server.address);
    let shown = start(shell).end().ok();
    let expected = ["the build is done\none\ntwo\n", "\"room\":\"@ops\"", "not sent, code 67\n"];
    for text in expected {
        assert!(shown.contains(text), "{text:?} is not in {shown}");
    }
}

#[test]
fn the_files_it_names_are_there() {
    let text = readme();
    let links = text.split("](").skip(1).map(|rest| rest.split(')').next().unwrap());
    let mut links: Vec<&str> = links.collect();
    let map = text.split("## The source").nth(1).unwrap().split("## Licence").next().unwrap();
    let words = map.split_whitespace();
    links.extend(words.filter(|word| word.ends_with('/') || word.ends_with(".rs")));
    assert!(links.len() > 15, "{links:?}");
    for link in links {
        assert!(repository().join(link).exists(), "{link}");
    }
}

#[test]
fn the_tour_goes_through() {
    let home = Home::new();
    let tour = repository().join("tests/tour.sh");
    let mut shell = home.program("/bin/sh", &[Path::as_os_str(&tour)]);
    shell.env("QMSG_BIN", env!("CARGO_BIN_EXE_qmsg"));
    // What a user has set is not to steer it.
    shell.env("QMSG_AS", "somebody").env("XDG_DATA_HOME", home.path().join("untouched"));
    let said = start(shell).end();
    let shown = String::from_utf8_lossy(&said.stdout).into_owned();
    assert_eq!(said.code, Some(0), "{shown}{}", said.stderr);
    assert!(shown.ends_with("The tour is over, and all went as it should.\n"), "{shown}");
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
